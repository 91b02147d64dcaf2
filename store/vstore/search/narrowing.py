"""The part of a snapshot that is searched: below a path, new since a snapshot, chosen by an expression."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from vstore.paths import AnyPath, as_bytes
from vstore.quick_tuple import NamedTuple
from vstore.repository.places import is_below
from vstore.repository.repository import Repository
from vstore.search.index import Index
from vstore.search.open_snapshot import Condition, OpenSnapshot
from vstore.search.reporter import PathsOf

if TYPE_CHECKING:
    from vstore.search.chosen import Chosen
    from vstore.search.numbers import Ints
    from vstore.where.expression import Expression


class Narrowing(NamedTuple):
    """The part of a snapshot that is searched.

    under:     a stored path (LABEL/FOLDER), or a folder or file on disk; only pictures below it.
    new_since: only pictures that this snapshot lacks.
    where:     only pictures for which this expression is true.
    """

    under: bytes | None = None
    new_since: str | None = None
    where: Expression | None = None

    @classmethod
    def of(cls, under: AnyPath | None, new_since: str | None, where: str | None) -> Narrowing:
        """Raises: UsageError."""
        return cls(None if under is None else as_bytes(under), new_since, None if where is None else _read(where))


def _read(where: str) -> Expression:
    from vstore.where.expression import read_expression  # SQLite is loaded for it

    return read_expression(where)


class Part(NamedTuple):
    """A part of a snapshot.

    rows:  its rows.
    paths: gives those of the paths of a picture that are in it.
    notes: remarks for people on what an expression could not know.
    """

    rows: Index
    paths: PathsOf
    notes: tuple[str, ...] = ()


def narrowed(repo: Repository, opened: OpenSnapshot, narrowing: Narrowing) -> Part:
    """Find the part of a snapshot that is searched. Raises: UsageError, SnapshotNotFound, Damage."""
    conditions, prefixes, chosen, notes = _conditions(repo, opened, narrowing)
    return Part(opened.part(conditions), partial(_paths, opened, chosen, prefixes), notes)


def chosen_numbers(repo: Repository, opened: OpenSnapshot, narrowing: Narrowing) -> tuple[list[int], tuple[str, ...]]:
    """Find the pictures of a part of a snapshot. Returns: their numbers, rising; remarks. Raises: as `narrowed`."""
    conditions, _, _, notes = _conditions(repo, opened, narrowing)
    return opened.meeting(conditions), notes


class _Conditions(NamedTuple):
    """The conditions of a part of a snapshot.

    conditions: all must be met.
    prefixes:   stored paths: only paths below these count; None for all.
    chosen:     by the expression, if there is one.
    notes:      remarks for people on what an expression could not know.
    """

    conditions: list[Condition]
    prefixes: tuple[bytes, ...] | None
    chosen: Chosen | None
    notes: tuple[str, ...]


def _conditions(repo: Repository, opened: OpenSnapshot, narrowing: Narrowing) -> _Conditions:
    prefixes: tuple[bytes, ...] | None = None
    chosen: Chosen | None = None
    conditions: list[Condition] = []
    if narrowing.under is not None:
        prefixes = opened.prefixes(repo, narrowing.under)
        conditions.append(Condition(("under", *prefixes), partial(opened.numbers_below, repo, prefixes)))
    if narrowing.new_since is not None:
        other = repo.snapshot(narrowing.new_since)
        conditions.append(Condition(("new since", other.id), partial(opened.numbers_missing_in, repo, other)))
    notes: tuple[str, ...] = ()
    if narrowing.where is not None:
        from vstore.where.lines import notes_on

        chosen = opened.chosen(repo, narrowing.where)
        notes = notes_on(repo, chosen.lacking)
        folders: tuple[bytes, ...] = () if prefixes is None or chosen.marks is None else prefixes
        name: tuple[str | bytes, ...] = ("where", chosen.name, *folders)
        conditions.append(Condition(name, partial(_fitting, opened, chosen, folders)))
    return _Conditions(conditions, prefixes, chosen, notes)


def _paths(opened: OpenSnapshot, chosen: Chosen | None, prefixes: tuple[bytes, ...] | None, number: int) -> list[bytes]:
    """List those paths of a picture that an expression chooses, and that lie below one of some stored paths."""
    paths = opened.paths.paths_at(number)
    if chosen is not None:
        paths = chosen.paths(number, paths)
    return paths if prefixes is None else [path for path in paths if _is_below_any(path, prefixes)]


def _fitting(opened: OpenSnapshot, chosen: Chosen, prefixes: tuple[bytes, ...]) -> Ints:
    """Find the pictures that an expression chooses. Of several paths, one may fit, and another lie where one is to."""
    import numpy as np

    if not prefixes:
        return chosen.numbers
    return np.array([one for one in chosen.numbers.tolist() if _paths(opened, chosen, prefixes, one)], np.int64)


def _is_below_any(path: bytes, prefixes: tuple[bytes, ...]) -> bool:
    return any(path == prefix or is_below(path, prefix) for prefix in prefixes)
