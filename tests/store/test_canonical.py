"""Canonical JSON, and paths in JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_values import JSON

from vstore.format.canonical import canonical, named_path, parsed, path_from_json, path_to_json


def test_canonical_json_has_one_form() -> None:
    assert canonical({"b": [1, "é"], "a": None}) == b'{"a":null,"b":[1,"\\u00e9"]}'


@given(JSON)
def test_canonical_json_is_read_back_as_it_was(value: Any) -> None:
    data = canonical(value)
    assert data.isascii() and b"\n" not in data and json.loads(data) == value


@given(st.binary())
def test_a_path_is_kept_in_json_whatever_its_bytes(path: bytes) -> None:
    value = json.loads(canonical(path_to_json(path)))
    assert path_from_json(value) == path
    assert isinstance(value, str) or set(value) == {"b64"}


@given(st.binary())
def test_a_path_for_programs_can_always_be_brought_back(path: bytes) -> None:
    import base64

    named = named_path(path)
    found = base64.b64decode(named["path_b64"]) if "path_b64" in named else named["path"].encode()
    assert found == path


@given(JSON)
def test_json_of_a_store_is_read_as_it_was_written(value: Any) -> None:
    data = canonical(value)
    assert parsed(data, len(data)) == value
    with pytest.raises(ValueError, match=f"it has {len(data):,} bytes"):
        parsed(data, len(data) - 1)


@pytest.mark.parametrize("depth", [1, 64])
def test_json_may_be_nested_as_far_as_format_says(depth: int) -> None:
    assert parsed(b"[" * depth + b"]" * depth, 1_000) is not None
    assert parsed(b'{"a":' * depth + b"1" + b"}" * depth, 1_000) is not None


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" * 900 + b"]" * 900,
        b"[" * 100_000,
        b"NaN",
        b"[-Infinity]",
        b"1e999",
        b"9223372036854775808",
        b"-9223372036854775809",
        b"9" * 5_000,
        b"-" + b"9" * 4_000,
        b'"\xc3\xa9"',
        b"\xff\xfe[\0]\0",
        b"",
        b"{} {}",
    ],
)
def test_json_that_no_store_holds_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        parsed(data, 1 << 20)
