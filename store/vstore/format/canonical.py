"""Canonical JSON, and paths in JSON. Pure."""

from __future__ import annotations

import binascii
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Json = Any
Document = Mapping[str, Json]

SMALL = 1 << 24  # bytes of a manifest, a recipe and the like at most
_DEEPEST = 64  # levels
_LIGHT = 1 << 20  # bytes of a document that is parsed without a look at how much it holds
MOST_MEMORY = 1 << 32


def canonical(document: Json) -> bytes:
    """Write JSON with sorted keys, no blanks and ASCII alone: one document has one form."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def parsed(data: bytes, longest: int) -> Json:
    """Read JSON as a store holds it. Raises: ValueError for anything else, and for what is longer or deeper.

    longest: bytes at most: parsed JSON takes up to 25 times its length.
    """
    refuse_large(data, longest)
    try:
        document = json.loads(data.decode("ascii"), parse_int=_whole, parse_float=_finite, parse_constant=_refused)
    except RecursionError as err:
        raise ValueError("it is nested too deeply") from err
    level = [document]
    for _ in range(_DEEPEST + 1):
        inner = [one for one in level if type(one) is dict or type(one) is list]
        level = [one for value in inner for one in (value.values() if type(value) is dict else value)]
        if not inner:
            return document
    raise ValueError("it is nested too deeply")


def refuse_large(data: bytes, longest: int) -> None:
    """Refuse JSON that no reader takes. Raises: ValueError if it is longer, or would take too much memory."""
    if len(data) > longest:
        raise ValueError(f"it has {len(data):,} bytes, and such a document has {longest:,} at most")
    if len(data) > _LIGHT and (memory := _memory(data)) > MOST_MEMORY:
        raise ValueError(f"what it holds would take {memory:,} bytes of memory, and {MOST_MEMORY:,} at most are given")


def _memory(data: bytes) -> int:
    """Estimate the bytes of memory that a document takes in Python, not too low: objects, lists, texts, values."""
    return 240 * data.count(b"{") + 64 * data.count(b"[") + 32 * data.count(b'"') + 16 * data.count(b",") + len(data)


def _whole(text: str) -> int:
    if len(text) > 20 or not -(1 << 63) <= (number := int(text)) < 1 << 63:
        raise ValueError("it holds a number that is too large")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("it holds a number that is too large")
    return number


def _refused(text: str) -> float:
    raise ValueError(f"it holds {text}")


def path_to_json(path: bytes) -> Json:
    """Write a path as a string, or as {"b64": …} where it is not UTF-8."""
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": _base64(path)}


def named(field: str, name: bytes | str | None) -> dict[str, Json]:
    """Write a path or label for people and programs: as a field, and as `FIELD_b64` too where it is not UTF-8.

    name: the bytes, or what Python makes of them (`os.fsdecode`); None is null.
    """
    if name is None:
        return {field: None}
    path = os.fsencode(name)
    try:
        return {field: path.decode("utf-8")}
    except UnicodeDecodeError:
        return {field: path.decode("utf-8", "replace"), f"{field}_b64": _base64(path)}


def named_path(path: bytes) -> dict[str, Json]:
    """Write a path for people and programs: `path`, and `path_b64` too where it is not UTF-8."""
    return named("path", path)


def named_file(file: bytes | None) -> dict[str, Json]:
    """Write the file of a path: `file`, which is null where it is not known, and `file_b64` where it is not UTF-8."""
    return named("file", file)


def named_all(field: str, names: Iterable[bytes | str | None]) -> dict[str, Json]:
    """Write several names as a list, and `FIELD_b64` where any is not UTF-8: for each of them base64 or null."""
    written = [named(field, name) for name in names]
    value: dict[str, Json] = {field: [one[field] for one in written]}
    if any(len(one) > 1 for one in written):
        value[f"{field}_b64"] = [one.get(f"{field}_b64") for one in written]
    return value


def by_label(field: str, values: Mapping[str, int | str]) -> dict[str, Json]:
    """Write label -> a number or a path. Where one is not UTF-8, `FIELD_b64` has it by the base64 of its label.

    A path is base64 there, too.
    """
    written: dict[str, Json] = {}
    odd: dict[str, Json] = {}
    for label, value in values.items():
        names = [named("name", one) for one in (label, value) if isinstance(one, str)]
        written[str(names[0]["name"])] = names[1]["name"] if isinstance(value, str) else value
        if any(len(one) > 1 for one in names):
            odd[_base64(os.fsencode(label))] = _base64(os.fsencode(value)) if isinstance(value, str) else value
    return {field: written, **({f"{field}_b64": odd} if odd else {})}


def _base64(path: bytes) -> str:
    return binascii.b2a_base64(path, newline=False).decode("ascii")


def named_files(files: Sequence[bytes | None]) -> dict[str, Json]:
    """Write the files of several paths: `files`, with null for one that is not known, and `files_b64` as above."""
    return named_all("files", files)


def path_from_json(value: Json) -> bytes:
    """Read a path as `path_to_json` writes it. Raises: KeyError, TypeError, ValueError for anything else."""
    if isinstance(value, str):
        return value.encode("utf-8")
    return binascii.a2b_base64(value["b64"])
