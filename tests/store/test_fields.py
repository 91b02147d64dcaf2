"""Fields as bytes: each type read back, one spelling for one value, and what no field may be."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.errors import Damage, UsageError
from vstore.format.fields import FieldValue, decode_field, encode_field, field_key, split_field_key

KEY = b"k" * 16
ZONES = st.timezones() | st.just(UTC)
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=50)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.datetimes(
    timezones=ZONES, allow_imaginary=False, min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)
)
LISTS = st.lists(TEXTS, max_size=10).map(tuple)
VALUES: st.SearchStrategy[FieldValue] = st.one_of(TEXTS, INTEGERS, FLOATS, st.booleans(), TIMES, LISTS)


@given(VALUES)
def test_a_value_is_read_back_with_its_type(value: FieldValue) -> None:
    found = decode_field(encode_field(value))
    assert found == value
    assert type(found) is type(value)


@given(VALUES, VALUES)
def test_values_are_spelt_alike_if_and_only_if_they_are_equal_and_of_one_type(a: FieldValue, b: FieldValue) -> None:
    assert (encode_field(a) == encode_field(b)) is (type(a) is type(b) and a == b)


def test_values_are_laid_out_as_format_says() -> None:
    moment = datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))) + timedelta(microseconds=258)
    expected: dict[FieldValue, bytes] = {
        "Ä": b"t\xc3\x84",
        "": b"t",
        -2: b"i\xfe" + b"\xff" * 7,
        0.5: b"f" + struct.pack("<d", 0.5),
        -0.0: b"f" + bytes(8),
        moment: b"d\x02\x01" + bytes(6),
        ("a", "", "x" * 200): b"l\x03\x01a\x00\xc8\x01" + b"x" * 200,
        (): b"l\x00",
    }
    for value, data in expected.items():
        assert encode_field(value) == data
    assert (encode_field(True), encode_field(False)) == (b"b\x01", b"b\x00")
    assert math.copysign(1, decode_field(b"f" + bytes(8))) == 1  # type: ignore[arg-type]


def test_a_time_is_read_back_in_utc_to_the_microsecond_and_before_1970() -> None:
    moment = datetime(1931, 5, 2, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=-7)))
    found = decode_field(encode_field(moment))
    assert found == moment and isinstance(found, datetime)
    assert found.isoformat() == "1931-05-03T06:59:59.999999+00:00"


@given(st.binary(min_size=16, max_size=16), NAMES)
def test_the_key_of_a_field_is_read_back(key: bytes, name: str) -> None:
    data = field_key(key, name)
    assert data == key + name.encode()
    assert split_field_key(data, 16) == (key, name)


ENDS = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
LARGEST: list[FieldValue] = [*ENDS, "x" * 65_536, "Ä" * 32_768, ("x" * 65_535, "y"), ("",) * 1_000, 2**63 - 1, -(2**63)]


@pytest.mark.parametrize("value", LARGEST, ids=range(len(LARGEST)))
def test_the_largest_values_are_read_back(value: FieldValue) -> None:
    assert decode_field(encode_field(value)) == value


REFUSED = [
    "x" * 65_537,
    "Ä" * 32_769,
    "\ud800",
    2**63,
    -(2**63) - 1,
    math.nan,
    math.inf,
    -math.inf,
    datetime(2026, 1, 1),
    datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    datetime.max.replace(tzinfo=timezone(timedelta(hours=-7))),
    ("x" * 65_536, "y"),
    ("",) * 1_001,
    ("a", 1),
    ("\udcff",),
    ["a"],
    None,
    b"bytes",
    {"a": 1},
]


@pytest.mark.parametrize("value", REFUSED, ids=range(len(REFUSED)))
def test_what_no_field_may_be_is_refused(value: FieldValue) -> None:
    with pytest.raises(UsageError):
        encode_field(value)


@pytest.mark.parametrize("name", ["", "x" * 201, "Ä" * 101, "a\n", "\x00", "\x1f", "\x7f", "\x85", "\x9f", "\ud800"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        field_key(KEY, name)


def test_the_longest_names_are_read_back() -> None:
    for name in ("x" * 200, "Ä" * 100, "\xa0", " ", "a/b"):
        assert split_field_key(field_key(KEY, name), 16) == (KEY, name)


@pytest.mark.parametrize("data", [b"", KEY[:15], KEY, KEY + b"\xff", KEY + b"\n", KEY + b"x" * 201, KEY + b"\xc2\x80"])
def test_what_is_no_key_of_a_field_is_damage(data: bytes) -> None:
    with pytest.raises(Damage):
        split_field_key(data, 16)


NO_VALUES = [
    b"",
    b"x",
    b"T",
    b"t\xff",
    b"t\xed\xa0\x80",  # half of a pair
    b"t\xc0\x80",  # an overlong form
    b"t" + b"x" * 65_537,
    b"i" + bytes(7),
    b"i" + bytes(9),
    b"f" + bytes(7),
    b"f" + struct.pack("<d", -0.0),
    b"f" + struct.pack("<d", math.nan),
    b"f" + struct.pack("<d", math.inf),
    b"b",
    b"b\x02",
    b"b\x00\x00",
    b"d" + struct.pack("<q", 2**63 - 1),
    b"d" + struct.pack("<q", -(2**63)),
    b"d" + bytes(7),
    b"l",
    b"l\x01",
    b"l\x01\x02a",
    b"l\x01\x01a more",
    b"l\x81\x00\x01a",
    b"l\x01\x81\x00a",
    b"l\x01\x01\xff",
    b"l\xe9\x07" + bytes(1_001),
    b"l\x02\x80\x80\x04" + b"x" * 65_536 + b"\x01y",
    b"l" + b"\xff" * 12,
]


@pytest.mark.parametrize("data", NO_VALUES, ids=range(len(NO_VALUES)))
def test_what_is_no_value_is_damage(data: bytes) -> None:
    with pytest.raises(Damage):
        decode_field(data)


@given(st.binary(max_size=40) | st.binary(max_size=40).flatmap(lambda b: st.sampled_from([k + b for k in LETTERS])))
def test_garbage_is_damage_or_the_one_spelling_of_a_value(data: bytes) -> None:
    try:
        value = decode_field(data)
    except Damage:
        return
    assert encode_field(value) == data


LETTERS = [b"t", b"i", b"f", b"b", b"d", b"l"]
