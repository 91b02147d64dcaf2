"""The values of a list as values of fields, in their one spelling. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from vstore.errors import UsageError
from vstore.format.fields import ITEMS, TEXT_BYTES, FieldValue, encode_field

_WHOLE = re.compile(r"0|-?[1-9]\d{0,18}", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,17}\.\d{1,17}", re.ASCII)
_EXACT = 1 << 53  # whole numbers that decimal ones have, too


class Unfit(ValueError):
    """A value that no field has; its words say what it is, for people."""


def field_value(value: Any) -> bytes | None:
    """Write a value as a field has it; None for one that says nothing: null, or NaN.

    A time without a zone counts as UTC.
    Raises: Unfit.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    plain = _plain(value)
    try:
        return encode_field(plain)
    except UsageError as err:
        raise Unfit(_fault(plain)) from err


def typed(cells: Sequence[str]) -> list[str | int | float | None]:
    """Read the cells of a column of text: as numbers if each is written as a number is printed, else as they are.

    An empty cell is None.
    """
    kept = [cell for cell in cells if cell]
    if kept and all(map(is_whole, kept)):
        return [int(cell) if cell else None for cell in cells]
    if kept and all(map(is_number, kept)):
        return [float(cell) if cell else None for cell in cells]
    return [cell or None for cell in cells]


def is_whole(cell: str) -> bool:
    """Tell whether a cell is a whole number of 64 bits, as it is printed."""
    return _WHOLE.fullmatch(cell) is not None and -(1 << 63) <= int(cell) < 1 << 63


def is_decimal(cell: str) -> bool:
    """Tell whether a cell is a decimal number, as it is printed."""
    return _DECIMAL.fullmatch(cell) is not None and repr(float(cell)) == cell


def is_number(cell: str) -> bool:
    """Tell whether a cell is a decimal number, or a whole one among such, that a decimal one can be."""
    return is_decimal(cell) or (is_whole(cell) and abs(int(cell)) <= _EXACT)


def _plain(value: Any) -> FieldValue:
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else datetime.combine(value, value.time(), UTC)
    if isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        if all(isinstance(one, str) for one in value):
            return tuple(value)
        numbers = all(isinstance(one, (int, float)) for one in value)
        raise Unfit("lists of numbers" if numbers else "lists that do not hold text alone")
    if isinstance(value, dict):
        raise Unfit("objects")
    raise Unfit("bytes" if isinstance(value, bytes) else f"values of the type {type(value).__name__}")


def _fault(value: FieldValue) -> str:
    """Say what is wrong with a value of a type that fields have."""
    if isinstance(value, int):
        return "whole numbers beyond 64 bits"
    if isinstance(value, float):
        return "infinite numbers"
    if isinstance(value, datetime):
        return "times outside the years 1 to 9999"
    texts = (value,) if isinstance(value, str) else value
    if any("\ud800" <= letter <= "\udfff" for text in texts for letter in text):
        return "text that is no Unicode"
    if len(texts) > ITEMS:
        return f"lists of more than {ITEMS:,} texts"
    return f"text of more than {TEXT_BYTES:,} bytes"
