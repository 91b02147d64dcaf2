"""A set of keys that takes a sixth of the memory of a set of bytes: a sync of millions of pictures holds two."""

from __future__ import annotations

from collections.abc import Iterable

_FIRST = 1 << 10  # places of a new table
_FILLED = 0.7  # share of the places that may hold keys: beyond, searches take long


class KeySet:
    """Keys of one size, side by side in a table. One thread adds; any may ask meanwhile."""

    def __init__(self, size: int) -> None:
        """size: bytes of a key."""
        self._size = size
        self._none = bytes(size)  # an empty place
        self._holds_none = False  # the key of zeros alone
        self._count = 0
        self._table = bytearray(_FIRST * size)

    def __len__(self) -> int:
        return self._count + self._holds_none

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, bytes) or len(key) != self._size:
            return False
        if key == self._none:
            return self._holds_none
        table = self._table
        at = self._place(table, key)
        return table[at : at + self._size] == key

    def update(self, keys: Iterable[bytes]) -> None:
        """Add keys. Raises: ValueError for one of another size."""
        for key in keys:
            if len(key) != self._size:
                raise ValueError(f"a key of {len(key)} bytes among keys of {self._size}")
            if key == self._none:
                self._holds_none = True
                continue
            at = self._place(self._table, key)
            if self._table[at : at + self._size] != key:
                self._table[at : at + self._size] = key
                self._count += 1
                if self._count > _FILLED * (len(self._table) // self._size):
                    self._grow()

    def _place(self, table: bytearray, key: bytes) -> int:
        """Find where a key stands, or would stand."""
        # Python's hash has a secret of its own in each process: no maker of files can let keys meet in one place.
        size, last = self._size, len(table) // self._size - 1
        place = hash(key) & last
        while (found := table[place * size : place * size + size]) != key and found != self._none:
            place = (place + 1) & last
        return place * size

    def _grow(self) -> None:
        old, size = self._table, self._size
        table = bytearray(2 * len(old))
        for at in range(0, len(old), size):
            key = bytes(old[at : at + size])
            if key != self._none:
                to = self._place(table, key)
                table[to : to + size] = key
        self._table = table
