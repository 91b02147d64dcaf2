"""Counts the bytes of a store, by use."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from vstore import clock
from vstore.approximate.summary import IndexStatus, index_status
from vstore.brief import briefly
from vstore.disk import inside
from vstore.disk.turn import stretches
from vstore.format.canonical import Json, named
from vstore.format.entries import Root
from vstore.format.layout import DTYPES
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.newest import is_newest
from vstore.repository.repository import Repository


class Part(NamedTuple):
    """A folder of the store.

    name:     its name.
    bytes:    bytes in it.
    files:    files in it.
    unlisted: bytes of unlisted files in it, for gc to delete.
    """

    name: str
    bytes: int
    files: int
    unlisted: int = 0


class SpaceStats(NamedTuple):
    """A model space.

    id:       its id.
    name:     its name.
    status:   claimed or verified.
    dim:      numbers of a vector.
    rows:     stored vectors.
    named:    vectors in a snapshot.
    segments: segments.
    bytes:    bytes of the vectors and their keys.
    approximate: its approximate index.
    """

    id: str
    name: str
    status: str
    dim: int
    rows: int
    named: int
    segments: int
    bytes: int
    approximate: IndexStatus


class RootStats(NamedTuple):
    """A synced folder.

    label: the name of its paths in the store.
    place: its place.
    there: it exists now.
    named: it may be looked at; of any other folder it is not known whether it exists.
    """

    label: str
    place: str
    there: bool
    named: bool = True

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), **named("label", self.label), **named("place", self.place)}


@briefly
class StatsReport(NamedTuple):
    """The disk usage of a store.

    store:     its folder.
    id:        its id.
    hash:      the hash of pictures.
    dtype:     the numbers of a vector.
    snapshots: snapshots.
    images:    stored vectors.
    records:   records of the log.
    parts:     the folders of the store.
    spaces:    the model spaces.
    roots:     the synced folders.
    total:     bytes of the store.
    copies:    bytes of a plain index per snapshot: fp32 vectors, without paths.
    format:    its format.
    newest:    it has the newest format, and its migration is complete.
    in_turn:   bytes of the segments that syncs read again in turn, as searches no longer read them whole.
    oldest_reading: when the first of their rows was last read, in seconds since 1970; None if it is not known.
    """

    store: str
    id: str
    hash: str
    dtype: str
    snapshots: int
    images: int
    records: int
    parts: tuple[Part, ...]
    spaces: tuple[SpaceStats, ...]
    roots: tuple[RootStats, ...]
    total: int
    copies: int
    format: int
    newest: bool
    in_turn: int = 0
    oldest_reading: int | None = None

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        value["parts"] = [part._asdict() for part in self.parts]
        value["spaces"] = [{**space._asdict(), "approximate": space.approximate.to_json()} for space in self.spaces]
        value["roots"] = [root.to_json() for root in self.roots]
        return value


def stats(repo: Repository) -> StatsReport:
    """Count bytes, rows and pictures. Reads the alias pages of all snapshots, and no row. Raises: Damage."""
    state, layout = repo.state, repo.layout
    parts = _parts(repo)
    spaces = _spaces(repo)
    folders = KnownFolders(repo)
    turn = stretches(layout.cache, state.all_segments(), clock.seconds())
    return StatsReport(
        store=str(layout.folder),
        id=repo.store_id,
        hash=repo.hash.name,
        dtype=repo.dtype,
        snapshots=sum(1 for _ in repo.listing.kept()),
        images=sum(space.rows for space in spaces),
        records=len(repo.log.numbers()),
        parts=parts,
        spaces=spaces,
        roots=tuple(_root(repo, root, named=folders.is_known(root)) for root in state.roots.values()),
        total=sum(part.bytes for part in parts),
        copies=_copies(repo),
        format=repo.format,
        newest=is_newest(repo),
        in_turn=sum({one.ref.name: one.ref.size for one in turn}.values()),
        oldest_reading=min((one.at for one in turn), default=0) or None,
    )


def _root(repo: Repository, root: Root, *, named: bool) -> RootStats:
    place = repo.place(root)
    return RootStats(root.label, os.fsdecode(place), named and os.path.isdir(place), named)


def _parts(repo: Repository) -> tuple[Part, ...]:
    layout, listed = repo.layout, repo.state.file_names()
    folders = {
        "refs": layout.refs,
        "segments": layout.segments,
        "packs": layout.packs,
        "journal": layout.journal,
        "catalogue": layout.catalogue,
        "cache": layout.own_cache,
        "indexes": layout.indexes,
        "quarantine": layout.quarantine,
        "locks": layout.locks,
    }
    known = [_part(name, folder, listed if name in ("segments", "packs") else None) for name, folder in folders.items()]
    return (*known, _rest(layout.folder, folders.keys()))


def _spaces(repo: Repository) -> tuple[SpaceStats, ...]:
    used = _used_keys(repo)
    spaces = []
    for space in repo.state.spaces.values():
        refs = repo.state.segments(space.id)
        rows = sum(ref.rows for ref in refs)
        spaces.append(
            SpaceStats(
                id=space.id,
                name=space.name,
                status=space.status,
                dim=space.dim,
                rows=rows,
                named=len(used.get(space.id, ())),
                segments=len(refs),
                bytes=rows * (space.dim * DTYPES[repo.dtype] + repo.hash.size),
                approximate=index_status(repo, space.id),
            )
        )
    return tuple(spaces)


def _used_keys(repo: Repository) -> dict[str, set[bytes]]:
    """Collect the keys in snapshots, by space."""
    used: dict[str, set[bytes]] = {}
    read: set[tuple[str, bytes]] = set()
    for snapshot in repo.listing.kept():
        tree = repo.tree(snapshot)
        for leaf in tree.leaves:
            if (snapshot.space, leaf.digest) not in read:  # a page that two snapshots share is read once
                read.add((snapshot.space, leaf.digest))
                used.setdefault(snapshot.space, set()).update(key for _, key in tree.aliases(leaf))
    return used


def _copies(repo: Repository) -> int:
    spaces = repo.state.spaces
    return sum(s.images * spaces[s.space].dim * 4 for s in repo.listing.kept() if s.space in spaces)


def _rest(folder: Path, known: Collection[str]) -> Part:
    """Count FORMAT, reserve, and all else in the store's folder."""
    total = files = 0
    for name in inside.names(folder):
        if name not in known:
            found = _part(name, folder / name, None)
            total += found.bytes
            files += found.files
    return Part("FORMAT, reserve", total, files)


def _part(name: str, folder: Path, listed: set[str] | None) -> Part:
    total = files = unlisted = 0
    for path, size in _sizes(folder):
        total += size
        files += 1
        if listed is not None and path.name not in listed:
            unlisted += size
    return Part(name, total, files, unlisted)


def _sizes(path: Path) -> Iterator[tuple[Path, int]]:
    """Yield each file under a path with its bytes. What goes meanwhile is passed over; a link counts as a file."""
    try:
        found = inside.look_at_any(path)
        if not stat.S_ISDIR(found.st_mode):
            yield path, found.st_size
            return
        names = inside.names(path)
    except OSError:
        return
    for name in names:
        yield from _sizes(path / name)
