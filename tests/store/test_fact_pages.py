"""The leaves of facts: what they hold, how they are laid out, and what is none."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builder import HASH
from support.facts import PREPARED, UNKNOWN, made, rows

from vstore.errors import Damage
from vstore.format import fact_columns, facts
from vstore.format.fact_pages import ROWS, FactPage, encode_facts
from vstore.format.facts import KEY, READER, Column, Fact
from vstore.format.hashing import HASHES, store_hash

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


def number(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7])


def leaf(n: int, *columns: tuple[str, str, bytes]) -> bytes:
    """Lay a leaf out by hand: name, type and bytes of each column."""
    names = b"".join(number(len(name)) + name.encode() + kind.encode() for name, kind, _ in columns)
    return b"vf0" + number(n) + number(len(columns)) + names + b"".join(data for _, _, data in columns)


ONE = (("key", "k", A), ("reader", "2", b"\1\0"))
TWO = (("key", "k", A + B), ("reader", "2", b"\1\0\1\0"))


def read_all(data: bytes) -> list[Fact]:
    """Read a leaf in each way that there is."""
    page = FactPage(data, 16)
    found = page.facts()
    every = [f.key for f in found]
    assert page.keys() == every and page.rows_of(every) == list(range(page.rows))
    for row in range(page.rows):
        assert page.facts([row]) == [found[row]]
    for column in page.columns:
        assert page.column(column) == [f.values.get(column) for f in found]
    return found


@pytest.mark.parametrize("name", HASHES)
@given(data=st.data())
def test_a_leaf_is_read_back_as_it_was_written(name: str, data: st.DataObject) -> None:
    size = store_hash(name).size
    written = data.draw(rows(size))
    page = FactPage(encode_facts(written, size), size)
    assert page.rows == len(written)
    assert page.facts() == written
    assert page.columns == tuple(sorted({column for fact in written for column in fact.values}))
    for column in (*facts.KNOWN, PREPARED, UNKNOWN):
        assert page.column(column) == [fact.values.get(column) for fact in written], "a column alone"
    for row, fact in enumerate(written):
        assert page.facts([row]) == [fact], "a row alone"
    half = list(range(0, len(written), 2))
    wanted = {facts.WIDTH, facts.CAMERA}
    part = [
        fact._replace(values={c: v for c, v in fact.values.items() if c in wanted}) for fact in written[::2]
    ]  # fmt: skip
    assert page.facts(half, wanted) == part
    assert page.rows_of([written[row].key for row in half]) == half


def test_a_leaf_is_laid_out_as_format_says() -> None:
    written = [
        Fact(A, 7, {facts.WIDTH: 640, facts.CAMERA: "é", facts.RATING: -1, facts.LATITUDE: -0.5}),
        Fact(B, 258, {facts.CAMERA: "", PREPARED: C, facts.FRAMES: 2}),
    ]
    prepared = PREPARED.name
    assert len(prepared) == 23
    columns = [
        ("key", "k", A + B),
        ("reader", "2", b"\x07\0\x02\x01"),
        ("camera", "t", b"\3" + b"\2\0\0\0" + b"\0\0\0\0" + "é".encode()),
        ("frames", "4", b"\2" + b"\0\0\0\0" + b"\2\0\0\0"),
        ("latitude", "d", b"\1" + struct.pack("<dd", -0.5, 0)),
        (prepared, "k", b"\2" + bytes(16) + C),
        ("rating", "s", b"\1" + b"\xff" * 8 + bytes(8)),
        ("width", "4", b"\1" + b"\x80\2\0\0" + b"\0\0\0\0"),
    ]
    assert encode_facts(written, 16) == leaf(2, *columns)
    assert read_all(leaf(2, *columns)) == written


def test_the_name_of_a_column_of_pixels_is_that_of_its_preparation() -> None:
    import hashlib

    digest = hashlib.sha256(b'{"a":2,"policy":1}').hexdigest()
    assert facts.pixels({"policy": 1, "a": 2}) == Column("pixels/" + digest[:16], "k")


def test_a_row_of_many_is_found_and_a_key_without_one_is_not() -> None:
    written = made(1, range(ROWS))
    page = FactPage(encode_facts(written, 16), 16)
    keys = [fact.key for fact in written]
    assert page.facts() == written
    assert [page.rows_of([key]) for key in keys] == [[row] for row in range(ROWS)]
    strangers = [bytes(16), bytes([keys[5][0]]) + bytes(15), b"\xff" * 16]
    for wanted in (keys[::7], keys[:3]):
        both = sorted([*wanted, *strangers])
        assert page.rows_of(both) == [keys.index(key) for key in wanted]
    many = list(range(0, ROWS, 2))
    assert page.facts(many) == written[::2], "columns that are read whole"


def test_a_column_is_read_without_the_others() -> None:
    written = [Fact(A, 1, {facts.CAMERA: "good", facts.LENS: "bad", facts.WIDTH: 3})]
    data = encode_facts(written, 16).replace(b"bad", b"\xff\xfe\xfd")
    page = FactPage(data, 16)
    assert page.column(facts.CAMERA) == ["good"] and page.column(facts.WIDTH) == [3]
    assert page.facts([0], {facts.WIDTH}) == [Fact(A, 1, {facts.WIDTH: 3})]
    for read in (lambda: page.column(facts.LENS), page.facts, lambda: page.facts([0])):
        with pytest.raises(Damage, match="utf-8"):
            read()


@pytest.mark.parametrize(
    "values",
    [
        {facts.WIDTH: 2**32},
        {facts.WIDTH: -1},
        {facts.WIDTH: "640"},
        {facts.WIDTH: 1.5},
        {facts.ORIENTATION: 256},
        {facts.ORIENTATION: 9},
        {facts.ORIENTATION: 0},
        {facts.LATITUDE: 90.1},
        {facts.LONGITUDE: -180.1},
        {facts.TAKEN: 2**63},
        {facts.LATITUDE: float("nan")},
        {facts.LATITUDE: float("inf")},
        {facts.LATITUDE: "north"},
        {facts.CAMERA: "x" * 4097},
        {facts.CAMERA: "é" * 2049},
        {facts.CAMERA: 5},
        {facts.CAMERA: "\udcff"},
        {PREPARED: b"short"},
        {PREPARED: "x" * 16},
        {Column("width", "8"): 1},
        {Column("reader", "2"): 1},
        {Column("key", "k"): A},
        {Column("new", "x"): 1},
        {Column("two\nlines", "1"): 1},
        {Column("", "1"): 1},
        {Column("é", "1"): 1},
        {Column("x" * 101, "1"): 1},
        {Column("pixels/abc", "k"): A},
        {Column("pixels/0123456789abcdef", "8"): 1},
        {Column("pixels/0123456789ABCDEF", "k"): A},
        {Column("flat/abc", "1"): 1},
        {Column("flat/0123456789abcdef", "k"): A},
    ],
)
def test_what_no_leaf_may_hold_is_not_written(values: Any) -> None:
    with pytest.raises(ValueError):
        encode_facts([Fact(A, 1, values)], 16)


@pytest.mark.parametrize(
    "written",
    [
        [],
        [Fact(B, 1, {}), Fact(A, 1, {})],
        [Fact(A, 1, {}), Fact(A, 2, {})],
        made(1, range(ROWS + 1)),
        [Fact(A, 65536, {})],
        [Fact(A, -1, {})],
        [Fact(b"short", 1, {})],
        [Fact(A, 1, {UNKNOWN: 1}), Fact(B, 1, {Column(UNKNOWN.name, "4"): 1})],
        [Fact(f.key, 1, {Column(f"c{i}", "t"): "x" * 4096 for i in range(5)}) for f in made(1, range(900))],
        [Fact(A, 1, {Column(f"c{i}", "1"): 1 for i in range(63)})],
    ],
    ids=["none", "falling", "twice", "many", "reader", "negative", "key", "two types", "large", "columns"],
)
def test_rows_that_no_leaf_may_hold_are_not_written(written: list[Fact]) -> None:
    with pytest.raises(ValueError):
        encode_facts(written, 16)


def test_zero_has_one_spelling() -> None:
    data = encode_facts([Fact(A, 1, {facts.ALTITUDE: -0.0}), Fact(B, 1, {facts.ALTITUDE: 1.0})], 16)
    assert data == encode_facts([Fact(A, 1, {facts.ALTITUDE: 0.0}), Fact(B, 1, {facts.ALTITUDE: 1.0})], 16)
    assert b"\x80" not in data[-16:]


BROKEN = {
    "nothing": b"",
    "magic": b"vf1" + leaf(1, *ONE)[3:],
    "kind": b"vp0" + leaf(1, *ONE)[3:],
    "no rows": leaf(0, ("key", "k", b""), ("reader", "2", b"")),
    "too many rows": leaf(
        ROWS + 1,
        ("key", "k", b"".join(struct.pack(">QQ", 0, n) for n in range(ROWS + 1))),
        ("reader", "2", b"\1\0" * (ROWS + 1)),
    ),
    "no columns": leaf(1),
    "too many columns": leaf(1, *ONE, *((f"c{i:03}", "1", b"\1\1") for i in range(63))),
    "keys missing": leaf(1, ONE[1], ("width", "4", b"\1\0\0\0\1")),
    "readers missing": leaf(1, ONE[0], ("width", "4", b"\1\0\0\0\1")),
    "readers first": leaf(1, ONE[1], ONE[0]),
    "keys twice": leaf(1, *ONE, ("key", "k", b"\1" + A)),
    "readers of another type": leaf(1, ONE[0], ("reader", "4", b"\1\0\0\0")),
    "columns out of order": leaf(1, *ONE, ("width", "4", b"\1\1\0\0\0"), ("height", "4", b"\1\1\0\0\0")),
    "a column twice": leaf(1, *ONE, ("width", "4", b"\1\1\0\0\0"), ("width", "4", b"\1\1\0\0\0")),
    "a column of two types": leaf(1, *ONE, ("new", "1", b"\1\1"), ("new", "2", b"\1\1\0")),
    "a large page": leaf(
        900,
        ("key", "k", b"".join(struct.pack(">QQ", 0, n) for n in range(900))),
        ("reader", "2", bytes(1800)),
        *(
            (f"c{i}", "t", b"\xff" * 112 + b"\x0f" + struct.pack("<I", 4096) * 900 + b"x" * 4096 * 900)
            for i in range(5)
        ),
    ),
    "an unknown type": leaf(1, *ONE, ("new", "x", b"\1\1")),
    "a known column of another type": leaf(1, *ONE, ("width", "2", b"\1\1\0")),
    "pixels of another type": leaf(1, *ONE, ("pixels/0123456789abcdef", "1", b"\1\1")),
    "flat of another type": leaf(1, *ONE, ("flat/0123456789abcdef", "k", b"\1" + A)),
    "pixels of no preparation": leaf(1, *ONE, ("pixels/0123456789abcdeg", "k", b"\1" + A)),
    "an empty name": leaf(1, *ONE, ("", "1", b"\1\1")),
    "a name with a tab": leaf(1, *ONE, ("a\tb", "1", b"\1\1")),
    "a long name": leaf(1, *ONE, ("n" * 101, "1", b"\1\1")),
    "a name that is not ASCII": leaf(1, *ONE, ("nn", "1", b"\1\1")).replace(b"nn", b"n\xff"),
    "keys out of order": leaf(2, ("key", "k", B + A), TWO[1]),
    "a key twice": leaf(2, ("key", "k", A + A), TWO[1]),
    "a byte too few": leaf(1, *ONE)[:-1],
    "a byte too many": leaf(1, *ONE) + b"\0",
    "a column cut short": leaf(1, *ONE, ("width", "4", b"\1\1\0\0")),
    "bits beyond the rows": leaf(2, *TWO, ("orientation", "1", b"\7\1\2")),
    "a column without values": leaf(2, *TWO, ("orientation", "1", b"\0\0\0")),
    "a number where none is": leaf(2, *TWO, ("orientation", "1", b"\1\1\2")),
    "a digest where none is": leaf(2, *TWO, ("pixels/0123456789abcdef", "k", b"\1" + A + B)),
    "a text where none is": leaf(2, *TWO, ("camera", "t", b"\1" + b"\1\0\0\0\1\0\0\0" + b"xy")),
    "a text over the end": leaf(1, *ONE, ("camera", "t", b"\1" + b"\2\0\0\0" + b"x")),
    "a huge text": leaf(1, *ONE, ("camera", "t", b"\1" + b"\xff\xff\xff\xff" + b"x")),
    "a long text": leaf(1, *ONE, ("camera", "t", b"\1" + struct.pack("<I", 4097) + b"x" * 4097)),
    "a text that is not UTF-8": leaf(1, *ONE, ("camera", "t", b"\1" + b"\1\0\0\0" + b"\xff")),
    "half a letter": leaf(2, *TWO, ("camera", "t", b"\3" + b"\1\0\0\0\1\0\0\0" + "é".encode())),
    "no number": leaf(1, *ONE, ("altitude", "d", b"\1" + struct.pack("<d", float("nan")))),
    "infinite": leaf(1, *ONE, ("altitude", "d", b"\1" + struct.pack("<d", float("-inf")))),
    "a count without an end": b"vf0" + b"\xff" * 12,
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_malformed_leaf_is_damage(data: bytes) -> None:
    with pytest.raises(Damage, match="page of facts"):
        FactPage(data, 16).facts()


@pytest.mark.parametrize("name", ["no number", "infinite", "a text that is not UTF-8", "a long text"])
def test_a_malformed_value_is_damage_in_a_row_that_is_read_alone(name: str) -> None:
    with pytest.raises(Damage, match="page of facts"):
        FactPage(BROKEN[name], 16).facts([0])


def test_the_leaves_that_are_malformed_in_one_place_are_else_well_formed() -> None:
    assert read_all(leaf(1, *ONE)) == [Fact(A, 1, {})]
    assert read_all(leaf(2, *TWO, ("orientation", "1", b"\3\1\2")))[1].values == {facts.ORIENTATION: 2}
    limit = leaf(1, *ONE, ("camera", "t", b"\1" + struct.pack("<I", 4096) + b"x" * 4096))
    assert read_all(limit)[0].values == {facts.CAMERA: "x" * 4096}
    most = [(f"c{i:03}", "1", b"\1\1") for i in range(62)]
    assert len(read_all(leaf(1, *ONE, *most))[0].values) == 62


def test_a_value_out_of_range_is_no_fact_and_no_damage() -> None:
    def both(inside: float, outside: float) -> bytes:
        return b"\3" + struct.pack("<dd", inside, outside)

    data = leaf(
        2,
        *TWO,
        ("latitude", "d", both(-90, 90.5)),
        ("longitude", "d", both(180, -180.5)),
        ("orientation", "1", b"\3\x08\x09"),
    )
    inside = {facts.LATITUDE: -90.0, facts.LONGITUDE: 180.0, facts.ORIENTATION: 8}
    assert read_all(data) == [Fact(A, 1, inside), Fact(B, 1, {})]


@given(rows(), st.integers(0, 3000), st.binary(min_size=1, max_size=3))
def test_garbage_is_damage_or_a_leaf_and_never_anything_else(written: list[Fact], at: int, other: bytes) -> None:
    whole = encode_facts(written, 16)
    at %= len(whole)
    for data in (whole[:at] + other + whole[at + len(other) :], whole[:at], b"vf0" + other + whole[at:]):
        with contextlib.suppress(Damage):
            page = FactPage(data, 16)
            for column in page.columns:
                with contextlib.suppress(Damage):
                    assert len(page.column(column)) == page.rows
            for row in range(page.rows):
                with contextlib.suppress(Damage):
                    page.facts([row])
            page.facts()


def test_every_known_column_has_a_type_that_is_known() -> None:
    assert {column.type for column in (KEY, READER, *facts.KNOWN)} <= fact_columns.TYPES
    assert HASH.size == 16
