"""A table: sorted keys with values of any length, as a tree of pages. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping

from vstore.format.hashing import Hash
from vstore.format.page_tree import Fetch, PageTree, root_of
from vstore.format.pages import TABLE, Child, Entry, level_of
from vstore.format.table_pages import FULL, decode_table_leaf, encode_table_leaf


class Table(PageTree):
    """A table. What looks for one key reads one path from the root to a leaf.

    root: the digest of its root page; None while it is empty.
    """

    kind = TABLE
    limit = FULL
    kept = 32  # 2 MB or so

    def __init__(
        self, hash: Hash, fetch: Fetch, root: bytes | None, fresh: Mapping[bytes, bytes] | None = None
    ) -> None:
        super().__init__(hash, fetch, root, fresh)
        self.root = root

    @staticmethod
    def encode(entries: list[Entry]) -> bytes:
        return encode_table_leaf(entries)

    def decode(self, leaf: Child) -> list[Entry]:
        return self.matched(leaf, decode_table_leaf(self.page(leaf.digest)))

    def get(self, key: bytes) -> bytes | None:
        """Find the value of a key, or None. Raises: Damage."""
        for leaf in self.walk(key):
            entries = self.entries(leaf)
            at = bisect.bisect_left(entries, (key,))
            return entries[at][1] if at < len(entries) and entries[at][0] == key else None
        return None

    def items(self) -> Iterator[Entry]:
        """Yield all entries in rising order of their keys. Raises: Damage."""
        return self.range(b"", None)

    def newest(self) -> Iterator[Entry]:
        """Yield all entries in falling order of their keys; leaves are read as they are reached. Raises: Damage."""
        for leaf in self.walk(falling=True):
            yield from reversed(self.entries(leaf))

    def range(self, start: bytes, stop: bytes | None) -> Iterator[Entry]:
        """Yield the entries from `start` up to, and without, `stop`; None means to the end. Raises: Damage."""
        for leaf in self.walk(start):
            if stop is not None and leaf.first >= stop:
                return
            entries = self.entries(leaf)
            for entry in entries[bisect.bisect_left(entries, (start,)) :]:
                if stop is not None and entry[0] >= stop:
                    return
                yield entry

    def __len__(self) -> int:
        """Count the entries. Reads the root alone. Raises: Damage."""
        if self.root is None:
            return 0
        level = level_of(self.page(self.root), self.kind)
        if level == 0:
            return len(self.entries(root_of(self.root)))
        return sum(child.count for child in self.below(root_of(self.root), level))
