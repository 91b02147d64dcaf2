"""Lists what a snapshot holds: the folders and pictures in a folder, or those that a filter lets through."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from vstore.brief import briefly
from vstore.browse.entries import COLUMNS, Entries, PathEntry, cells, entry_of
from vstore.browse.words import Asked, read_words
from vstore.errors import UsageError
from vstore.format.canonical import Json
from vstore.format.pages import Alias
from vstore.format.relabelling import Labels
from vstore.paths import AnyPath
from vstore.quick_tuple import NamedTuple
from vstore.repository.files import files_of
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from vstore.where.lines import Fits

T = TypeVar("T")
Test = Callable[[Alias], bool]
Stream = Callable[[Callable[[Repository], Iterator[PathEntry]]], Iterator[PathEntry]]
_RUN = 32  # lines that are made at once, at first: whoever looks at the first ones does not wait for more
_MOST = 1024  # and later


@briefly
class LsReport(NamedTuple):
    """The entries of a snapshot.

    snapshot: its name; None for files that no sync could read: they are in none.
    entries:  the lines, read as they are asked for.
    is_part:  only what lies below a path that was named.
    notes:    remarks on what an expression could not know.
    """

    snapshot: str | None
    entries: Entries
    is_part: bool = False
    notes: tuple[str, ...] = ()

    def head(self) -> dict[str, Json]:
        """Write all but the lines."""
        return {"snapshot": self.snapshot}

    def to_json(self) -> dict[str, Json]:
        return {**self.head(), "entries": [one.to_json() for one in self.entries]}

    def to_arrow(self) -> pyarrow.Table:
        """Make a table of Arrow, a row for each line. See the guide for programs. Raises: MissingPackage."""
        from vstore import tables

        return tables.to_arrow(COLUMNS, cells(self.entries))

    def to_pandas(self) -> pandas.DataFrame:
        """Make a data frame of pandas, with the columns of `to_arrow`. Raises: MissingPackage."""
        from vstore import tables

        return tables.to_pandas(COLUMNS, cells(self.entries))


class Filters(NamedTuple):
    """The choice of a listing.

    recursive:     what lies in subfolders too, and no folders.
    long:          with what is known of each picture.
    failed:        the files that could not be read, instead.
    new_since:     only pictures that this snapshot lacks.
    space_missing: only pictures without a vector in this space.
    where:         only pictures for which this expression is true.
    """

    recursive: bool = False
    long: bool = False
    failed: bool = False
    new_since: str | None = None
    space_missing: str | None = None
    where: str | None = None


def ls(repo: Repository, words: Sequence[AnyPath], at: str | None, filters: Filters, stream: Stream) -> LsReport:
    """List what the words `[SNAP] [PATH]` mean. `at` names the snapshot instead.

    stream:  lets a walk read the store, whenever the lines are asked for.
    Raises:  UsageError, SnapshotNotFound, AmbiguousSnapshot, Damage; and, as lines are asked for, Damage.
    """
    if filters.failed:
        return _failed(repo, words, at, filters, stream)
    asked = read_words(repo, words, at)
    without = _lacking(repo, filters)
    fits = _fitting(repo, asked, filters.where, without)
    wanted = _both(without, None if fits is None else fits.test)
    deep = filters.recursive or wanted is not None

    def walk(repo: Repository) -> Iterator[PathEntry]:
        open_again = asked._replace(tree=repo.tree(asked.snapshot))
        aliases = _aliases(open_again, wanted) if deep else _children(open_again)
        return _lines(repo, open_again, aliases, long=filters.long)

    notes = () if fits is None else fits.notes
    return LsReport(asked.snapshot.name, Entries(lambda: stream(walk)), asked.prefixes is not None, notes)


def _lacking(repo: Repository, filters: Filters) -> Test | None:
    """Give the test that something lacks a picture; None if nothing is asked. Raises: UsageError, SnapshotNotFound."""
    without: list[Container[bytes]] = []
    if filters.new_since is not None:
        without.append(frozenset(repo.tree(repo.snapshot(filters.new_since)).every_key()))
    if filters.space_missing is not None:
        space = repo.space(filters.space_missing).id
        without.append(frozenset(key for ref in repo.state.segments(space) for key in repo.segment(ref).key_list()))
    return (lambda alias: not any(alias[1] in keys for keys in without)) if without else None


def _fitting(repo: Repository, asked: Asked, where: str | None, wanted: Test | None) -> Fits | None:
    """Give the test that an expression makes of the lines that are wanted; None without one. Raises: UsageError."""
    if where is None:
        return None
    from vstore.where.lines import fitting  # most listings need no SQLite

    return fitting(repo, asked.snapshot, _aliases(asked, wanted), where)


def _both(one: Test | None, other: Test | None) -> Test | None:
    if one is None or other is None:
        return one or other
    return lambda alias: one(alias) and other(alias)


def _aliases(asked: Asked, wanted: Callable[[Alias], bool] | None) -> Iterator[Alias]:
    if asked.prefixes is None:
        aliases = asked.tree.range(b"", None)
    else:
        from vstore.repository.stored_paths import below  # the top has no path

        aliases = below(asked.tree, asked.prefixes)
    return aliases if wanted is None else filter(wanted, aliases)


def _children(asked: Asked) -> Iterator[tuple[bytes, bytes | None]]:
    tree = asked.tree
    for prefix in (b"",) if asked.prefixes is None else asked.prefixes:
        key = tree.get(prefix) if prefix else None
        if key is not None:
            yield prefix, key
        yield from tree.children(prefix)


def _lines(
    repo: Repository, asked: Asked, found: Iterator[tuple[bytes, bytes | None]], *, long: bool
) -> Iterator[PathEntry]:
    files = files_of(repo, repo.labels_in(asked.snapshot))
    runs: Iterator[list[PathEntry]] = ([entry_of(files, path, key) for path, key in run] for run in _runs(found))
    if long:
        from vstore.browse.details import detailed

        runs = detailed(repo, asked.tree, runs)
    return (line for run in runs for line in run)


def _runs(found: Iterator[T]) -> Iterator[list[T]]:
    size = _RUN
    while run := list(islice(found, size)):
        yield run
        size = min(2 * size, _MOST)


def _failed(repo: Repository, words: Sequence[AnyPath], at: str | None, filters: Filters, stream: Stream) -> LsReport:
    """List the files that no sync could read. Raises: UsageError for a filter beside."""
    if any(one is not None for one in (at, filters.new_since, filters.space_missing, filters.where)):
        raise UsageError(
            "pictures that could not be read are in no snapshot",
            "list them without --at, --new-since, --space-missing and --where: vstore ls --failed [PATH]",
        )
    asked = read_words(repo, words, None)
    if asked.snapshot.name != repo.state.current:
        raise UsageError(
            f"pictures that could not be read are in no snapshot, and {asked.snapshot.name} is one",
            "list those that the newest sync met: vstore ls --failed [PATH]",
        )

    def walk(repo: Repository) -> Iterator[PathEntry]:
        from vstore.browse.failed import unread_files

        files, tree = files_of(repo, Labels()), repo.tree(asked.snapshot)
        unread = unread_files(repo, asked.snapshot.space, tree, asked.prefixes)
        lines = (entry_of(files, one.path, one.key)._replace(kind=one.kind, reason=one.reason) for one in unread)
        if not filters.long:
            return lines
        from vstore.browse.details import detailed

        return (line for run in detailed(repo, tree, _runs(lines)) for line in run)

    return LsReport(None, Entries(lambda: stream(walk)), asked.prefixes is not None)
