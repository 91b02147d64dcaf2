"""The facts and fields of a picture, as an export writes them in JSON, and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from vstore.format.canonical import Json
from vstore.format.facts import FLAT, KNOWN, PIXELS, TAKEN, Column, Fact, Value
from vstore.format.field_text import time_text
from vstore.format.fields import FieldValue

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_KNOWN = {column.name: column for column in KNOWN}
TIMES = "field_times"
EXPORT, ABOUT = b"vstore_export", b"vstore"  # metadata of a Parquet file, and of its columns of facts and fields


class Details(NamedTuple):
    """The facts and fields of a picture.

    fact:   its facts; None if none are kept.
    fields: its fields by name.
    """

    fact: Fact | None = None
    fields: Mapping[str, FieldValue] = {}  # never changed

    def to_json(self) -> dict[str, Json]:
        """Write `facts` and `fields`, and `field_times` if the texts of some fields are times."""
        facts: dict[str, Json] = {}
        if self.fact is not None:
            facts = {"reader": self.fact.reader}
            facts |= {column.name: _fact(column, value) for column, value in sorted(self.fact.values.items())}
        written: dict[str, Json] = {"facts": facts, "fields": {name: _field(one) for name, one in self.fields.items()}}
        times = [name for name, value in self.fields.items() if isinstance(value, datetime)]
        return {**written, TIMES: times} if times else written

    @classmethod
    def from_json(cls, key: bytes, value: Mapping[str, Json]) -> Details:
        """Read what `to_json` wrote; a fact of a name that is not known is passed over.

        Raises: ValueError, KeyError, TypeError, AttributeError for anything else.
        """
        facts, fields, times = value.get("facts") or {}, value.get("fields") or {}, value.get(TIMES) or []
        if not isinstance(times, list):
            raise TypeError(f"{TIMES} is no list: {times!r:.100}")
        return cls(
            read_fact(key, facts),
            {name: _read_field(one, is_time=name in times) for name, one in fields.items() if one is not None},
        )


def read_fact(key: bytes, facts: Mapping[str, Json]) -> Fact | None:
    """Read facts by name. Raises: ValueError, KeyError, TypeError."""
    if not facts:
        return None
    values: dict[Column, Value] = {}
    for name, value in facts.items():
        column = _column(name)
        if column is not None and value is not None:
            values[column] = _read_fact(column, value)
    reader = facts["reader"]
    if type(reader) is not int or not 0 <= reader < 1 << 16:
        raise ValueError(f"{reader!r} is no version of a reader of facts")
    return Fact(key, reader, values)


def taken_text(microseconds: int) -> str | int:
    """Write the time at which a picture was taken, without regard to a zone; out of the years 1 to 9999 as it is."""
    try:
        return (_EPOCH + timedelta(microseconds=microseconds)).isoformat()
    except OverflowError:
        return microseconds


def taken_number(taken: str | int) -> int:
    """Read what `taken_text` wrote. Raises: ValueError, TypeError."""
    return taken if type(taken) is int else (datetime.fromisoformat(str(taken)) - _EPOCH) // _MICROSECOND


def _fact(column: Column, value: Value) -> Json:
    if isinstance(value, bytes):
        return value.hex()
    return taken_text(value) if column == TAKEN and isinstance(value, int) else value


def _field(value: FieldValue) -> Json:
    if isinstance(value, datetime):
        return time_text(value)
    return list(value) if isinstance(value, tuple) else value


def _column(name: str) -> Column | None:
    if name.startswith(PIXELS):
        return Column(name, "k")
    return Column(name, "1") if name.startswith(FLAT) else _KNOWN.get(name)


def _read_fact(column: Column, value: Json) -> Value:
    if column.type == "k":
        return bytes.fromhex(value)
    if column == TAKEN:
        return taken_number(value)
    if column.type == "t":
        fits = isinstance(value, str)
    else:
        fits = type(value) is int or (column.type == "d" and type(value) is float)
    if not fits:
        raise ValueError(f"the fact {column.name} cannot be {value!r}")
    known: Value = value
    return known


def _read_field(value: Json, *, is_time: bool) -> FieldValue:
    if is_time:
        return datetime.fromisoformat(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(value)
    plain: FieldValue = value
    return plain
