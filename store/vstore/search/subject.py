"""The subject of a search: the pictures of a snapshot to compare a query with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from vstore.format.entries import Snapshot
from vstore.format.tree import Tree
from vstore.packages import faiss_module
from vstore.repository.repository import Repository
from vstore.repository.stored_paths import below, prefixes_of
from vstore.search.bitmaps import bitmaps_of, cached_bitmaps
from vstore.search.index import Index

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats


_FEW = 24  # keys up to which looking for each in a column is faster than cutting it up


class Subject(NamedTuple):
    """A part of a snapshot, opened and checked: nothing that gc removes from here on is missed.

    snapshot: the snapshot.
    tree:     its alias tree.
    prefixes: the stored paths above the hits, or None for the whole snapshot.
    columns:  of the whole snapshot, the keys of each leaf of the tree, one after another.
    rows:     the index of the part.
    stored:   for each term of the query, its row, if the space has its picture.
    vectors:  those rows, float32 (dim,).
    """

    snapshot: Snapshot
    tree: Tree
    prefixes: tuple[bytes, ...] | None
    columns: list[bytes]
    rows: Index
    stored: tuple[int | None, ...]
    vectors: tuple[Floats | None, ...]

    def paths_of(self, keys: set[bytes]) -> dict[bytes, list[bytes]]:
        """Find the paths of some keys, sorted. Of a whole snapshot only pages with one of the keys are decoded."""
        found: dict[bytes, list[bytes]] = {key: [] for key in keys}
        if not keys:
            return found
        if self.prefixes is not None:
            aliases = below(self.tree, self.prefixes)
        else:
            pages = zip(self.tree.leaves, self.columns, strict=True)
            leaves = (leaf for leaf, column in pages if _may_hold(column, keys))
            aliases = (alias for leaf in leaves for alias in self.tree.aliases(leaf))
        for path, key in aliases:
            if key in found:
                found[key].append(path)
        return found


def _may_hold(column: bytes, keys: set[bytes]) -> bool:
    """Tell whether one of some keys is in a column. Of a few, one may stand across two keys of it."""
    if len(keys) <= _FEW:
        return any(key in column for key in keys)
    size = len(next(iter(keys)))
    return not keys.isdisjoint(column[at : at + size] for at in range(0, len(column), size))


def open_subject(
    repo: Repository, keys: Sequence[bytes | None], *, at: str, under: bytes | None, new_since: str | None
) -> Subject:
    """Open the searched part of a snapshot, and read its segments against their checksums.

    keys:   of the pictures of the query; None for a text.
    Raises: SnapshotNotFound, UsageError, Damage, FileNotFoundError.
    """
    snapshot = repo.snapshot(at)
    tree = repo.tree(snapshot)
    segments = [repo.segment(ref) for ref in repo.state.segments(snapshot.space)]
    cache = repo.layout.cache
    prefixes = None if under is None else prefixes_of(repo, snapshot, tree, under)
    if prefixes is None and new_since is None:
        bitmaps = cached_bitmaps(cache, repo.hash, snapshot.id, segments, keys=tree.every_key, count=snapshot.images)
    else:
        allowed = {key for _, key in below(tree, prefixes)}
        if new_since is not None:
            allowed.difference_update(repo.tree(repo.snapshot(new_since)).every_key())
        bitmaps = bitmaps_of(segments, allowed)
    index = Index(segments, bitmaps, cache)
    stored = tuple(None if key is None else index.find(key) for key in keys)
    columns: list[bytes] = []
    if index.count:
        faiss_module()  # this, and reading the tree, goes on while threads read the segments
        columns = list(tree.key_columns()) if prefixes is None else []
        index.wait()
    vectors = tuple(None if row is None else index.vector(row) for row in stored)
    return Subject(
        snapshot=snapshot,
        tree=tree,
        prefixes=prefixes,
        columns=columns,
        rows=index,
        stored=stored,
        vectors=vectors,
    )
