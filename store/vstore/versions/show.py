"""Lists the snapshots of a store, and shows one of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from vstore.brief import briefly
from vstore.format.canonical import Json, by_label
from vstore.format.entries import Snapshot
from vstore.format.state import State
from vstore.quick_tuple import NamedTuple
from vstore.repository.repository import Repository


@briefly
class SnapshotRow(NamedTuple):
    """A snapshot as `snapshot list` shows it.

    snapshot:   its name, `v12`.
    id:         its content id: equal pictures have equal ids.
    parent:     the snapshot before it.
    time:       when it was made.
    space:      the id of its model space.
    space_name: the name of its model space.
    paths:      paths in it.
    images:     distinct pictures in it.
    message:    the user's note.
    tags:       its tags.
    current:    it is the current snapshot.
    partial:    its sync was not finished.
    degraded:   repair had to remove pictures from it.
    """

    snapshot: str
    id: str
    parent: str | None
    time: str
    space: str
    space_name: str
    paths: int
    images: int
    message: str
    tags: tuple[str, ...]
    current: bool
    partial: bool
    degraded: bool

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        value["tags"] = list(self.tags)
        return value


@briefly
class SnapshotDetail(NamedTuple):
    """One snapshot in full.

    row:      the same as in `snapshot list`.
    tree:     the digest of the root of its alias tree.
    manifest: the digest of its manifest.
    roots:    the number of paths under each label.
    fields:   the number of fields that its pictures have.
    """

    row: SnapshotRow
    tree: str
    manifest: str
    roots: dict[str, int]
    fields: int = 0

    def to_json(self) -> dict[str, Json]:
        row = self.row.to_json()
        own: dict[str, Json] = {"tree": self.tree, "manifest": self.manifest, "fields": self.fields}
        return {**row, **own, **by_label("roots", self.roots)}


def snapshot_list(repo: Repository) -> list[SnapshotRow]:
    """List all snapshots, newest first. Reads no page of pictures."""
    return [row_of(repo.state, snapshot) for snapshot in repo.listing.kept()]


def snapshot_named(repo: Repository, snap: str) -> SnapshotRow:
    """Find the snapshot that a name means. Reads no page of pictures. Raises: SnapshotNotFound, AmbiguousSnapshot."""
    return row_of(repo.state, repo.snapshot(snap))


def row_of(state: State, snapshot: Snapshot) -> SnapshotRow:
    space = state.spaces.get(snapshot.space)
    return SnapshotRow(
        snapshot=snapshot.name,
        id=snapshot.id,
        parent=snapshot.parent,
        time=snapshot.time,
        space=snapshot.space,
        space_name=space.name if space else snapshot.space[:12],
        paths=snapshot.paths,
        images=snapshot.images,
        message=snapshot.message,
        tags=tuple(sorted(tag for tag, name in state.tags.items() if name == snapshot.name)),
        current=snapshot.name == state.current,
        partial=snapshot.partial,
        degraded=snapshot.degraded,
    )


def snapshot_show(repo: Repository, snap: str) -> SnapshotDetail:
    """Show one snapshot. Raises: SnapshotNotFound, AmbiguousSnapshot."""
    from vstore.repository.fields import fields_of  # what lists snapshots reads none

    snapshot = repo.snapshot(snap)
    tree = repo.tree(snapshot)
    roots: dict[str, int] = {}
    for label in _labels(repo, snapshot):
        roots[os.fsdecode(label)] = sum(1 for _ in tree.under(label))
    row, fields = row_of(repo.state, snapshot), len(fields_of(repo, snapshot))
    return SnapshotDetail(row, tree.root.hex(), snapshot.manifest.hex(), roots, fields)


def _labels(repo: Repository, snapshot: Snapshot) -> Iterator[bytes]:
    tree = repo.tree(snapshot)
    start = b""
    while True:
        first = next(tree.range(start, None), None)
        if first is None:
            return
        label = first[0].partition(b"/")[0]
        yield label
        start = label + b"0"
