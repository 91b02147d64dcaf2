"""The keys with a vector in one space of a damaged store."""

from __future__ import annotations

from collections.abc import Iterable


class StoredKeys:
    """The keys with a vector in one space: those of its segments, which spaces of one list share, and its own.

    shared: never changed here. A store may list the same segments for thousands of spaces, as adoptions do.
    """

    def __init__(self, shared: frozenset[bytes] = frozenset()) -> None:
        self.shared = shared
        self._own: set[bytes] = set()

    def __contains__(self, key: object) -> bool:
        return key in self.shared or key in self._own

    def __rsub__(self, keys: set[bytes]) -> set[bytes]:
        return (keys - self.shared) - self._own

    def update(self, keys: Iterable[bytes]) -> None:
        """Add keys of this space alone."""
        self._own.update(key for key in keys if key not in self.shared)
