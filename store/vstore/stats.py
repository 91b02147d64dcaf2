"""Where the bytes of a store are, and what it holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from vstore.format.canonical import Json
from vstore.format.layout import DTYPES
from vstore.repository.repository import Repository


class Part(NamedTuple):
    """One folder of the store. unlisted: bytes in it that no record names; gc would free them."""

    name: str
    bytes: int
    files: int
    unlisted: int = 0


class SpaceStats(NamedTuple):
    """One space. rows: stored; named: those that a kept snapshot names; bytes: of its segments."""

    id: str
    name: str
    status: str
    dim: int
    rows: int
    named: int
    segments: int
    bytes: int


class RootStats(NamedTuple):
    """One synced folder. there: whether it is on disk now."""

    label: str
    place: str
    there: bool


class StatsReport(NamedTuple):
    """The whole store. copies: bytes that a plain index per kept snapshot would take (fp32 vectors and paths apart)."""

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

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        for name in ("parts", "spaces", "roots"):
            value[name] = [entry._asdict() for entry in getattr(self, name)]
        return value


def stats(repo: Repository) -> StatsReport:
    """Count bytes, rows and pictures. Reads the alias pages of all kept snapshots, and no row."""
    state, layout = repo.state, repo.layout
    listed = state.file_names()
    parts = [
        _part("refs", layout.refs, None),
        _part("segments", layout.segments, listed),
        _part("packs", layout.packs, listed),
        _part("journal", layout.journal, None),
        _part("catalogue", layout.catalogue, None),
        _part("cache", layout.cache, None),
        _part("quarantine", layout.quarantine, None),
    ]
    parts.append(_part("locks", layout.locks, None))
    parts.append(_rest(layout.folder, {part.name for part in parts}))
    size = repo.hash.size
    named: dict[str, set[bytes]] = {space: set() for space in state.spaces}
    copies = 0
    read: set[tuple[str, bytes]] = set()
    for snapshot in state.snapshots():
        tree = repo.tree(snapshot)
        dim = state.spaces[snapshot.space].dim if snapshot.space in state.spaces else 0
        copies += snapshot.images * dim * 4
        for leaf in tree.leaves:
            if (snapshot.space, leaf.digest) not in read:  # a page that two versions share is counted once
                read.add((snapshot.space, leaf.digest))
                keys = [key for _, key in tree.aliases(leaf)]
                named.setdefault(snapshot.space, set()).update(keys)
    spaces = []
    for space in state.spaces.values():
        refs = state.segments(space.id)
        rows = sum(ref.rows for ref in refs)
        spaces.append(
            SpaceStats(
                id=space.id,
                name=space.name,
                status=space.status,
                dim=space.dim,
                rows=rows,
                named=len(named.get(space.id, ())),
                segments=len(refs),
                bytes=rows * (space.dim * DTYPES[repo.dtype] + size),
            )
        )
    roots = tuple(
        RootStats(root.label, os.fsdecode(repo.place(root)), os.path.isdir(repo.place(root)))
        for root in state.roots.values()
    )
    return StatsReport(
        store=str(layout.folder),
        id=repo.store_id,
        hash=repo.hash.name,
        dtype=repo.dtype,
        snapshots=len(state.snapshots()),
        images=sum(space.rows for space in spaces),
        records=len(repo.log.numbers()),
        parts=tuple(parts),
        spaces=tuple(spaces),
        roots=roots,
        total=sum(part.bytes for part in parts),
        copies=copies,
    )


def _rest(folder: Path, known: set[str]) -> Part:
    """FORMAT, reserve, and whatever else lies in the store's folder."""
    total = files = 0
    for entry in os.scandir(folder):
        if entry.name not in known:
            found = _part(entry.name, Path(entry.path), None) if entry.is_dir(follow_symlinks=False) else None
            total += found.bytes if found else entry.stat(follow_symlinks=False).st_size
            files += found.files if found else 1
    return Part("FORMAT, reserve", total, files)


def _part(name: str, folder: Path, listed: set[str] | None) -> Part:
    total = files = unlisted = 0
    for path, _, names in os.walk(folder):
        for file in names:
            try:
                size = os.lstat(os.path.join(path, file)).st_size
            except OSError:
                continue
            total += size
            files += 1
            if listed is not None and file not in listed:
                unlisted += size
    return Part(name, total, files, unlisted)
