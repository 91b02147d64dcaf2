"""The snapshots of a store in rows without a gap, and which of them hold a page or a picture.

Snapshots share nearly all pages of their trees. Each page is looked at once, however many snapshots hold it.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from vstore.format.entries import Snapshot
from vstore.format.page_tree import root_of
from vstore.format.pages import Child, level_of
from vstore.format.tree import Tree
from vstore.quick_tuple import NamedTuple
from vstore.repository.repository import Repository

T = TypeVar("T")
Run = list[int]  # first and last place in the list of snapshots


class SnapshotSpan(NamedTuple):
    """Snapshots in a row without a gap.

    first: the name of the first.
    last:  the name of the last; the same if it is one.
    """

    first: str
    last: str


class Held(Generic[T]):
    """The pictures looked for in the leaves of many trees, and the snapshots that have these leaves.

    snapshots: all that are kept: those of this store by number, then fetched ones.
    """

    def __init__(self, repo: Repository, look: Callable[[Tree, Child], T | None]) -> None:
        """look: says what a leaf holds; None if that is nothing."""
        self.snapshots = in_order(repo.listing.kept())
        self._repo = repo
        self._look = look
        self._leaves: dict[bytes, T | None] = {}
        self._below: dict[bytes, tuple[bytes, ...]] = {}  # the leaves that hold something, by an inner page
        self._runs: dict[bytes, list[Run]] = {}
        self._at: dict[tuple[bytes, bytes], Child] = {}  # the leaf at a path, by a page above it

    def read(self) -> Iterator[tuple[T, list[Run]]]:
        """Read the trees of all snapshots, and give each find with the runs of the snapshots that have its leaf.

        Raises: Damage, FileNotFoundError.
        """
        for place, snapshot in enumerate(self.snapshots):
            tree = self._repo.tree(snapshot)
            for leaf in self._holding(tree, *_top(tree)):
                runs = self._runs.setdefault(leaf, [])
                if runs and runs[-1][1] == place - 1:
                    runs[-1][1] = place
                else:
                    runs.append([place, place])
        for leaf, runs in self._runs.items():
            found = self._leaves[leaf]
            assert found is not None
            yield found, runs

    def in_tree(self, tree: Tree) -> tuple[bytes, ...]:
        """Find the leaves of a tree that hold something, by their digests. Raises: Damage, FileNotFoundError."""
        return self._holding(tree, *_top(tree))

    def is_in(self, tree: Tree, paths: Sequence[bytes]) -> bool:
        """Tell whether a tree holds something. paths: where it may be, which are looked at first.

        Raises: Damage, FileNotFoundError.
        """
        return any(self._holding(tree, self._leaf_at(tree, *_top(tree), path), 0) for path in paths) or bool(
            self.in_tree(tree)
        )

    def _leaf_at(self, tree: Tree, page: Child, level: int, path: bytes) -> Child:
        """Find the leaf in which a path would be, below a page."""
        if level == 0:
            return page
        if (page.digest, path) not in self._at:
            below = tree.below(page, level)
            next_one = below[max(0, bisect.bisect_right(below, path, key=lambda child: child.first) - 1)]
            self._at[page.digest, path] = self._leaf_at(tree, next_one, level - 1, path)
        return self._at[page.digest, path]

    def _holding(self, tree: Tree, page: Child, level: int) -> tuple[bytes, ...]:
        """Find the leaves below a page that hold something."""
        if level == 0:
            if page.digest not in self._leaves:
                self._leaves[page.digest] = self._look(tree, page)
            return (page.digest,) if self._leaves[page.digest] is not None else ()
        if page.digest not in self._below:
            below = tree.below(page, level)
            self._below[page.digest] = tuple(leaf for one in below for leaf in self._holding(tree, one, level - 1))
        return self._below[page.digest]

    def spans(self, runs: Iterable[Run]) -> tuple[SnapshotSpan, ...]:
        """Name the first and last snapshot of each row, in order; rows that meet become one.

        Fetched snapshots stand in no row with those of this store.
        """
        rows: list[Run] = []
        for first, last in sorted(runs):
            if rows and first <= rows[-1][1] + 1 and self._is_one_line(rows[-1][1], first):
                rows[-1][1] = max(rows[-1][1], last)
            else:
                rows.append([first, last])
        lines = (line for row in rows for line in self._lines(*row))
        return tuple(SnapshotSpan(self.snapshots[first].name, self.snapshots[last].name) for first, last in lines)

    def _is_one_line(self, one: int, other: int) -> bool:
        return _origin(self.snapshots[one]) == _origin(self.snapshots[other])

    def _lines(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Cut a row where snapshots of another store begin."""
        start = first
        for place in range(first + 1, last + 1):
            if not self._is_one_line(place - 1, place):
                yield start, place - 1
                start = place
        yield start, last


def _top(tree: Tree) -> tuple[Child, int]:
    """Give the root page of a tree, and its level."""
    return root_of(tree.root), level_of(tree.page(tree.root))


def in_order(snapshots: Iterable[Snapshot]) -> Sequence[Snapshot]:
    """Sort snapshots: those of this store by number, then fetched ones by their store."""
    return sorted(snapshots, key=lambda one: (_origin(one), int(one.name.rpartition("/")[2][1:])))


def _origin(snapshot: Snapshot) -> str:
    return snapshot.name.rpartition("/")[0]


def is_in(column: bytes, key: bytes) -> bool:
    """Tell whether a column of keys holds one; its bytes may stand across two others, too."""
    at = column.find(key)
    while at >= 0:
        if at % len(key) == 0:
            return True
        at = column.find(key, at + 1)
    return False
