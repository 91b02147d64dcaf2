"""The limit of what the keys of a tree unfold to: pages share beginnings of keys, so that few bytes claim many."""

from __future__ import annotations

from collections.abc import Iterable

ROOM = 64 << 20  # bytes that the keys of any tree may have
EACH = 1 << 10  # bytes more for each key


def most_bytes(keys: int) -> int:
    """Compute how many bytes so many keys may have."""
    return ROOM + EACH * keys


class Unfolded:
    """The keys of a tree that were unfolded so far."""

    def __init__(self) -> None:
        self._keys = 0
        self._bytes = 0
        self._pages: set[bytes] = set()

    def count(self, page: bytes, keys: Iterable[bytes]) -> str | None:
        """Count the keys of a page, each page once. page: its digest.

        Returns: a complaint if all keys together are too long, else None.
        """
        if page not in self._pages:
            self._pages.add(page)
            lengths = [*map(len, keys)]
            self._keys += len(lengths)
            self._bytes += sum(lengths)
        most = most_bytes(self._keys)
        return None if self._bytes <= most else f"{self._keys:,} paths have {self._bytes:,} bytes, the most is {most:,}"
