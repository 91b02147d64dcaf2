"""The cut of a tree: its pages begin where the content of a sorted run of entries says so. Pure.

A page begins where the hash of a key says so, whatever came before. So equal sets of entries give equal trees, and an
edit touches only the pages around it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence

import xxhash

from vstore.format.hashing import Hash
from vstore.format.pages import MAXIMUM, Child, Entry, encode_inner

TARGET = 128  # entries per page on average
HASHED = 5  # pages of higher levels end where they are full: chosen keys would else pile up levels without end
Edits = Sequence[tuple[bytes, bytes | None]]


def is_boundary(key: bytes, level: int) -> bool:
    """Tell whether a page of this level begins at this key. Each level looks at seven other bits of xxh3_64(key)."""
    return level <= HASHED and (xxhash.xxh3_64_intdigest(key) >> (7 * level)) % TARGET == 0


class Cutter:
    """A cut of the leaves of a tree under edits. A leaf that stays as it was is passed on unread.

    fresh: the pages made, by digest.
    """

    def __init__(
        self,
        hash: Hash,
        entries: Callable[[Child], list[Entry]],
        *,
        kind: bytes,
        encode: Callable[[list[Entry]], bytes],
        limit: int | None,
    ) -> None:
        """Begin a cut.

        entries: reads the entries of a leaf.
        kind:    the letter of the pages.
        encode:  writes a leaf.
        limit:   bytes of values that a leaf of several entries may hold; None means any.
        """
        self.fresh: dict[bytes, bytes] = {}
        self._hash = hash
        self._entries = entries
        self._kind = kind
        self._encode = encode
        self._limit = limit
        self._cut: list[Child] = []
        self._open: list[Entry] = []
        self._size = 0  # bytes of the values in the open page, where there is a limit
        self._whole: Child | None = None  # the open page is exactly this leaf of the old tree

    def cut(self, leaves: list[Child], edits: Edits) -> list[Child]:
        """Cut leaves again under edits, which are sorted by key. Returns: the new leaves."""
        at = 0
        before: Child | None = None
        for i, leaf in enumerate(leaves):
            stop = leaves[i + 1].first if i + 1 < len(leaves) else None
            begin = at
            while at < len(edits) and (stop is None or edits[at][0] < stop):
                at += 1
            if begin == at:
                self._put_leaf(leaf, before)
            else:
                self._put(_merged(self._entries(leaf), edits[begin:at]))
            before = leaf
        if not leaves:
            self._put(_merged([], edits))
        self._flush()
        return self._cut

    def _put_leaf(self, leaf: Child, before: Child | None) -> None:
        """Put a leaf of the old tree, where it stood after another."""
        # Where the leaf before stayed as it was too, the cut between them stays, whatever made it.
        if self._whole is before or not (self._open or self._whole) or self._ends(leaf.first):
            self._flush()
            self._whole = leaf
            return
        entries = self._entries(leaf)
        if self._exceeds(entries[0][1]):
            self._flush()
            self._whole = leaf
        else:
            self._put(entries)

    def _put(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if self._ends(entry[0]) or (self._limit is not None and self._exceeds(entry[1])):
                self._flush()
            if self._whole is not None:
                self._open = list(self._entries(self._whole))
                self._size = _size(self._open)
                self._whole = None
            self._open.append(entry)
            self._size += len(entry[1])

    def _ends(self, key: bytes) -> bool:
        """Tell whether the open page ends before this key: it holds the most that it may, or another begins there."""
        return (self._whole.count if self._whole else len(self._open)) >= MAXIMUM or is_boundary(key, 0)

    def _exceeds(self, value: bytes) -> bool:
        """Tell whether the open page has no room for this value."""
        if self._limit is None:
            return False
        size = _size(self._entries(self._whole)) if self._whole else self._size
        return size + len(value) > self._limit

    def _flush(self) -> None:
        if self._whole is not None:
            self._cut.append(self._whole)
        elif self._open:
            page = self._encode(self._open)
            digest = self._hash.digest(page)
            self.fresh[digest] = page
            self._cut.append(Child(self._open[0][0], digest, len(self._open)))
        self._open, self._size, self._whole = [], 0, None

    def stack(self, leaves: list[Child], known: Container[bytes]) -> tuple[bytes, set[bytes]]:
        """Build the inner pages over a run of leaves, of which there is one at least.

        known:   digests of inner pages that are stored: they are not made again.
        Returns: the digest of the root; the digests of all inner pages.
        """
        inner: set[bytes] = set()
        children, level = leaves, 1
        while len(children) > 1:
            above: list[Child] = []
            run: list[Child] = []
            for child in children:
                if run and (len(run) == MAXIMUM or is_boundary(child.first, level)):
                    above.append(self._inner_page(run, level, known))
                    inner.add(above[-1].digest)
                    run = []
                run.append(child)
            above.append(self._inner_page(run, level, known))
            inner.add(above[-1].digest)
            children = above
            level += 1
        return children[0].digest, inner

    def _inner_page(self, run: list[Child], level: int, known: Container[bytes]) -> Child:
        page = encode_inner(run, level, self._kind)
        digest = self._hash.digest(page)
        if digest not in known:
            self.fresh[digest] = page
        return Child(run[0].first, digest, sum(child.count for child in run))


def _size(entries: list[Entry]) -> int:
    return sum(len(value) for _, value in entries)


def _merged(entries: list[Entry], edits: Edits) -> Iterator[Entry]:
    i = 0
    for key, value in edits:
        while i < len(entries) and entries[i][0] < key:
            yield entries[i]
            i += 1
        if i < len(entries) and entries[i][0] == key:
            i += 1
        if value is not None:
            yield key, value
    yield from entries[i:]
