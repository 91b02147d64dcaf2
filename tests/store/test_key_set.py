from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.intake.key_set import KeySet

KEYS = st.binary(min_size=2, max_size=2)  # so few that most are met twice


@given(st.lists(st.lists(KEYS)), KEYS)
def test_it_holds_what_a_set_holds(batches: list[list[bytes]], other: bytes) -> None:
    keys, expected = KeySet(2), set[bytes]()
    for batch in batches:
        keys.update(batch)
        expected.update(batch)
        assert len(keys) == len(expected)
        assert all(key in keys for key in expected)
    assert (other in keys) == (other in expected)


def test_it_grows() -> None:
    keys = KeySet(16)
    made = [number.to_bytes(16, "big") for number in range(1, 20_000)]
    keys.update(made)
    assert len(keys) == len(made)
    assert all(key in keys for key in made)
    assert not any(number.to_bytes(16, "big") in keys for number in range(20_000, 22_000))


def test_the_key_of_zeros_is_a_key_like_others() -> None:
    keys = KeySet(16)
    assert bytes(16) not in keys
    keys.update([bytes(16), bytes(16)])
    assert bytes(16) in keys and len(keys) == 1


def test_what_is_no_key_is_not_in_it_and_is_not_added() -> None:
    keys = KeySet(16)
    assert b"" not in keys and "a" not in keys and bytes(15) not in keys
    with pytest.raises(ValueError, match="a key of 15 bytes among keys of 16"):
        keys.update([bytes(15)])
