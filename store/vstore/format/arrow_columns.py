"""Columns of Arrow as values of fields: which types fit, and values that Python has types for. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

NUMBERS = "lists of numbers"
_NO_TIME = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))  # in UTC it lies in the year 10,000


def unfit(kind: pyarrow.DataType) -> str:
    """Say what the values of a type are, if no field can have them; empty if one can."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return unfit(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        if _is_text(kind.value_type):
            return ""
        number = types.is_integer(kind.value_type) or types.is_floating(kind.value_type)
        return NUMBERS if number else "lists that do not hold text alone"
    if types.is_struct(kind) or types.is_map(kind):
        return "objects"
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return "bytes"
    plain = (types.is_boolean, types.is_integer, types.is_floating, types.is_timestamp, types.is_date, types.is_null)
    return "" if _is_text(kind) or any(fits(kind) for fits in plain) else f"values of the type {kind}"


def _is_text(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def listed(column: pyarrow.Array) -> list[Any]:
    """List the values of a column that was made readable. A time that Python has not is one that no field has.

    Texts that are not UTF-8 have their bytes as `os.fsdecode` writes them.

    Raises: ValueError, OverflowError.
    """
    from pyarrow import types

    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):
        if types.is_timestamp(column.type):
            values = [_listed(one) for one in column]
        elif not unfit(column.type):
            values = [_text(one) for one in column]
        else:
            raise
    return values


def _listed(value: pyarrow.Scalar) -> Any:
    try:
        return value.as_py()
    except (ValueError, OverflowError):
        return _NO_TIME


def _text(value: pyarrow.Scalar) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        if hasattr(value, "as_buffer"):
            return value.as_buffer().to_pybytes().decode("utf-8", "surrogateescape")
        return [_text(one) for one in value.values]  # of a list


def readable(column: pyarrow.Array) -> pyarrow.Array:
    """Bring values that Python has no type for to one that it has: times to the microsecond.

    A day is the time at which it begins in UTC, as for `vstore fields set --type date`.
    """
    import pyarrow
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_timestamp(column.type):
        zone = "UTC" if column.type.tz else None  # the moment is the same, and no zone need be known here
        return column.cast(pyarrow.timestamp("us", zone), safe=False)
    if types.is_date(column.type):
        since_1970 = column.cast(pyarrow.date64()).cast(pyarrow.int64())
        return since_1970.cast(pyarrow.timestamp("ms", "UTC"))
    return column.cast(pyarrow.float32()) if types.is_float16(column.type) else column
