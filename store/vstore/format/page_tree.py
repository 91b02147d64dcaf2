"""A tree of pages: sorted runs of entries, cut where their content says so, named by their digests. Pure."""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from vstore.errors import Damage
from vstore.format.hashing import Hash
from vstore.format.pages import Child, Entry, decode_inner, level_of

if TYPE_CHECKING:
    from typing import Self

Fetch = Callable[[bytes], bytes]  # digest -> the page's bytes, checked


def root_of(digest: bytes) -> Child:
    """Name the root page, over which no page says how it begins, and what is under it."""
    return Child(b"", digest, -1)


class PageTree(ABC):
    """The pages under a root, read through `fetch` and never changed: an edit gives another tree with shared pages.

    kind:  the letter of its pages.
    limit: bytes of values that a leaf of several entries may hold; None means any.
    kept:  leaves that stay unpacked.
    fresh: the pages not stored yet, by digest.
    """

    kind: ClassVar[bytes]
    limit: ClassVar[int | None] = None
    kept: ClassVar[int]

    def __init__(self, hash: Hash, fetch: Fetch, top: bytes | None, fresh: Mapping[bytes, bytes] | None = None) -> None:
        """top: the digest of the root page; None for a tree without pages."""
        self.fresh: Mapping[bytes, bytes] = fresh or {}
        self.top = top
        self._hash = hash
        self._stored = fetch
        self._leaves: list[Child] | None = None
        self._inner: set[bytes] = set()
        self._decoded: dict[bytes, list[Entry]] = {}

    @classmethod
    def empty(cls, hash: Hash, fetch: Fetch) -> Self:
        """Make the tree without entries."""
        return cls(hash, fetch, None)

    @staticmethod
    @abstractmethod
    def encode(entries: list[Entry]) -> bytes:
        """Write a leaf."""

    @abstractmethod
    def decode(self, leaf: Child) -> list[Entry]:
        """Read a leaf. Raises: Damage."""

    def matched(self, leaf: Child, entries: list[Entry]) -> list[Entry]:
        """Give the entries of a leaf back. Raises: Damage if they are not as the page above says."""
        is_child = leaf.count >= 0
        if is_child and (not entries or (entries[0][0], len(entries)) != (leaf.first, leaf.count)):
            raise Damage("a page of a tree does not match the page above it", "run: vstore check")
        return entries

    def page(self, digest: bytes) -> bytes:
        """Read a page by its digest. Raises: Damage."""
        found = self.fresh.get(digest)
        return found if found is not None else self._stored(digest)

    @property
    def leaves(self) -> list[Child]:
        """All leaves, in order. Costs one read per about 16,000 entries. Raises: Damage."""
        if self._leaves is None:
            self._leaves = [] if self.top is None else self._leaves_under(self.top)
        return self._leaves

    def _leaves_under(self, top: bytes) -> list[Child]:
        data = self.page(top)
        children = [root_of(top)]
        level = level_of(data, self.kind)
        if level == 0:
            entries = self.decode(children[0])
            return [Child(entries[0][0], top, len(entries))] if entries else []
        while level > 0:
            self._inner.update(child.digest for child in children)
            children = [below for child in children for below in self.below(child, level)]
            level -= 1
        return children

    def below(self, page: Child, level: int) -> list[Child]:
        """Read an inner page. Raises: Damage if it is not one of this level, or not as the page above it says."""
        data = self.page(page.digest)
        if level_of(data, self.kind) != level:
            raise Damage("a tree has pages of another level", "run: vstore check")
        children = decode_inner(data, self._hash.size, self.kind)
        if page.count >= 0 and (children[0].first, sum(child.count for child in children)) != (page.first, page.count):
            raise Damage("a page of a tree does not match the page above it", "run: vstore check")
        return children

    def pages(self) -> Iterator[tuple[bytes, int]]:
        """Yield digest and level of every page, the root first. Only inner pages are read. Raises: Damage."""
        if self.top is None:
            return
        stack = [(root_of(self.top), level_of(self.page(self.top), self.kind))]
        while stack:
            page, level = stack.pop()
            yield page.digest, level
            if level:
                stack += [(child, level - 1) for child in self.below(page, level)]

    def walk(self, start: bytes = b"", *, falling: bool = False) -> Iterator[Child]:
        """Yield the leaves from the one that may hold `start` on, or all from the last; pages are read when reached.

        Raises: Damage.
        """
        if self.top is None:
            return
        stack = [(root_of(self.top), level_of(self.page(self.top), self.kind))]
        while stack:
            child, level = stack.pop()
            if level == 0:
                yield child
                continue
            below = self.below(child, level)
            at = max(0, bisect.bisect_right(below, start, key=lambda child: child.first) - 1)
            part = below[at:]
            stack += [(child, level - 1) for child in (part if falling else reversed(part))]

    def __len__(self) -> int:
        return sum(leaf.count for leaf in self.leaves)

    def entries(self, leaf: Child) -> list[Entry]:
        """Read the entries of a leaf. The last few leaves stay unpacked, as an edit looks at the same ones again."""
        found = self._decoded.get(leaf.digest)
        if found is None:
            if len(self._decoded) >= self.kept:
                self._decoded.clear()
            found = self._decoded[leaf.digest] = self.decode(leaf)
        return found

    def edited(self, edits: Mapping[bytes, bytes | None]) -> Self:
        """Put and remove entries; None removes. Pages that an edit does not touch are shared."""
        if not edits:
            return self
        from vstore.format.cutting import Cutter  # what only reads a tree never cuts one

        cutter = Cutter(self._hash, self.entries, kind=self.kind, encode=self.encode, limit=self.limit)
        leaves = cutter.cut(self.leaves, sorted(edits.items()))
        if not leaves:
            return self.empty(self._hash, self._stored)
        top, inner = cutter.stack(leaves, self._inner)
        used = inner.union(leaf.digest for leaf in leaves)
        kept = {digest: page for digest, page in self.fresh.items() if digest in used}
        had = {leaf.digest for leaf in self.leaves}  # an edit may leave a page as it was
        made = {digest: page for digest, page in cutter.fresh.items() if digest not in had}
        tree = type(self)(self._hash, self._stored, top, {**kept, **made})
        tree._leaves, tree._inner = leaves, inner
        return tree
