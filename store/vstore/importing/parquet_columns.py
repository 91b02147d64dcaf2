"""The other columns of a Parquet file: those whose values may become fields. One column is in memory at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from vstore.importing.columns import COLUMN_BYTES, TOO_LARGE, LeftColumn
from vstore.importing.shapes import VECTOR_FIELDS

if TYPE_CHECKING:
    import pyarrow

TWICE = "several columns have this name"
UNREADABLE = "values that cannot be read"
_NUMBERS = "lists of numbers"
_BATCH = 1024  # rows of a column that are read at once


def other_columns(file: Any, known: Collection[str]) -> Iterator[tuple[str, list[Any]] | LeftColumn]:
    """Read each column that is not known, or say why not.

    file: an open pyarrow.parquet.ParquetFile. known: the columns to pass over.
    """
    import pyarrow

    rows, schema = file.metadata.num_rows, file.schema_arrow
    times = Counter(field.name for field in schema)
    for name in times:
        if name in known:
            continue
        why = TWICE if times[name] > 1 else _unfit(schema.field(name).type)
        if why:
            yield LeftColumn(name, why, rows)
            continue
        try:
            values = _values(file, name)
        except (pyarrow.ArrowException, OSError, ValueError, OverflowError):
            yield LeftColumn(name, UNREADABLE, rows)
        else:
            yield LeftColumn(name, TOO_LARGE, rows) if values is None else (name, values)


def _values(file: Any, name: str) -> list[Any] | None:
    """Read a column; None if its values are too large. Raises: what pyarrow raises; ValueError."""
    values: list[Any] = []
    size = 0
    for batch in file.iter_batches(_BATCH, columns=[name]):
        if batch.schema.names != [name]:  # a dot in a name means a part of a column to pyarrow
            raise ValueError(name)
        column = _readable(batch.column(0))
        size += column.nbytes  # a file may say one long text of every row in a few bytes
        if size > COLUMN_BYTES:
            return None
        values += column.to_pylist()
    return values


def vector_columns(schema: pyarrow.Schema) -> list[str]:
    """List the columns that hold vectors, as their names and types say."""
    return [field.name for field in schema if field.name.lower() in VECTOR_FIELDS and _unfit(field.type) == _NUMBERS]


def _unfit(kind: pyarrow.DataType) -> str:
    """Say what the values of a type are, if no field can have them; empty if one can."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return _unfit(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        if _is_text(kind.value_type):
            return ""
        number = types.is_integer(kind.value_type) or types.is_floating(kind.value_type)
        return _NUMBERS if number else "lists that do not hold text alone"
    if types.is_struct(kind) or types.is_map(kind):
        return "objects"
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return "bytes"
    plain = (types.is_boolean, types.is_integer, types.is_floating, types.is_timestamp, types.is_date, types.is_null)
    return "" if _is_text(kind) or any(fits(kind) for fits in plain) else f"values of the type {kind}"


def _is_text(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _readable(column: pyarrow.Array) -> pyarrow.Array:
    """Bring values that Python has no type for to one that it has: times to the microsecond, days to text."""
    import pyarrow
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_timestamp(column.type):
        return column.cast(pyarrow.timestamp("us", column.type.tz), safe=False)
    if types.is_date(column.type):
        return column.cast(pyarrow.string())
    return column.cast(pyarrow.float32()) if types.is_float16(column.type) else column
