"""The cut of an alias tree: its pages begin where the content of a sorted run of aliases says so. Pure.

A page begins where the hash of a path says so, whatever came before. So equal sets of aliases give equal trees, and an
edit touches only the pages around it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence

import xxhash

from vstore.format.hashing import Hash
from vstore.format.pages import MAXIMUM, Alias, Child, encode_inner, encode_leaf

TARGET = 128  # entries per page on average
Edits = Sequence[tuple[bytes, bytes | None]]


def is_boundary(path: bytes, level: int) -> bool:
    """Tell whether a page of this level begins at this path. Each level looks at seven other bits of xxh3_64(path)."""
    return (xxhash.xxh3_64_intdigest(path) >> (7 * level)) % TARGET == 0


class Cutter:
    """A cut of the leaves of a tree under edits. A leaf that stays as it was is passed on unread.

    fresh: the pages made, by digest.
    """

    def __init__(self, hash: Hash, aliases: Callable[[Child], list[Alias]]) -> None:
        """aliases: reads the aliases of a leaf."""
        self.fresh: dict[bytes, bytes] = {}
        self._hash = hash
        self._aliases = aliases
        self._cut: list[Child] = []
        self._open: list[Alias] = []
        self._whole: Child | None = None  # the open page is exactly this leaf of the old tree

    def cut(self, leaves: list[Child], edits: Edits) -> list[Child]:
        """Cut leaves again under edits, which are sorted by path. Returns: the new leaves."""
        at = 0
        for i, leaf in enumerate(leaves):
            stop = leaves[i + 1].first if i + 1 < len(leaves) else None
            begin = at
            while at < len(edits) and (stop is None or edits[at][0] < stop):
                at += 1
            if begin == at:
                self._put_leaf(leaf)
            else:
                self._put(_merged(self._aliases(leaf), edits[begin:at]))
        if not leaves:
            self._put(_merged([], edits))
        self._flush()
        return self._cut

    def _put_leaf(self, leaf: Child) -> None:
        if self._is_full() or is_boundary(leaf.first, 0) or not (self._open or self._whole):
            self._flush()
            self._whole = leaf
        else:
            self._put(self._aliases(leaf))

    def _put(self, aliases: Iterable[Alias]) -> None:
        for alias in aliases:
            if self._is_full() or is_boundary(alias[0], 0):
                self._flush()
            if self._whole is not None:
                self._open = list(self._aliases(self._whole))
                self._whole = None
            self._open.append(alias)

    def _is_full(self) -> bool:
        return (self._whole.count if self._whole else len(self._open)) >= MAXIMUM

    def _flush(self) -> None:
        if self._whole is not None:
            self._cut.append(self._whole)
        elif self._open:
            page = encode_leaf(self._open)
            digest = self._hash.digest(page)
            self.fresh[digest] = page
            self._cut.append(Child(self._open[0][0], digest, len(self._open)))
        self._open, self._whole = [], None

    def stack(self, leaves: list[Child], known: Container[bytes]) -> tuple[bytes, set[bytes]]:
        """Build the inner pages over a run of leaves.

        known:   digests of inner pages that are stored: they are not made again.
        Returns: the digest of the root; the digests of all inner pages.
        """
        if not leaves:
            page = encode_leaf([])
            digest = self._hash.digest(page)
            self.fresh[digest] = page
            return digest, set()
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
            if level > 9:
                raise ValueError("an alias tree of more than nine levels")
        return children[0].digest, inner

    def _inner_page(self, run: list[Child], level: int, known: Container[bytes]) -> Child:
        page = encode_inner(run, level)
        digest = self._hash.digest(page)
        if digest not in known:
            self.fresh[digest] = page
        return Child(run[0].first, digest, sum(child.count for child in run))


def _merged(aliases: list[Alias], edits: Edits) -> Iterator[Alias]:
    i = 0
    for path, key in edits:
        while i < len(aliases) and aliases[i][0] < path:
            yield aliases[i]
            i += 1
        if i < len(aliases) and aliases[i][0] == path:
            i += 1
        if key is not None:
            yield path, key
    yield from aliases[i:]
