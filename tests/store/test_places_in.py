"""A few keys that are looked for in a long column."""

from __future__ import annotations

import numpy as np
import pytest

from vstore.approximate.measuring import places_in
from vstore.format.key_places import places_of


@pytest.mark.parametrize("size", [16, 32])
def test_keys_are_found_where_a_sorted_column_has_them(size: int) -> None:
    random = np.random.default_rng(size)
    column = random.bytes(size * 5000)
    column += column[: size * 100]  # keys that stand twice
    some = b"".join(column[at * size : (at + 1) * size] for at in random.integers(0, 5100, 300))
    wanted = some + random.bytes(size * 50) + some[: size * 20]
    assert places_in(wanted, column, size).tolist() == places_of(column, wanted, size).tolist()


def test_keys_that_end_alike_are_told_apart() -> None:
    column = b"".join(bytes([first]) + bytes(15) for first in range(50))
    wanted = b"".join(bytes([first]) + bytes(15) for first in (3, 49, 60))
    assert places_in(wanted, column, 16).tolist() == [3, 49, -1]


def test_none_are_found_in_no_column_and_no_wanted_ones() -> None:
    assert places_in(bytes(32), b"", 16).tolist() == [-1, -1]
    assert places_in(b"", bytes(32), 16).tolist() == []
