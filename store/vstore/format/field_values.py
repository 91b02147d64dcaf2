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
_TRUTHS = {word: word.lower() == "true" for word in ("true", "false", "True", "False", "TRUE", "FALSE")}
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


class CellKind:
    """The type of a column of text: of numbers if each cell is written as a number is printed, or of true and false."""

    def __init__(self) -> None:
        self._whole = self._decimal = self._truth = True

    def see(self, cell: str) -> None:
        """Look at a cell."""
        if cell:
            self._whole = self._whole and is_whole(cell)
            self._decimal = self._decimal and is_number(cell)
            self._truth = self._truth and cell in _TRUTHS

    def value(self, cell: str) -> str | int | float | None:
        """Read a cell; an empty one is None."""
        if not cell:
            return None
        if self._truth:
            return _TRUTHS[cell]
        return int(cell) if self._whole else float(cell) if self._decimal else cell


def typed(cells: Sequence[str]) -> list[str | int | float | None]:
    """Read the cells of a column of text, as its kind is."""
    kind = CellKind()
    for cell in cells:
        kind.see(cell)
    return [kind.value(cell) for cell in cells]


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
