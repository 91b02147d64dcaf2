from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vstore.format.key_places import places_of
from vstore.search.compared import Compared, Members


def compared() -> Compared:
    """Rows 0, 2, 4 and 1, 5 are clumps, 3 and 6 lone; 6 may reach rows of the first clump."""
    clump = np.array([0, 1, 0, 3, 0, 1, 6])
    pairs = [np.array(column) for column in ([0, 1, 2, 5], [1, 3, 5, 6], [900_000, 910_000, 920_000, 930_000])]
    return Compared(clump, pairs[0], pairs[1], pairs[2].astype(np.int32), np.array([0]), np.array([6]))


def lists(found: Compared) -> list[Any]:
    return [column.tolist() for column in found]


def test_rows_that_are_left_out_take_their_pairs_along_and_the_next_of_a_clump_leads_it() -> None:
    stay = np.array([False, True, True, True, True, False, True])
    found = compared().only(stay)
    assert lists(found) == [[0, 1, 2, 1, 4], [0], [2], [910_000], [1], [4]]
    none = compared().only(np.zeros(7, bool))
    assert lists(none) == [[], [], [], [], [], []]


def test_a_clump_that_is_gone_has_no_crowd() -> None:
    stay = np.array([False, True, False, True, False, True, True])
    assert lists(compared().only(stay)) == [[0, 1, 0, 3], [0, 2], [1, 3], [910_000, 930_000], [], []]


def test_rows_in_another_order_have_the_same_pairs() -> None:
    order = np.array([6, 5, 4, 3, 2, 1, 0])
    found = compared().ordered(order)
    assert found.clump.tolist() == [0, 1, 2, 3, 2, 1, 2]
    pairs = sorted(zip(found.one.tolist(), found.other.tolist(), found.score.tolist(), strict=True))
    assert pairs == [(0, 1, 930_000), (1, 4, 920_000), (3, 5, 910_000), (5, 6, 900_000)]
    assert (found.crowd.tolist(), found.row.tolist()) == ([2], [0])
    assert lists(found.ordered(order)) == lists(compared())


def test_members_are_listed_by_the_first_one() -> None:
    members = Members(np.array([0, 1, 0, 3, 0, 1]))
    assert [members.of(first).tolist() for first in (0, 1, 3)] == [[0, 2, 4], [1, 5], [3]]
    assert list(members.several) == [0, 1]


@pytest.mark.parametrize("alike", [b"", b"12345678"])
def test_keys_are_found_in_a_column_also_if_they_begin_alike(alike: bytes) -> None:
    keys = [(alike + b"%016d" % number)[:8] + b"%08d" % number for number in (5, 3, 9, 1)]
    column = b"".join([*keys, *keys[:1]])  # one stands twice
    missing = (alike + b"%016d" % 4)[:8] + b"%08d" % 4
    wanted = [keys[3], missing, keys[0], keys[2]]
    assert places_of(column, b"".join(wanted), 16).tolist() == [3, -1, 0, 2]
    assert places_of(b"".join(keys), b"".join(wanted), 16).tolist() == [3, -1, 0, 2]
    assert places_of(b"", missing, 16).tolist() == [-1]
    assert places_of(column, b"", 16).tolist() == []
