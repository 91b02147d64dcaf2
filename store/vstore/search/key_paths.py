"""The paths of each picture of a snapshot, by its key: a file of `cache/`, made from an older snapshot's by the delta.

    offset  size         content
    0       8            n: the number of keys
    8       n × key      the keys, rising
    …       n × 8        for each key, where its paths end in the rest
    …       …            for each key its paths, rising, joined by a zero byte
All numbers are little-endian. A file that this disk did not write, as `paths` beside it says, is not used.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vstore.disk.cache import PATHS, cache_names
from vstore.disk.mapped_cache import InMemory, MappedCache, Rotten
from vstore.disk.written import make_room, map_written, write_mapped_here
from vstore.errors import Damage
from vstore.format.entries import Snapshot
from vstore.format.hashing import Hash
from vstore.format.key_places import words
from vstore.format.tree import Tree
from vstore.format.unfolded import most_bytes

if TYPE_CHECKING:
    from vstore.format.delta import Change
    from vstore.repository.repository import Repository

_HEAD = 8
_END = 8
_NEAR = 64  # keys around the place that a key tells of itself
_FILES = 3  # of these files that are kept: one of a million pictures has about 80 MB
_OLDER = 64  # snapshots back at which a file to begin with is looked for


class KeyPaths:
    """The keys of a snapshot, rising, and the paths of each. Of a mapped file only what is asked for is read."""

    def __init__(self, content: bytes | MappedCache, key_size: int, again: Callable[[], bytes] | None = None) -> None:
        """
        content: of the file.
        again:   makes the content once more, should a block of the mapped one not match its checksum.
        Raises:  ValueError if the content is none of such a file; as `again`.
        """
        self._content: InMemory | MappedCache = InMemory(content) if isinstance(content, bytes) else content
        self._size = key_size
        self._again = again
        self._keys: memoryview | None = None
        self._column: Any = None  # the keys, as numpy compares them: of one length, zeros at an end change nothing
        self._count: int = self._number(0) if len(self._content) >= _HEAD else -1
        self._ends_at = _HEAD + self._count * key_size
        self._paths_at = self._ends_at + self._count * _END
        if self._count < 0 or len(self._content) < self._paths_at:
            raise ValueError("it is cut short")
        if len(self._content) - self._paths_at != self._end(self._count - 1):
            raise ValueError("its length is wrong")

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        size, keys = self._size, self.keys
        return (bytes(keys[at : at + size]) for at in range(0, len(keys), size))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.find(key) is not None

    @property
    def keys(self) -> memoryview:
        """All keys, one after another."""
        if self._keys is None:
            self._keys = self._part(_HEAD, self._ends_at)
        return self._keys

    @property
    def ends(self) -> memoryview:
        """For each key 8 bytes: where its paths end among all."""
        return self._part(self._ends_at, self._paths_at)

    @property
    def paths(self) -> memoryview:
        """All paths, key by key, joined by a zero byte."""
        return self._part(self._paths_at, len(self._content))

    def hold(self) -> None:
        """Prove all of it, so that nothing has to be made again later. Raises: as `again`."""
        _ = self._part(0, len(self._content)), self.keys

    def key(self, number: int) -> bytes:
        at = _HEAD + number * self._size
        return bytes(self._part(at, at + self._size))

    def find(self, key: bytes) -> int | None:
        """Find the number of a key; None if the snapshot does not have it."""
        at = self._place(key) if self._keys is None else self._place_in_column(key)
        return at if at < self._count and self.key(at) == key else None

    def _place(self, key: bytes) -> int:
        """Count the keys below one. They are digests, so that one tells about where it stands: little is read."""
        about = int.from_bytes(key[:8].ljust(8, b"\0"), "big") * self._count >> 64
        reach = _NEAR + 4 * isqrt(self._count)
        low, high = max(0, about - reach), min(self._count, about + reach)
        if low and self.key(low) > key:
            low, high = 0, low
        elif high < self._count and self.key(high) < key:
            low, high = high, self._count
        return bisect_left(range(self._count), key, low, high, key=self.key)

    def _place_in_column(self, key: bytes) -> int:
        if self._column is None:
            import numpy as np  # `bisect` takes ten times as long among a million

            self._column = np.frombuffer(self.keys, f"S{self._size}")
        return int(self._column.searchsorted(key))

    def paths_at(self, number: int) -> list[bytes]:
        """List the paths of the key with this number."""
        begin, end = self._end(number - 1), self._end(number)
        return bytes(self._part(self._paths_at + begin, self._paths_at + end)).split(b"\0")

    def paths_of(self, key: bytes) -> list[bytes]:
        """List the paths of a key; none if the snapshot does not have it."""
        number = self.find(key)
        return [] if number is None else self.paths_at(number)

    def _end(self, number: int) -> int:
        """Find where the paths of a key end; those of the key before the first one end at 0."""
        return self._number(self._ends_at + number * _END) if number >= 0 else 0

    def _number(self, at: int) -> int:
        return int.from_bytes(self._part(at, at + _END), "little")

    def _part(self, begin: int, end: int) -> memoryview:
        try:
            return self._content.part(begin, end)
        except Rotten:
            if self._again is None:
                raise
            self._content = InMemory(self._again())  # the same bytes
            return self._content.part(begin, end)


def key_paths(repo: Repository, snapshot: Snapshot, tree: Tree) -> KeyPaths:
    """Find the paths of all pictures of a snapshot: in `cache/`, or by the delta from an older snapshot that is there.

    tree: its aliases, as they are stored.
    Raises: Damage, FileNotFoundError.
    """
    cache, size = repo.layout.cache, repo.hash.size
    found = _read(cache, tree, size, snapshot)
    if found is None:
        content = _from_older(repo, snapshot, tree)
        if content is None or len(KeyPaths(content, size)) != snapshot.images:
            content = made(tree, size)
        found = KeyPaths(content, size)
        if len(found) != snapshot.images:
            raise Damage(
                f"{snapshot.name} names {len(found):,} pictures; its manifest says {snapshot.images:,}",
                "run: vstore check",
            )
        if write_mapped_here(cache, _name(tree.root), content):
            make_room(cache, PATHS, _name(tree.root), _FILES)
    return found


def made(tree: Tree, key_size: int) -> bytes:
    """Write the file of a snapshot from its aliases."""
    import numpy as np

    names, digests = [], []
    for leaf in tree.leaves:
        for path, key in tree.decode(leaf):
            names.append(path)
            digests.append(key)
    if not names:
        return struct.pack("<Q", 0)
    every = words(b"".join(digests), key_size)
    order = np.lexsort(every.T[::-1])  # stable: the paths of a key rise
    is_new = np.ones(len(order), bool)
    is_new[1:] = (every[order[1:]] != every[order[:-1]]).any(axis=1)
    firsts = np.flatnonzero(is_new)
    in_order = [names[at] for at in order.tolist()]
    # A zero byte stands before each path but the first one of a key.
    lengths = np.fromiter(map(len, in_order), np.int64, len(in_order)) + ~is_new
    ends = np.append(np.cumsum(lengths)[firsts[1:] - 1], lengths.sum())
    keys = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, key_size)[order[firsts]]
    paths = [path if new else b"\0" + path for path, new in zip(in_order, is_new.tolist(), strict=True)]
    return b"".join([struct.pack("<Q", len(firsts)), keys.tobytes(), ends.astype("<u8").tobytes(), *paths])


def tree_of(paths: KeyPaths, hash: Hash) -> Tree:
    """Make the alias tree of a snapshot from its paths, in memory."""
    aliases = {path: key for number, key in enumerate(paths) for path in paths.paths_at(number)}
    pages: dict[bytes, bytes] = {}
    return Tree.empty(hash, pages.__getitem__).edited(aliases)


def changed(before: KeyPaths, changes: Iterable[Change]) -> bytes:
    """Write the file of a snapshot from that of an older one and the paths that differ; other keys are copied."""
    import numpy as np

    edits: dict[bytes, tuple[set[bytes], set[bytes]]] = {}  # key -> its paths that go, and that come
    for path, old, new in changes:
        if old is not None:
            edits.setdefault(old, (set(), set()))[0].add(path)
        if new is not None:
            edits.setdefault(new, (set(), set()))[1].add(path)
    size = before._size
    old_ends = np.frombuffer(before.ends, "<u8")
    keys: list[bytes | memoryview] = []
    ends: list[Any] = []
    paths: list[bytes | memoryview] = []
    count = total = at = 0

    def copy(stop: int) -> None:
        """Copy the keys from `at` up to `stop`."""
        nonlocal count, total, at
        if at < stop:
            begin, end = int(old_ends[at - 1]) if at else 0, int(old_ends[stop - 1])
            keys.append(before.keys[at * size : stop * size])
            paths.append(before.paths[begin:end])
            ends.append(old_ends[at:stop] + np.uint64(total) - np.uint64(begin))
            count, total, at = count + stop - at, total + end - begin, stop

    for key, (going, coming) in sorted(edits.items()):
        number = bisect_left(range(len(before)), key, at, key=before.key)
        copy(number)
        had: list[bytes] = []
        if number < len(before) and before.key(number) == key:
            had = before.paths_at(number)
            at = number + 1
        now = b"\0".join(sorted(({*had} - going) | coming))
        if now:
            keys.append(key)
            paths.append(now)
            count, total = count + 1, total + len(now)
            ends.append(np.array([total], "<u8"))
    copy(len(before))
    return b"".join([struct.pack("<Q", count), *keys, *[part.tobytes() for part in ends], *paths])


def _from_older(repo: Repository, snapshot: Snapshot, tree: Tree) -> bytes | None:
    """Make the file by the delta from the nearest snapshot before it whose file is there, if any."""
    names = cache_names(repo.layout.cache)
    for older in older_ones(repo, snapshot):
        other = repo.tree(older)
        if _name(other.root) in names:
            found = _read(repo.layout.cache, other, repo.hash.size, older)
            if found is not None:
                from vstore.format.differences import differences  # once for each snapshot

                return changed(found, differences(other, tree))
    return None


def older_ones(repo: Repository, snapshot: Snapshot) -> Iterator[Snapshot]:
    """Yield the snapshots from which one was made, the nearest first, as far as they are kept; a few at most."""
    for _ in range(_OLDER):
        found = None if snapshot.parent is None else repo.listing.find(snapshot.parent)
        if found is None or not found.kept:
            return
        yield found
        snapshot = found


def _read(cache: Path, tree: Tree, key_size: int, snapshot: Snapshot) -> KeyPaths | None:
    """Map the file of a snapshot. tree: its aliases. Raises: Damage, FileNotFoundError."""
    longest = _HEAD + snapshot.images * (key_size + _END) + most_bytes(snapshot.paths) + snapshot.paths
    content = map_written(cache, _name(tree.root), longest)

    def again() -> bytes:
        content = made(tree, key_size)
        write_mapped_here(cache, _name(tree.root), content)
        return content

    try:
        found = None if content is None else KeyPaths(content, key_size, again)
    except ValueError:
        return None
    return found if found is not None and len(found) == snapshot.images else None


def _name(root: bytes) -> str:
    return PATHS + root.hex()
