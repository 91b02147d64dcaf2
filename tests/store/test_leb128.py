"""LEB128: one number has one spelling, and none is as large as 2^63."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.format.leb128 import get_number, put_number


def spelt(number: int) -> bytes:
    out = bytearray()
    put_number(out, number)
    return bytes(out)


@given(st.integers(0, (1 << 63) - 1), st.binary(max_size=3))
def test_a_number_is_read_back_as_it_was_written(number: int, rest: bytes) -> None:
    data = spelt(number)
    assert len(data) == max(1, -(-number.bit_length() // 7))
    assert get_number(b"!" + data + rest, 1) == (number, 1 + len(data))


def test_numbers_are_laid_out_as_format_says() -> None:
    assert [spelt(n) for n in (0, 127, 128, 300)] == [b"\x00", b"\x7f", b"\x80\x01", b"\xac\x02"]


@pytest.mark.parametrize("data", [b"\x80\x00", b"\xff\x80\x00", b"\xff" * 9 + b"\x01", b"\x80" * 100])
def test_a_number_with_needless_bytes_or_too_many_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match="number"):
        get_number(data, 0)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff\xff"])
def test_a_number_that_is_cut_short_is_none(data: bytes) -> None:
    with pytest.raises(IndexError):
        get_number(data, 0)
