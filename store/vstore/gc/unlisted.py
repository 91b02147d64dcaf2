"""Finds files of a store that its log does not list, or that can be made again."""

from __future__ import annotations

import re
from typing import NamedTuple

from vstore.disk import durable, inside
from vstore.disk.cache import COLUMNS, NUMBERS, PATHS
from vstore.disk.durable import TEMPORARY
from vstore.disk.journal import is_of_none, journals
from vstore.disk.row_sums import ROW_SUMS, row_sums_name
from vstore.gc.plan import young_since
from vstore.repository.kept_columns import of_facts, of_fields
from vstore.repository.repository import Repository

_OBJECT = re.compile(r"[0-9a-f]{32}\.(faiss|pack)")


class UnlistedFile(NamedTuple):
    """A file that no record lists.

    folder: the name of its folder in the store.
    name:   its name.
    size:   its bytes.
    """

    folder: str
    name: str
    size: int


def unlisted_files(repo: Repository, drop_unnamed: bool) -> list[UnlistedFile]:
    """Find what killed runs and merges left behind, and what was just freed.

    A journal of a space that the log does not know (its `model drop` was killed) goes like an unused vector.
    """
    state, layout = repo.state, repo.layout
    listed = state.file_names()
    found = []
    for folder in (layout.refs, layout.segments, layout.packs):
        found += [
            UnlistedFile(folder.name, name, inside.look(folder / name).st_size)
            for name in sorted(inside.names(folder))
            if name.startswith(TEMPORARY) or (_OBJECT.fullmatch(name) and name not in listed)
        ]
    since = young_since(drop_unnamed)
    stats = [(path.name, inside.look(path)) for path in journals(layout.journal) if is_of_none(path, state.spaces)]
    found += [UnlistedFile(layout.journal.name, name, stat.st_size) for name, stat in stats if stat.st_mtime <= since]
    return found


class OldRecord(NamedTuple):
    """A record that the log no longer needs.

    number: its number.
    size:   its bytes.
    """

    number: int
    size: int


def records_before(repo: Repository, number: int) -> list[OldRecord]:
    """List the records before one, oldest first."""
    return [OldRecord(n, inside.look(repo.layout.record(n)).st_size) for n in repo.log.numbers() if n < number]


def stale_cache(repo: Repository, *, changed: bool) -> list[str]:
    """Name the cache files that are no longer of use: row sums of old segments, paths and columns of what is gone.

    changed: the log was written: bitmaps and rows of old segments, old states, unfinished files, too.
    """
    names = inside.names_if_any(repo.layout.own_cache)
    used = {row_sums_name(name) for name in repo.state.file_names()}
    stale = [name for name in names if name.startswith(ROW_SUMS) and name not in used]
    if paths := [name for name in names if name.startswith(PATHS)]:
        used = {PATHS + repo.manifest(snapshot).tree.hex() for snapshot in repo.listing.kept()}
        stale += [name for name in paths if name not in used]
    if columns := [name for name in names if name.startswith(COLUMNS)]:
        begins = set()
        for snapshot in repo.listing.kept():
            tree = repo.manifest(snapshot).tree
            begins |= {of_facts(repo, tree), of_fields(snapshot, tree)}
        stale += [name for name in columns if name[: name.rindex("-") + 1] not in begins]
    if changed:
        stale += [name for name in names if name == "state" or name.startswith(("rows-", NUMBERS, TEMPORARY))]
    return stale


def empty_cache(repo: Repository) -> None:
    """Remove everything in `cache/`: all of it can be made again."""
    for name in inside.names_if_any(repo.layout.own_cache):
        durable.remove_tree(repo.layout.own_cache / name)
