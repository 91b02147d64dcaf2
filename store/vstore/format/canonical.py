"""Canonical JSON, and paths in JSON. Pure."""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from typing import Any

Json = Any
Document = Mapping[str, Json]


def canonical(document: Json) -> bytes:
    """Write JSON with sorted keys, no blanks and ASCII alone: one document has one form."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def path_to_json(path: bytes) -> Json:
    """Write a path as a string, or as {"b64": …} where it is not UTF-8."""
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": binascii.b2a_base64(path, newline=False).decode("ascii")}


def named_path(path: bytes) -> dict[str, Json]:
    """Write a path for people and programs: `path`, and `path_b64` too where it is not UTF-8."""
    try:
        return {"path": path.decode("utf-8")}
    except UnicodeDecodeError:
        return {
            "path": path.decode("utf-8", "replace"),
            "path_b64": binascii.b2a_base64(path, newline=False).decode("ascii"),
        }


def path_from_json(value: Json) -> bytes:
    """Read a path as `path_to_json` writes it. Raises: KeyError, TypeError, ValueError for anything else."""
    if isinstance(value, str):
        return value.encode("utf-8")
    return binascii.a2b_base64(value["b64"])
