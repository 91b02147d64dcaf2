"""The alias tree: sorted runs of (path, key), cut where their content says so and named by their digests. Pure.

Leaves hold aliases; inner pages hold the first path, digest and number of aliases of the pages below them. A page
begins where the hash of a path says so, whatever came before, so equal sets of aliases give equal trees, and an edit
touches the pages round it and no others.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import xxhash

from vstore.errors import Damage
from vstore.format.hashing import Hash

Alias = tuple[bytes, bytes]  # path, key
Fetch = Callable[[bytes], bytes]  # digest -> the page's bytes, checked

TARGET = 128  # entries per page on average
MAXIMUM = 512  # entries per page at most
_UNPACKED = 256  # leaves that a tree keeps unpacked: 4 MB or so
_LEAF = b"vp0"
_MAGIC_SIZE = 3


class Child(NamedTuple):
    """A page as the page above names it: the path that it begins with, its digest, the aliases under it."""

    first: bytes
    digest: bytes
    count: int  # type: ignore[assignment]  # not the method of tuples


def is_boundary(path: bytes, level: int) -> bool:
    """Whether a page of this level begins at this path. Each level looks at seven other bits of xxh3_64(path)."""
    return (xxhash.xxh3_64_intdigest(path) >> (7 * level)) % TARGET == 0


def encode_leaf(aliases: list[Alias]) -> bytes:
    """Magic, number of aliases, the paths (each: shared prefix length, length of the rest, the rest), then all keys."""
    out = bytearray(_LEAF)
    _put(out, len(aliases))
    _put_paths(out, [path for path, _ in aliases])
    for _, key in aliases:
        out += key
    return bytes(out)


def decode_leaf(data: bytes, key_size: int) -> list[Alias]:
    """Read a leaf. Raises: Damage if it is none."""
    try:
        count, at = _begin(data, 0)
        paths, at = _get_paths(data, at, count)
        if len(data) != at + count * key_size:
            raise ValueError("its length does not fit")
        return [(path, data[at + i * key_size : at + (i + 1) * key_size]) for i, path in enumerate(paths)]
    except (ValueError, IndexError) as err:
        raise Damage(f"an alias page cannot be read: {err}", "run: vstore check") from err


def leaf_keys(data: bytes, key_size: int) -> bytes:
    """The key column of a leaf alone, without reading its paths. Raises: Damage if it is none."""
    try:
        count, at = _begin(data, 0)
        if len(data) < at + count * (2 + key_size):
            raise ValueError("it is cut short")
    except (ValueError, IndexError) as err:
        raise Damage(f"an alias page cannot be read: {err}", "run: vstore check") from err
    return data[len(data) - count * key_size :]


def encode_inner(children: list[Child], level: int) -> bytes:
    out = bytearray(_magic(level))
    _put(out, len(children))
    _put_paths(out, [child.first for child in children])
    for child in children:
        out += child.digest
        _put(out, child.count)
    return bytes(out)


def decode_inner(data: bytes, digest_size: int) -> list[Child]:
    """Read an inner page. Raises: Damage if it is none."""
    try:
        count, at = _begin(data, level_of(data) or 1)
        paths, at = _get_paths(data, at, count)
        children = []
        for path in paths:
            digest = data[at : at + digest_size]
            size, at = _get(data, at + digest_size)
            children.append(Child(path, digest, size))
        if at != len(data):
            raise ValueError("its length does not fit")
        return children
    except (ValueError, IndexError) as err:
        raise Damage(f"an inner alias page cannot be read: {err}", "run: vstore check") from err


def level_of(data: bytes) -> int:
    """0 for a leaf, else how far above the leaves a page stands. Raises: Damage."""
    if data[:2] != b"vp" or not b"0" <= data[2:3] <= b"9":
        raise Damage("an alias page begins with something else", "run: vstore check")
    return data[2] - 0x30


class Tree:
    """One alias tree, read through `fetch` and never changed: an edit gives another tree that shares its pages.

    fresh: the pages of this tree that its maker has not stored yet, by digest.
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
        page = encode_leaf([])
        return cls(hash, fetch, hash.digest(page), {hash.digest(page): page})

    def page(self, digest: bytes) -> bytes:
        found = self.fresh.get(digest)
        return found if found is not None else self._stored(digest)

    @property
    def leaves(self) -> list[Child]:
        """All leaves, in order. Costs one read per about 16,000 aliases."""
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
        """The digest and level of every page, the root first. Every inner page is read, no leaf is."""
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
        """The aliases of a leaf. The last few leaves stay unpacked, as an edit looks at the same ones again."""
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
        """The key columns of all leaves, one after another."""
        for leaf in self.leaves:
            yield leaf_keys(self.page(leaf.digest), self._hash.size)

    def get(self, path: bytes) -> bytes | None:
        """The key that a path has, or None."""
        for found, key in self.range(path, path + b"\0"):
            if found == path:
                return key
        return None

    def range(self, start: bytes, stop: bytes | None) -> Iterator[Alias]:
        """The aliases from `start` up to `stop`, which is left out; None means to the end."""
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
        """The aliases below a folder; b"" means all."""
        return self.range(prefix + b"/", prefix + b"0") if prefix else iter(self)  # "0" follows "/"

    def directly_in(self, folder: bytes) -> Iterator[Alias]:
        """The aliases of a folder's own files; what lies in its subfolders is leapt over, not read."""
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
        """The names of a folder's subfolders that hold aliases, at any depth; one look-up each."""
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
        fresh: dict[bytes, bytes] = {}
        leaves = _Cutter(self, fresh).cut(sorted(edits.items()))
        inner: set[bytes] = set()
        root = self._raise(leaves, fresh, inner)
        used = inner.union(leaf.digest for leaf in leaves)
        kept = {digest: page for digest, page in self.fresh.items() if digest in used}
        tree = Tree(self._hash, self._stored, root, {**kept, **fresh})
        tree._leaves, tree._inner = leaves, inner
        return tree

    def _raise(self, children: list[Child], fresh: dict[bytes, bytes], inner: set[bytes]) -> bytes:
        """Build the inner pages over a run of leaves; those that this tree has already are not made again."""
        if not children:
            page = encode_leaf([])
            digest = self._hash.digest(page)
            fresh[digest] = page
            return digest
        level = 1
        while len(children) > 1:
            above: list[Child] = []
            run: list[Child] = []
            for child in children:
                if run and (len(run) == MAXIMUM or is_boundary(child.first, level)):
                    above.append(self._inner_page(run, level, fresh))
                    inner.add(above[-1].digest)
                    run = []
                run.append(child)
            above.append(self._inner_page(run, level, fresh))
            inner.add(above[-1].digest)
            children = above
            level += 1
            if level > 9:
                raise ValueError("an alias tree of more than nine levels")
        return children[0].digest

    def _inner_page(self, run: list[Child], level: int, fresh: dict[bytes, bytes]) -> Child:
        page = encode_inner(run, level)
        digest = self._hash.digest(page)
        if digest not in self._inner:
            fresh[digest] = page
        return Child(run[0].first, digest, sum(child.count for child in run))


