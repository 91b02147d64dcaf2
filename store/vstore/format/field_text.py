"""Fields as people type them and as files of text hold them. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from vstore.errors import UsageError
from vstore.format.fields import FieldValue

TYPES = {"t": "text", "i": "int", "f": "float", "b": "bool", "d": "date", "l": "list"}  # by the byte of a value
NAMES = tuple(TYPES.values())
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
DATE = "$date"  # an object with this name alone is a time in JSON, as MongoDB and FiftyOne write it


def typed_value(text: str, kind: str) -> FieldValue:
    """Read a value that somebody typed as one of a type.

    kind:   of `NAMES`. A time is ISO 8601, and UTC if it has no zone. A list is a JSON list, or texts between commas.
    Raises: UsageError for a type that there is not, and a text that is no value of it.
    """
    if kind not in NAMES:
        raise UsageError(f"there is no type {kind!r}", f"the types are: {', '.join(NAMES)}")
    if kind == "text":
        return text
    if kind == "list":
        return _list(text)
    if kind == "bool":
        if text.lower() not in _WORDS:
            raise UsageError(f"{text!r} is neither true nor false", "give one of: true, false, yes, no, on, off")
        return _WORDS[text.lower()]
    try:
        if kind == "int":
            return int(text)
        return float(text) if kind == "float" else time_of(text)
    except ValueError as err:
        what = {"int": "whole number", "float": "number", "date": "time"}[kind]
        example = {
            "int": "such as 5",
            "float": "such as 0.5",
            "date": "such as 2026-11-30 or 2026-11-30T18:20:00+01:00",
        }
        raise UsageError(f"{text!r} is no {what}", f"give one {example[kind]}") from err


def time_of(text: str) -> datetime:
    """Read a time in ISO 8601; without a zone it is UTC. Raises: ValueError."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo is not None else datetime.combine(value, value.time(), UTC)


def time_text(value: datetime) -> str:
    """Write a time in ISO 8601, in UTC."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plain_text(value: FieldValue) -> str:
    """Write a value as a cell of a table of text holds it: its type is not said."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return time_text(value)
    return json.dumps(list(value), ensure_ascii=False) if isinstance(value, tuple) else str(value)


def json_value(value: FieldValue) -> Any:
    """Give what JSON has for a value; `from_json` gives it back, its type included."""
    if isinstance(value, datetime):
        return {DATE: time_text(value)}
    return list(value) if isinstance(value, tuple) else value


def from_json(value: Any) -> Any:
    """Give the value that a part of JSON stands for; anything else as it is. Raises: ValueError for no time."""
    if isinstance(value, dict) and value.keys() == {DATE} and isinstance(value[DATE], str):
        return time_of(value[DATE])
    return value


def _list(text: str) -> tuple[str, ...]:
    if not text.lstrip().startswith("["):
        return tuple(one.strip() for one in text.split(",")) if text else ()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise UsageError(f"{text!r:.200} is no JSON list", 'give one, or texts between commas: ["a", "b"]') from err
    if not all(isinstance(one, str) for one in value):
        raise UsageError("a list of a field holds texts alone", 'quote numbers, too: ["1", "2"]')
    return tuple(value)
