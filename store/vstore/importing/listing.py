"""A list of pictures with one entry for each, and the values that its fields hold."""

from __future__ import annotations

import calendar
import math
import os
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from vstore.format.facts import Fact
from vstore.format.list_columns import Columns


class Entry(NamedTuple):
    """One picture of the list.

    path:  as the list has it.
    size:  in bytes, or None.
    mtime: seconds since 1970, or None.
    key:   of the picture, where a store wrote the list.
    """

    path: bytes
    size: int | None = None
    mtime: float | None = None
    key: bytes | None = None


class Listing(NamedTuple):
    """A list of pictures.

    entries:  the pictures, in the order of the list.
    numbers:  field -> the row number that it gives each entry.
    explicit: the entries have no order but these numbers.
    notes:    remarks for the report on how the list was read.
    columns:  what it says of its pictures besides.
    facts:    of each entry, of every entry or of none, where a store wrote the list.
    """

    entries: list[Entry]
    numbers: dict[str, list[int]]
    explicit: bool = False
    notes: tuple[str, ...] = ()
    columns: Columns = Columns()
    facts: Sequence[Fact | None] = ()


def encoded(path: str) -> bytes:
    """Turn a path of a list into the bytes of a file name."""
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogatepass")  # no file has such a name; the report shows it


def is_number(text: str) -> bool:
    """Tell whether a text is a whole number."""
    return re.fullmatch(r"-?\d{1,18}", text, re.ASCII) is not None


def whole(value: Any) -> int | None:
    """Read a value as a whole number, else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and is_number(value) else None


def seconds(value: Any) -> float | None:
    """Read a time as seconds since 1970, from seconds, milli-, micro- or nanoseconds, or ISO 8601; else None."""
    if isinstance(value, datetime):
        return calendar.timegm(value.utctimetuple()) + value.microsecond / 1e6  # without a zone it counts as UTC
    if isinstance(value, str):
        try:
            return (
                seconds(float(value)) if re.fullmatch(r"\d+(\.\d+)?", value) else seconds(datetime.fromisoformat(value))
            )
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    found = float(value)
    while found > 1e11:  # the year 5138: no file is that young
        found /= 1000
    return found