class _Cutter:
    """Re-cuts the leaves of a tree under edits; a leaf that comes out as it was is passed on unread."""

    def __init__(self, tree: Tree, fresh: dict[bytes, bytes]) -> None:
        self._tree = tree
        self._fresh = fresh
        self._cut: list[Child] = []
        self._open: list[Alias] = []
        self._whole: Child | None = None  # the open page is exactly this leaf of the old tree

    def cut(self, edits: list[tuple[bytes, bytes | None]]) -> list[Child]:
        """The leaves after edits, which are sorted by path."""
        leaves = self._tree.leaves
        at = 0
        for i, leaf in enumerate(leaves):
            stop = leaves[i + 1].first if i + 1 < len(leaves) else None
            begin = at
            while at < len(edits) and (stop is None or edits[at][0] < stop):
                at += 1
            if begin == at:
                self._put_leaf(leaf)
            else:
                self._put(_merged(self._tree.aliases(leaf), edits[begin:at]))
        if not leaves:
            self._put(_merged([], edits))
        self._flush()
        return self._cut

    def _put_leaf(self, leaf: Child) -> None:
        if self._is_full() or is_boundary(leaf.first, 0) or not (self._open or self._whole):
            self._flush()
            self._whole = leaf
        else:
            self._put(self._tree.aliases(leaf))

    def _put(self, aliases: Iterable[Alias]) -> None:
        for alias in aliases:
            if self._is_full() or is_boundary(alias[0], 0):
                self._flush()
            if self._whole is not None:
                self._open = list(self._tree.aliases(self._whole))
                self._whole = None
            self._open.append(alias)

    def _is_full(self) -> bool:
        return (self._whole.count if self._whole else len(self._open)) >= MAXIMUM

    def _flush(self) -> None:
        if self._whole is not None:
            self._cut.append(self._whole)
        elif self._open:
            page = encode_leaf(self._open)
            digest = self._tree._hash.digest(page)
            self._fresh[digest] = page
            self._cut.append(Child(self._open[0][0], digest, len(self._open)))
        self._open, self._whole = [], None


