"""The columns of a leaf of facts: one kind of value each, for all rows. Pure.

A column begins with a bit a row, set where the row has a value; a row without one holds zeros, or a text of length 0.
The columns of keys and of readers have no bits: every row has these. What cannot be read raises ValueError or
struct.error, which the page turns into Damage.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from vstore.format.facts import KEY, RANGES, READER, TEXT_LIMIT, Column, Value
from vstore.quick_tuple import NamedTuple

NUMBERS = {"1": "B", "2": "H", "4": "I", "8": "Q", "s": "q", "d": "d"}
TYPES = frozenset(NUMBERS) | {"k", "t"}


class Place(NamedTuple):
    """A column in the bytes of a leaf.

    column: the column.
    bits:   where its bits begin.
    at:     where its values begin; the same where it has no bits.
    stop:   where it ends.
    """

    column: Column
    bits: int
    at: int
    stop: int


def write_column(column: Column, values: Sequence[Value | None], key_size: int) -> bytes:
    """Write a column. Raises: ValueError for a value that is none of this column."""
    there = [value is not None for value in values]
    bits = b"" if column in (KEY, READER) else _to_bits(there)
    kind = column.type
    try:
        if column in RANGES and not all(value is None or _is_fact(column, value) for value in values):
            raise ValueError(f"a value of the column {column.name} is out of range")
        if kind == "k":
            return bits + b"".join(_digest(value, key_size) for value in values)
        if kind == "t":
            texts = [_text(value) for value in values]
            return bits + struct.pack(f"<{len(texts)}I", *map(len, texts)) + b"".join(texts)
        if kind == "d":
            return bits + struct.pack(f"<{len(values)}d", *map(_finite, values))
        return bits + struct.pack(f"<{len(values)}{NUMBERS[kind]}", *(value or 0 for value in values))
    except (struct.error, KeyError, TypeError, AttributeError) as err:
        raise ValueError(f"a value of the column {column.name} is not of the type {kind}: {err}") from err


def _digest(value: Value | None, size: int) -> bytes:
    if value is None:
        return bytes(size)
    if not isinstance(value, bytes) or len(value) != size:
        raise ValueError(f"{value!r} is no digest of {size} bytes")
    return value


def _text(value: Value | None) -> bytes:
    data = b"" if value is None else value.encode("utf-8")  # type: ignore[union-attr]
    if len(data) > TEXT_LIMIT:
        raise ValueError(f"a text of {len(data)} bytes is longer than {TEXT_LIMIT}")
    return data


def _finite(value: Value | None) -> float:
    if value is None:
        return 0.0
    if not math.isfinite(value):  # type: ignore[arg-type]
        raise ValueError(f"{value!r} is not finite")
    return value + 0.0  # type: ignore[operator]  # zero has one spelling


def place_of(column: Column, data: bytes, at: int, rows: int, key_size: int) -> Place:
    """Find where a column ends that begins at an offset. Of a text the lengths are read, of all else nothing."""
    begin = at if column in (KEY, READER) else at + _bits_size(rows)
    if column.type == "k":
        stop = begin + rows * key_size
    elif column.type == "t":
        stop = begin + 4 * rows + sum(struct.unpack_from(f"<{rows}I", data, begin))
    else:
        stop = begin + rows * struct.calcsize("<" + NUMBERS[column.type])
    return Place(column, at, begin, stop)


def read_column(place: Place, data: bytes, rows: int, key_size: int) -> list[Value | None]:
    """Read a column: the value of each row, None where it has none. A value that is out of range is none."""
    values = _given(place, data, rows, key_size)
    if place.column not in RANGES:
        return values
    return [value if value is not None and _is_fact(place.column, value) else None for value in values]


def _is_fact(column: Column, value: Value) -> bool:
    if column not in RANGES:
        return True
    low, high = RANGES[column]
    return low <= value <= high  # type: ignore[operator]


def _given(place: Place, data: bytes, rows: int, key_size: int) -> list[Value | None]:
    values = _values(place, data, rows, key_size)
    if place.bits == place.at:
        return values
    there = _from_bits(data[place.bits : place.at], rows)
    if all(there):
        return values
    if any(value for value, has in zip(values, there, strict=True) if not has and value != bytes(key_size)):
        raise ValueError(f"a row without a value has one in the column {place.column.name}")
    return [value if has else None for value, has in zip(values, there, strict=True)]


def _values(place: Place, data: bytes, rows: int, key_size: int) -> list[Value | None]:
    kind, at = place.column.type, place.at
    if kind == "k":
        return [data[i : i + key_size] for i in range(at, at + rows * key_size, key_size)]
    if kind == "t":
        values: list[Value | None] = []
        known: dict[bytes, str] = {}  # most pictures were made by few cameras
        begin = at + 4 * rows
        for size in struct.unpack_from(f"<{rows}I", data, at):
            text = data[begin : begin + size]
            if text not in known:
                known[text] = decoded(text)
            values.append(known[text])
            begin += size
        return values
    numbers = struct.unpack_from(f"<{rows}{NUMBERS[kind]}", data, at)
    if kind == "d" and not all(map(math.isfinite, numbers)):
        raise ValueError(f"a number of the column {place.column.name} is not finite")
    return list(numbers)


def read_value(place: Place, data: bytes, row: int, rows: int, key_size: int) -> Value | None:
    """Read the value of one row, or None if it has none."""
    kind, at = place.column.type, place.at
    if place.bits != at and not data[place.bits + row // 8] >> row % 8 & 1:
        return None
    if kind == "k":
        return data[at + row * key_size :][:key_size]
    if kind == "t":
        *before, size = struct.unpack_from(f"<{row + 1}I", data, at)
        begin = at + 4 * rows + sum(before)
        return decoded(data[begin : begin + size])
    code = "<" + NUMBERS[kind]
    (value,) = struct.unpack_from(code, data, at + row * struct.calcsize(code))
    if kind == "d" and not math.isfinite(value):
        raise ValueError(f"a number of the column {place.column.name} is not finite")
    return value if _is_fact(place.column, value) else None


def decoded(text: bytes) -> str:
    """Read a text of a column. Raises: ValueError."""
    if len(text) > TEXT_LIMIT:
        raise ValueError(f"a text has {len(text)} bytes")
    return text.decode("utf-8")


def _bits_size(rows: int) -> int:
    return (rows + 7) // 8


def _to_bits(there: Sequence[bool]) -> bytes:
    number = int("".join("1" if has else "0" for has in reversed(there)), 2)
    return number.to_bytes(_bits_size(len(there)), "little")


def _from_bits(bits: bytes, rows: int) -> list[bool]:
    number = int.from_bytes(bits, "little")
    if not number or number >> rows:
        raise ValueError("a column without values, or bits beyond its rows")
    return [digit == "1" for digit in f"{number:0{rows}b}"[::-1]]
