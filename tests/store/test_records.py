"""Records of the log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_values import JSON, OBJECTS

from vstore.errors import Damage, FormatTooNew
from vstore.format.canonical import canonical
from vstore.format.hashing import HASHES, store_hash
from vstore.format.layout import NEWEST
from vstore.format.records import Record

HASH = store_hash("xxh3_128")


def record(**changed: Any) -> Record:
    return Record(7, "sync", "0" * 32, "2026-11-23T20:02:39Z", "ab", {"current": "v1"})._replace(**changed)


@pytest.mark.parametrize("name", HASHES)
@given(
    changes=OBJECTS,
    whole=st.none() | OBJECTS,
    undoes=st.none() | st.integers(1, 6),
    redoes=st.none() | st.integers(1, 6),
    about=st.text(max_size=5),
)
def test_a_record_is_read_back_as_it_was_written(
    name: str, changes: Any, whole: Any, undoes: int | None, redoes: int | None, about: str
) -> None:
    hash = store_hash(name)
    written = record(changes=changes, whole=whole, undoes=undoes, redoes=redoes, about=about)
    data = written.to_bytes(hash)
    line, digest, rest = data.split(b"\n")
    assert digest.decode() == hash.digest(line + b"\n").hex() and rest == b""
    assert Record.from_bytes(data, hash, "x") == written._replace(digest=digest.decode(), size=len(data))


@given(st.data())
def test_a_record_of_which_one_bit_is_another_is_damage_that_names_it(data: st.DataObject) -> None:
    written = bytearray(record(whole={"current": "v1"}).to_bytes(HASH))
    at = data.draw(st.integers(0, len(written) * 8 - 1))
    written[at // 8] ^= 1 << at % 8
    with pytest.raises(Damage, match=r"refs/000000000007\.json is damaged"):
        Record.from_bytes(bytes(written), HASH, "000000000007.json")


@given(st.data())
def test_a_record_that_was_cut_or_has_more_at_its_end_is_damage(data: st.DataObject) -> None:
    written = record().to_bytes(HASH)
    cut = data.draw(st.integers(0, len(written) - 1))
    for wrong in (written[:cut], written + b"\n", written + written, bytes(len(written))):
        with pytest.raises(Damage):
            Record.from_bytes(wrong, HASH, "x")


def signed(line: bytes) -> bytes:
    return line + b"\n" + HASH.digest(line + b"\n").hex().encode() + b"\n"


@given(st.binary().filter(lambda line: b"\n" not in line) | JSON.map(canonical) | OBJECTS.map(canonical))
def test_garbage_with_a_right_digest_is_damage_too(line: bytes) -> None:
    with pytest.raises(Damage):
        Record.from_bytes(signed(line), HASH, "x")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("changes", []),
        ("changes", None),
        ("state", "x"),
        ("number", "7"),
        ("number", True),
        ("before", None),
        ("op", 1),
        ("time", None),
        ("undoes", "3"),
        ("vstore", "1"),
    ],
)
def test_a_field_of_another_type_is_damage(field: str, value: Any) -> None:
    document = json.loads(record(whole={}, undoes=3).to_bytes(HASH).partition(b"\n")[0])
    with pytest.raises(Damage):
        Record.from_bytes(signed(canonical({**document, field: value})), HASH, "x")


def test_nesting_without_end_is_damage() -> None:
    with pytest.raises(Damage):
        Record.from_bytes(signed(b'{"a":' * 100_000), HASH, "x")


def test_a_record_of_a_later_format_is_refused_by_its_version() -> None:
    document = json.loads(record().to_bytes(HASH).partition(b"\n")[0])
    later = signed(canonical({"vstore": NEWEST + 1, "other": document}))
    with pytest.raises(FormatTooNew, match=f"format {NEWEST + 1}") as caught:
        Record.from_bytes(later, HASH, "x")
    assert caught.value.exit_code == 12


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": 0},
        {"number": 10**12},
        {"number": True},
        {"vstore": 10**30},
        {"vstore": "2"},
        {"undoes": 7},
        {"undoes": 0},
        {"redoes": 8},
        {"op": "a\x1b[2J"},
        {"op": "x" * 101},
        {"time": "a\u202eb"},
        {"changes": {"current": "../v1"}},
        {"changes": {"current": 5}},
        {"state": {"current": "v0"}},
        {"changes": {"a": 2**63}},
    ],
)
def test_a_record_with_what_none_has_is_damage(wrong: dict[str, Any]) -> None:
    sound = json.loads(record().to_bytes(HASH).split(b"\n")[0])
    assert Record.from_bytes(signed(canonical(sound)), HASH, "x").number == sound["number"]
    with pytest.raises(Damage, match="refs/x is not a valid record") as caught:
        Record.from_bytes(signed(canonical({**sound, **wrong})), HASH, "x")
    assert len(str(caught.value)) < 300 and str(caught.value).isprintable()


@pytest.mark.parametrize("value", [b"NaN", b"9" * 5_000, b"[" * 70 + b"]" * 70, b"[" * 100_000, b"1e999", b'"\xff"'])
def test_a_record_of_json_that_no_store_holds_is_damage(value: bytes) -> None:
    line = record().to_bytes(HASH).split(b"\n")[0]
    with pytest.raises(Damage, match="refs/x is not a valid record"):
        Record.from_bytes(signed(line[:-1] + b',"x":' + value + b"}"), HASH, "x")
