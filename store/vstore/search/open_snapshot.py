"""A snapshot that was opened for searches: its rows, and the paths of its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from vstore.disk.segments import Segment
from vstore.format.differences import differences
from vstore.format.entries import Snapshot
from vstore.format.tree import Tree
from vstore.packages import faiss_module
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.repository import Repository
from vstore.repository.stored_paths import below, prefixes_of
from vstore.search.bitmaps import Older, cached_bitmaps
from vstore.search.index import Index
from vstore.search.key_paths import KeyPaths, key_paths, older_ones
from vstore.search.numbers import numbers_of, rows_by_number

if TYPE_CHECKING:
    from vstore.search.numbers import Ints


class OpenSnapshot:
    """A snapshot that was opened for searches. Nothing that gc removes from then on is missed.

    Its pictures are numbered in the order of their keys. After `wait` it is safe in several threads.

    snapshot: the snapshot.
    tree:     its alias tree.
    paths:    the paths of its pictures, by key.
    rows:     the index of all its pictures.
    file_of:  finds the file of a stored path today; None if its folder is not known.
    is_known: tells whether the folder of a stored path may be looked at.
    file_to_open: finds the file of a stored path; None where nobody may look.
    """

    def __init__(self, repo: Repository, at: str) -> None:
        """Raises: SnapshotNotFound, AmbiguousSnapshot, Damage, FileNotFoundError."""
        self.snapshot = repo.snapshot(at)
        self.tree = repo.tree(self.snapshot)
        self._key_size = repo.hash.size
        self._row_of: Ints | None = None
        paths: list[KeyPaths] = []  # read when the first one asks

        def named() -> KeyPaths:
            if not paths:
                paths.append(key_paths(repo, self.snapshot, self.tree))
            return paths[0]

        segments = [repo.segment(ref) for ref in repo.state.segments(self.snapshot.space)]
        bitmaps = snapshot_bitmaps(repo, self.snapshot, self.tree, segments, named)
        self.rows = Index(segments, bitmaps, repo.layout.cache)  # threads read the segments from here on
        self.paths = named()
        self.file_of = repo.file_finder(self.snapshot)
        folders = KnownFolders(repo)
        self.is_known = folders.knower(self.snapshot)
        self.file_to_open = folders.file_finder(self.snapshot)

    def wait(self) -> None:
        """Wait until every segment was read against its checksums. Raises: Damage, FileNotFoundError."""
        if self.rows.count:
            faiss_module()  # importing it goes on while threads read
            self.rows.wait()

    def narrowed(self, numbers: Ints) -> Index:
        """Give the index of some pictures. numbers: int64 (m,), of the pictures."""
        return self.rows.narrowed(self.rows.bitmaps_of(self.row_of[numbers]))

    def row(self, key: bytes) -> int | None:
        """Find the row of a picture, of another snapshot too; None if the space has none of it."""
        number = None if self._row_of is None else self.paths.find(key)
        if self._row_of is None or number is None:
            return self.rows.find(key)
        return int(self._row_of[number])

    @property
    def row_of(self) -> Ints:
        """The row of each picture: int64 (n,). Raises: Damage."""
        if self._row_of is None:
            self._row_of = rows_by_number(self.rows, self.paths, self._key_size)
        return self._row_of

    def numbers_below(self, prefixes: Sequence[bytes]) -> Ints:
        """Find the pictures below stored paths. Returns: int64 (m,), their numbers, rising. Raises: Damage."""
        return numbers_of(self.paths, {key for _, key in below(self.tree, prefixes)})

    def numbers_missing_in(self, repo: Repository, snapshot: Snapshot) -> Ints:
        """Find the pictures that another snapshot lacks. Returns: int64 (m,), their numbers, rising. Raises: Damage."""
        other = repo.tree(snapshot)
        come = {new for _, _, new in differences(other, self.tree) if new is not None}
        return numbers_of(self.paths, come.difference(other.every_key()) if come else come)

    def prefixes(self, repo: Repository, under: bytes) -> tuple[bytes, ...]:
        """Find the stored paths of a word of the user. Raises: UsageError."""
        return prefixes_of(repo, self.snapshot, self.tree, under)


def snapshot_bitmaps(
    repo: Repository, snapshot: Snapshot, tree: Tree, segments: Sequence[Segment], keys: Callable[[], KeyPaths]
) -> list[bytes]:
    """Mark the rows of a snapshot.

    tree:     its aliases, as they are stored.
    segments: all of its space, in their order.
    keys:     finds its pictures; called only if `cache/` does not have the bitmaps.
    """
    return cached_bitmaps(
        repo.layout.cache,
        repo.hash,
        snapshot.id,
        segments,
        keys=keys,
        count=snapshot.images,
        older=_older(repo, snapshot, tree),
    )


def _older(repo: Repository, snapshot: Snapshot, tree: Tree) -> Iterator[Older]:
    """Yield the older snapshots of the space."""
    for other in older_ones(repo, snapshot):
        if other.space == snapshot.space:
            yield Older(other.id, partial(_changed, repo, other, tree))


def _changed(repo: Repository, older: Snapshot, tree: Tree) -> set[bytes]:
    """Find the keys of the paths that differ between an older snapshot and a tree."""
    return {key for _, *pair in differences(repo.tree(older), tree) for key in pair if key is not None}
