"""The alias tree: sorted runs of (path, key), cut where their content says so, named by their digests. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping

from vstore.errors import Damage
from vstore.format.hashing import Hash
from vstore.format.pages import Alias, Child, decode_inner, decode_leaf, encode_leaf, leaf_keys, level_of

Fetch = Callable[[bytes], bytes]  # digest -> the page's bytes, checked

_UNPACKED = 256  # leaves that a tree keeps unpacked: 4 MB or so


class Tree:
    """An alias tree, read through `fetch` and never changed: an edit gives another tree with shared pages.

    root:  the digest of its root page.
    fresh: the pages not stored yet, by digest.
    """

    def __init__(self, hash: Hash, fetch: Fetch, root: bytes, fresh: Mapping[bytes, bytes] | None = None) -> None:
        self.root = root
        self.fresh: Mapping[bytes, bytes] = fresh or {}
        self._hash = hash
        self._stored = fetch
        self._leaves: list[Child] | None = None
        self._inner: set[bytes] = set()
        self._decoded: dict[bytes, list[Alias]] = {}

    @classmethod
    def empty(cls, hash: Hash, fetch: Fetch) -> Tree:
        """Make the tree of no aliases."""
        page = encode_leaf([])
        return cls(hash, fetch, hash.digest(page), {hash.digest(page): page})

    def page(self, digest: bytes) -> bytes:
        """Read a page by its digest. Raises: Damage."""
        found = self.fresh.get(digest)
        return found if found is not None else self._stored(digest)

    @property
    def leaves(self) -> list[Child]:
        """All leaves, in order. Costs one read per about 16,000 aliases. Raises: Damage."""
        if self._leaves is None:
            data = self.page(self.root)
            children = [Child(b"", self.root, -1)]
            level = level_of(data)
            while level > 0:
                self._inner.update(child.digest for child in children)
                below = []
                for child in children:
                    page = self.page(child.digest)
                    if level_of(page) != level:
                        raise Damage("an alias tree has pages of another level", "run: vstore check")
                    below += decode_inner(page, self._hash.size)
                children = below
                level -= 1
            if children and children[0].count < 0:
                aliases = decode_leaf(data, self._hash.size)
                children = [Child(aliases[0][0], self.root, len(aliases))] if aliases else []
            self._leaves = children
        return self._leaves

    def pages(self) -> Iterator[tuple[bytes, int]]:
        """Yield digest and level of every page, the root first. Only inner pages are read. Raises: Damage."""
        data = self.page(self.root)
        stack = [(self.root, level_of(data))]
        while stack:
            digest, level = stack.pop()
            yield digest, level
            if level:
                stack += [(child.digest, level - 1) for child in decode_inner(self.page(digest), self._hash.size)]

    def __len__(self) -> int:
        return sum(leaf.count for leaf in self.leaves)

    def aliases(self, leaf: Child) -> list[Alias]:
        """Read the aliases of a leaf. The last few leaves stay unpacked, as an edit looks at the same ones again."""
        found = self._decoded.get(leaf.digest)
        if found is None:
            if len(self._decoded) >= _UNPACKED:
                self._decoded.clear()
            found = self._decoded[leaf.digest] = decode_leaf(self.page(leaf.digest), self._hash.size)
        return found

    def __iter__(self) -> Iterator[Alias]:
        for leaf in self.leaves:
            yield from decode_leaf(self.page(leaf.digest), self._hash.size)

    def key_columns(self) -> Iterator[bytes]:
        """Yield the key columns of all leaves, one after another."""
        for leaf in self.leaves:
            yield leaf_keys(self.page(leaf.digest), self._hash.size)

    def every_key(self) -> Iterator[bytes]:
        """Yield the key of each alias, in the order of the paths. Reads no path."""
        size = self._hash.size
        for column in self.key_columns():
            for at in range(0, len(column), size):
                yield column[at : at + size]

    def get(self, path: bytes) -> bytes | None:
        """Find the key of a path, or None."""
        for found, key in self.range(path, path + b"\0"):
            if found == path:
                return key
        return None

    def range(self, start: bytes, stop: bytes | None) -> Iterator[Alias]:
        """Yield the aliases from `start` up to, and without, `stop`; None means to the end."""
        leaves = self.leaves
        at = max(0, bisect.bisect_right(leaves, start, key=lambda leaf: leaf.first) - 1)
        for leaf in leaves[at:]:
            if stop is not None and leaf.first >= stop:
                return
            aliases = self.aliases(leaf)
            first = bisect.bisect_left(aliases, (start,)) if leaf.first < start else 0
            for alias in aliases[first:]:
                if stop is not None and alias[0] >= stop:
                    return
                yield alias

    def under(self, prefix: bytes) -> Iterator[Alias]:
        """Yield the aliases below a folder; b"" means all."""
        return self.range(prefix + b"/", prefix + b"0") if prefix else iter(self)  # "0" follows "/"

    def directly_in(self, folder: bytes) -> Iterator[Alias]:
        """Yield the aliases of a folder's own files; its subfolders are skipped unread."""
        base = folder + b"/"
        start, stop = base, folder + b"0"
        while True:
            for path, key in self.range(start, stop):
                slash = path.find(b"/", len(base))
                if slash >= 0:
                    start = path[:slash] + b"0"
                    break
                yield path, key
            else:
                return

    def folders_in(self, folder: bytes) -> Iterator[bytes]:
        """Yield the names of a folder's subfolders with aliases at any depth; one look-up each."""
        base = folder + b"/"
        start, stop = base, folder + b"0"
        while True:
            for path, _ in self.range(start, stop):
                slash = path.find(b"/", len(base))
                if slash >= 0:
                    yield path[len(base) : slash]
                    start = path[:slash] + b"0"
                    break
            else:
                return

    def edited(self, edits: Mapping[bytes, bytes | None]) -> Tree:
        """Put and remove aliases; None removes. Pages that an edit does not touch are shared."""
        if not edits:
            return self
        from vstore.format.cutting import Cutter  # what only reads a tree never cuts one

        cutter = Cutter(self._hash, self.aliases)
        leaves = cutter.cut(self.leaves, sorted(edits.items()))
        root, inner = cutter.stack(leaves, self._inner)
        used = inner.union(leaf.digest for leaf in leaves)
        kept = {digest: page for digest, page in self.fresh.items() if digest in used}
        tree = Tree(self._hash, self._stored, root, {**kept, **cutter.fresh})
        tree._leaves, tree._inner = leaves, inner
        return tree


def paths_by_key(aliases: Iterable[Alias]) -> dict[bytes, list[bytes]]:
    """Group paths by their key, in the order of the aliases."""
    paths: dict[bytes, list[bytes]] = {}
    for path, key in aliases:
        paths.setdefault(key, []).append(path)
    return paths