def differences(before: Tree, after: Tree) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
    """Walk two trees and yield (path, old key, new key) where they differ, in path order; equal pages are not read."""
    if before.root == after.root:
        return
    shared = {leaf.digest for leaf in before.leaves} & {leaf.digest for leaf in after.leaves}

    def run(tree: Tree) -> Iterator[Alias]:
        # A page in both trees holds the same paths in both: nothing in it differs.
        for leaf in tree.leaves:
            if leaf.digest not in shared:
                yield from tree.aliases(leaf)

    yield from merged_by_path(run(before), run(after))


def merged_by_path(
    before: Iterable[Alias], after: Iterable[Alias]
) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
    """Merge two runs sorted by path and yield what differs: (path, old key or None, new key or None)."""
    olds, news = iter(before), iter(after)
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[0] < new[0]):
            assert old is not None
            yield old[0], old[1], None
            old = next(olds, None)
        elif old is None or new[0] < old[0]:
            yield new[0], None, new[1]
            new = next(news, None)
        else:
            if old[1] != new[1]:
                yield old[0], old[1], new[1]
            old, new = next(olds, None), next(news, None)


def _merged(aliases: list[Alias], edits: list[tuple[bytes, bytes | None]]) -> Iterator[Alias]:
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


def _magic(level: int) -> bytes:
    return b"vp" + bytes([0x30 + level])


def _begin(data: bytes, level: int) -> tuple[int, int]:
    if data[:_MAGIC_SIZE] != _magic(level):
        raise ValueError("it begins with something else")
    count, at = _get(data, _MAGIC_SIZE)
    if count > MAXIMUM:
        raise ValueError(f"it claims {count} entries")  # paths that share all of the one before would fill the memory
    return count, at


def _put(out: bytearray, number: int) -> None:
    """LEB128."""
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _get(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    number, shift = byte & 0x7F, 7
    while True:
        at += 1
        byte = data[at]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at + 1
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _put_paths(out: bytearray, paths: list[bytes]) -> None:
    before = b""
    for path in paths:
        shared = _shared(before, path)
        rest = path[shared:]
        if shared < 0x80 and len(rest) < 0x80:  # nearly every path of nearly every page
            out.append(shared)
            out.append(len(rest))
        else:
            _put(out, shared)
            _put(out, len(rest))
        out += rest
        before = path


def _get_paths(data: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    paths = []
    path = b""
    for _ in range(count):
        shared, size = data[at], data[at + 1]
        if shared < 0x80 and size < 0x80:  # nearly every path of nearly every page
            at += 2
        else:
            shared, at = _get(data, at)
            size, at = _get(data, at)
        if at + size > len(data) or shared > len(path):
            raise ValueError("a path runs over the end")
        path = path[:shared] + data[at : at + size]
        at += size
        paths.append(path)
    return paths, at


def _shared(a: bytes, b: bytes) -> int:
    """How many bytes two paths have in common at their beginning."""
    size = min(len(a), len(b))
    differ = int.from_bytes(a[:size], "big") ^ int.from_bytes(b[:size], "big")  # no loop over bytes in Python
    return size - (differ.bit_length() + 7) // 8
