"""The other columns of a Parquet file: those whose values may become fields. One column is in memory at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from vstore.format.arrow_columns import NUMBERS, listed, readable, unfit
from vstore.format.list_columns import COLUMN_BYTES, TOO_LARGE, LeftColumn
from vstore.importing.shapes import VECTOR_FIELDS

if TYPE_CHECKING:
    import pyarrow

TWICE = "several columns have this name"
UNREADABLE = "values that cannot be read"
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
        why = TWICE if times[name] > 1 else unfit(schema.field(name).type)
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
        column = readable(batch.column(0))
        size += column.nbytes  # a file may say one long text of every row in a few bytes
        if size > COLUMN_BYTES:
            return None
        values += listed(column)
    return values


def vector_columns(schema: pyarrow.Schema) -> list[str]:
    """List the columns that hold vectors, as their names and types say."""
    return [field.name for field in schema if field.name.lower() in VECTOR_FIELDS and unfit(field.type) == NUMBERS]
