"""Columns of keys, one after another: as numbers, and the places of some of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Words = npt.NDArray[np.uint64]


def words(keys: bytes | memoryview, key_size: int) -> Words:
    """Read keys as numbers that are ordered as the keys are. Returns: uint64 (n, key_size / 8)."""
    import numpy as np

    return np.frombuffer(keys, ">u8").reshape(-1, key_size // 8).astype(np.uint64)


def places_of(column: bytes, wanted: bytes, key_size: int) -> Ints:
    """Find the place of each of some keys in a column.

    column, wanted: keys, one after another, in any order.
    Returns:        int64 (m,), the first place of each wanted key; -1 where the column lacks it.
    """
    import numpy as np

    have, want = words(column, key_size), words(wanted, key_size)
    order = np.argsort(have[:, 0], kind="stable")
    begins = have[order, 0]
    if (begins[1:] == begins[:-1]).any():  # some begin alike, or stand twice
        places = {column[at : at + key_size]: at // key_size for at in range(len(column) - key_size, -1, -key_size)}
        each = (wanted[at : at + key_size] for at in range(0, len(wanted), key_size))
        return np.array([places.get(key, -1) for key in each], np.int64)
    if not len(have):
        return np.full(len(want), -1)
    at = order[np.searchsorted(begins, want[:, 0]).clip(max=len(have) - 1)]
    return np.where((have[at] == want).all(axis=1), at, -1)
