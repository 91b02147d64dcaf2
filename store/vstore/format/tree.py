"""The alias tree: which path has which picture, as a tree of pages. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from vstore.errors import Damage, UsageError
from vstore.format.hashing import Hash
from vstore.format.page_tree import Fetch, PageTree
from vstore.format.pages import (
    ALIAS,
    Alias,
    Child,
    Entry,
    decode_leaf,
    encode_leaf,
    leaf_keys,
    leaf_paths,
    may_hold,
)
from vstore.format.unfolded import EACH, Unfolded

if TYPE_CHECKING:
    from typing import Self

_FEW = 8  # ranges that cost less than a list of all leaves


class Tree(PageTree):
    """An alias tree.

    root: the digest of its root page.
    """

    kind = ALIAS
    kept = 256  # 4 MB or so

    def __init__(self, hash: Hash, fetch: Fetch, root: bytes, fresh: Mapping[bytes, bytes] | None = None) -> None:
        super().__init__(hash, fetch, root, fresh)
        self.root = root
        self._unfolded = Unfolded()
        self._ranges = 0  # looked up so far

    @classmethod
    def empty(cls, hash: Hash, fetch: Fetch) -> Tree:
        """Make the tree of no aliases: one page without any."""
        page = encode_leaf([])
        return cls(hash, fetch, hash.digest(page), {hash.digest(page): page})

    @staticmethod
    def encode(entries: list[Entry]) -> bytes:
        return encode_leaf(entries)

    def decode(self, leaf: Child) -> list[Alias]:
        aliases = self._read(leaf)
        self._require_short(leaf.digest, [path for path, _ in aliases])
        return aliases

    def paths(self, leaf: Child, literal: bytes = b"") -> list[bytes]:
        """Read the paths of a leaf alone: what is only looked through. Those that count, `decode` proves.

        literal: bytes looked for. None of the paths are given if it is seen at once that none has these in a row.
        """
        data = self.page(leaf.digest)
        if literal and not may_hold(data, literal):
            return []
        paths = leaf_paths(data)
        self._require_short(leaf.digest, paths)
        return paths

    def _read(self, leaf: Child) -> list[Alias]:
        return self.matched(leaf, decode_leaf(self.page(leaf.digest), self._hash.size))

    def below(self, page: Child, level: int) -> list[Child]:
        children = super().below(page, level)
        self._require_short(page.digest, [child.first for child in children])
        return children

    def _require_short(self, page: bytes, paths: list[bytes]) -> None:
        """Hold the paths of a page against the limit of the tree. Raises: Damage."""
        complaint = self._unfolded.count(page, paths)
        if complaint is not None:
            raise Damage(f"a tree unfolds to too much: {complaint}", "run: vstore check")

    def edited(self, edits: Mapping[bytes, bytes | None]) -> Self:
        """Put and remove aliases; None removes. Raises: UsageError if the paths are too long, all together."""
        tree = super().edited(edits)
        if any(key is not None and len(path) > EACH for path, key in edits.items()):
            tree._refuse_long()
        return tree

    def _refuse_long(self) -> None:
        """Write nothing that a reader would refuse. Raises: UsageError, Damage."""
        unfolded = Unfolded()
        for leaf in self.leaves:
            complaint = unfolded.count(leaf.digest, [path for path, _ in self._read(leaf)])
            if complaint is not None:
                raise UsageError(
                    f"the paths of the pictures are too long for a store: {complaint}",
                    "leave out the folder with the longest paths (--exclude), or give its folders shorter names",
                )

    def leaves_below(self, prefix: bytes) -> Iterator[Child]:
        """Yield the leaves that may have paths with a prefix; pages are read when they are reached. Raises: Damage."""
        for leaf in self.walk(prefix):
            if leaf.first[: len(prefix)] > prefix:
                return
            yield leaf

    def aliases(self, leaf: Child) -> list[Alias]:
        """Read the aliases of a leaf. The last few leaves stay unpacked, as an edit looks at the same ones again."""
        return self.entries(leaf)

    def __iter__(self) -> Iterator[Alias]:
        for leaf in self.leaves:
            yield from self.decode(leaf)

    def key_columns(self) -> Iterator[bytes]:
        """Yield the key columns of all leaves, one after another."""
        for leaf in self.leaves:
            column = leaf_keys(self.page(leaf.digest), self._hash.size)
            if len(column) != leaf.count * self._hash.size:
                raise Damage("a page of a tree does not match the page above it", "run: vstore check")
            yield column

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
        for leaf in self._leaves_from(start):
            if stop is not None and leaf.first >= stop:
                return
            aliases = self.aliases(leaf)
            first = bisect.bisect_left(aliases, (start,)) if leaf.first < start else 0
            if stop is not None and aliases and aliases[-1][0] >= stop:
                yield from aliases[first : bisect.bisect_left(aliases, (stop,))]
                return
            yield from aliases[first:] if first else aliases

    def _leaves_from(self, start: bytes) -> Iterator[Child]:
        """Yield the leaves from the one that may hold `start` on. The first few times no other inner page is read."""
        self._ranges += 1
        if self._leaves is None and self._ranges <= _FEW:
            yield from self.walk(start)
            return
        leaves = self.leaves
        yield from leaves[max(0, bisect.bisect_right(leaves, start, key=lambda leaf: leaf.first) - 1) :]

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

    def children(self, folder: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what lies directly in a folder, in the order of paths: subfolders, with no key, and aliases.

        folder: b"" for the top, where the labels are.
        start:  a path below the folder; only what lies from there on.
        """
        base = folder + b"/" if folder else b""
        start, stop = max(start, base), folder + b"0" if folder else None
        while True:
            for path, key in self.range(start, stop):
                slash = path.find(b"/", len(base))
                if slash >= 0:
                    yield path[:slash], None
                    start = path[:slash] + b"0"
                    break
                yield path, key
            else:
                return

    def count_under(self, folder: bytes) -> int:
        """Count the aliases below a folder. Reads two leaves at most."""
        start, stop = folder + b"/", folder + b"0"
        leaves = self.leaves
        first, last = (max(0, bisect.bisect_left(leaves, at, key=lambda leaf: leaf.first) - 1) for at in (start, stop))
        inner = sum(leaf.count for leaf in leaves[first:last])

        def before(at: bytes, leaf: Child) -> int:
            return bisect.bisect_left(self.aliases(leaf), (at,))

        return inner + before(stop, leaves[last]) - before(start, leaves[first]) if leaves else 0


def keys_at(tree: Tree, paths: Iterable[bytes]) -> dict[bytes, bytes]:
    """Find the keys of those paths that a tree has. Paths of one folder in a row are looked up together."""
    found: dict[bytes, bytes] = {}
    for folder, some in groupby(paths, lambda path: path.rpartition(b"/")[0]):
        here = dict(tree.directly_in(folder))
        found.update((path, here[path]) for path in some if path in here)
    return found


def paths_by_key(aliases: Iterable[Alias]) -> dict[bytes, list[bytes]]:
    """Group paths by their key, in the order of the aliases."""
    paths: dict[bytes, list[bytes]] = {}
    for path, key in aliases:
        paths.setdefault(key, []).append(path)
    return paths
