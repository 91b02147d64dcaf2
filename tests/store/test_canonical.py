"""Canonical JSON, and paths in JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.json_values import JSON

from vstore.format.canonical import canonical, named_path, path_from_json, path_to_json


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
