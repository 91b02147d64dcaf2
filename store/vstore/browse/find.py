"""Finds pictures by their names, in one snapshot or in all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from vstore.brief import briefly
from vstore.browse.entries import COLUMNS, Entries, PathEntry, cells, entry_of
from vstore.browse.globs import Glob, plain
from vstore.browse.spans import Held, Run, SnapshotSpan
from vstore.errors import UsageError
from vstore.format.canonical import Json
from vstore.format.pages import Alias, Child
from vstore.format.relabelling import doubtful_labels
from vstore.format.tree import Tree
from vstore.paths import as_text
from vstore.quick_tuple import NamedTuple
from vstore.repository.addresses import refuse_address
from vstore.repository.files import UNKNOWN, Files, files_of
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    import pandas
    import pyarrow

_NAMES = 5000  # names that are compared with one that is not there
_ALIKE = 0.7  # of difflib, as for misspelled paths
_NEAR = 3  # names that are proposed for one
_RUN = 1024  # lines whose facts are looked up at once


@briefly
class FindReport(NamedTuple):
    """The pictures whose names match a pattern.

    snapshot: the snapshot that was looked through; None for all.
    entries:  one line for each path, in their order; through all snapshots one for each picture at a path.
    near:     if nothing matches, stored paths with names like the pattern.
    where:    the files of these.
    notes:    remarks on what an expression could not know.
    """

    snapshot: str | None
    entries: Entries
    near: tuple[bytes, ...] = ()
    where: Files = UNKNOWN
    notes: tuple[str, ...] = ()

    def head(self) -> dict[str, Json]:
        """Write all but the lines."""
        return {"snapshot": self.snapshot, "near": [self.where.named(path) for path in self.near]}

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


def find(
    repo: Repository,
    glob: str,
    *,
    at: str | None,
    all: bool,
    ignore_case: bool,
    long: bool,
    where: str | None = None,
) -> FindReport:
    """Find the pictures of a snapshot, or of all, whose stored paths match a pattern; see `Glob.parse`.

    where:  only pictures for which this expression is true.
    Raises: UsageError, SnapshotNotFound, AmbiguousSnapshot, Damage, FileNotFoundError.
    """
    refuse_address(as_text(glob, "the pattern"), "show")
    wanted = Glob.parse(glob, fold=ignore_case)
    if all and at is not None:
        raise UsageError("--all looks through every snapshot, and --at through one", "give one of them")
    if all and where is not None:
        raise UsageError("--all looks through every snapshot, and --where asks one", "give one of them")
    snapshot = None if all else repo.snapshot("current" if at is None else at)
    tree = repo.tree(snapshot or repo.state.current_snapshot)
    spans: list[tuple[SnapshotSpan, ...]] = []
    notes: tuple[str, ...] = ()
    is_named = False  # some name matches
    if snapshot is None:
        aliases, spans = _through_all(repo, wanted)
    else:
        aliases = [*wanted.matching(tree)]
        is_named = bool(aliases)
        if where is not None:
            from vstore.where.lines import fitting

            fits = fitting(repo, snapshot, aliases, where)
            notes, aliases = fits.notes, [*filter(fits.test, aliases)]
    labels = doubtful_labels(repo.state) if snapshot is None else repo.labels_in(snapshot)
    files = files_of(repo, labels)
    entries = _entries(repo, tree, aliases, spans, files=files, long=long)
    near = () if aliases or is_named else tuple(_near(tree, wanted))
    return FindReport(None if snapshot is None else snapshot.name, entries, near, files, notes)


def _through_all(repo: Repository, wanted: Glob) -> tuple[list[Alias], list[tuple[SnapshotSpan, ...]]]:
    """Find the pictures at matching paths in all snapshots, and the snapshots that hold each."""

    def look(tree: Tree, leaf: Child) -> list[Alias] | None:
        return wanted.among(tree, leaf) or None

    held = Held(repo, look)
    found: dict[Alias, list[Run]] = {}
    for aliases, runs in held.read():
        for alias in aliases:
            found.setdefault(alias, []).extend(runs)
    rows = sorted((path, min(runs), key) for (path, key), runs in found.items())
    aliases = [(path, key) for path, _, key in rows]
    return aliases, [held.spans(found[alias]) for alias in aliases]


def _entries(
    repo: Repository,
    tree: Tree,
    aliases: list[Alias],
    spans: list[tuple[SnapshotSpan, ...]],
    *,
    files: Files,
    long: bool,
) -> Entries:
    def lines() -> Iterator[PathEntry]:
        made = (entry_of(files, path, key) for path, key in aliases)
        return (one._replace(snapshots=its) for one, its in zip(made, spans, strict=True)) if spans else made

    if not long:
        return Entries(lines)
    from vstore.browse.details import detailed

    whole = [one for run in detailed(repo, tree, _runs(lines())) for one in run]
    return Entries(lambda: iter(whole))


def _runs(lines: Iterator[PathEntry]) -> Iterator[list[PathEntry]]:
    while run := list(islice(lines, _RUN)):
        yield run


def _near(tree: Tree, wanted: Glob) -> Iterable[bytes]:
    """Find paths that the writer of a pattern may have meant: in another letter case, or with names like it."""
    if not wanted.fold:
        same = Glob.parse(wanted.text, fold=True)
        found = [path for path, _ in islice(same.matching(tree), _NEAR)]
        if found:
            return found
    from difflib import get_close_matches

    name = plain(os.fsencode(wanted.text.rpartition("/")[2])).casefold()
    names = {plain(path).rpartition("/")[2].casefold(): path for path, _ in islice(tree.range(b"", None), _NAMES)}
    return [names[one] for one in get_close_matches(name, names, n=_NEAR, cutoff=_ALIKE)]
