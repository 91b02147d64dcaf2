"""Vectors in a column of a Parquet file: of numbers as lists, a row for each picture. A row without one is NaN."""

from __future__ import annotations

import bisect
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vstore.errors import UsageError
from vstore.format.exported_details import EXPORT
from vstore.importing.shapes import VECTOR_FIELDS
from vstore.packages import PARQUET

if TYPE_CHECKING:
    import pyarrow

    from vstore.importing.source import Array

STEP = "write the vectors as one column of lists of floats, all of one length"
_OLD_OWN = ({"key", "paths", "vector"}, {"key", "paths", "vector", "paths_b64"})  # of vstore export, without a mark
_KINDS = {"halffloat": "float16", "float": "float32", "double": "float64"}


class ParquetSource:
    """The vectors of a Parquet file. One group of rows is in memory at once.

    columns: the names of its columns.
    is_own:  `vstore export` wrote it.
    """

    def __init__(self, path: Path) -> None:
        """Find the column. Raises: UsageError, naming the reason; MissingPackage."""
        pq = PARQUET.load()
        import pyarrow

        self._path = path
        self._open: tuple[int, Array] | None = None
        try:
            self._file = pq.ParquetFile(path)
            schema = self._file.schema_arrow
            self.columns = tuple(field.name for field in schema)
            marked = EXPORT in (schema.metadata or {}) and {"key", "paths", "vector"} <= set(self.columns)
            self.is_own = marked or set(self.columns) in _OLD_OWN
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as err:  # of a name of a column
            raise self._wrong(f"it is not a valid Parquet file ({_line(err)})") from err
        self.column, kind = self._choose()
        groups = self._file.metadata
        counts = [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]
        self._starts = [0, *itertools.accumulate(counts)]
        self.files: tuple[Path, ...] = (path,)
        self.rows: int = self._starts[-1]
        self.dtype = _KINDS[kind]
        self.dim: int = self._length() if self.rows else 1
        self.ids: Array | None = None
        self.notes: tuple[str, ...] = (f"the vectors are those of the column {self.column!r}",)

    def _wrong(self, why: str) -> UsageError:
        return UsageError(f"{self._path} cannot be imported: {why}", STEP)

    def _choose(self) -> tuple[str, str]:
        import pyarrow.types as kinds

        found = {
            field.name: str(field.type.value_type)
            for field in self._file.schema_arrow
            if (kinds.is_list(field.type) or kinds.is_large_list(field.type) or kinds.is_fixed_size_list(field.type))
            and str(field.type.value_type) in _KINDS
        }
        known = [name for field in VECTOR_FIELDS for name in found if name.lower() == field]
        if not known and len(found) != 1:
            had = ", ".join(map(repr, self.columns[:20]))
            raise self._wrong(f"it has {len(found)} columns of lists of floats, not one, among {had}")
        name = (known or list(found))[0]
        return name, found[name]

    def _length(self) -> int:
        """Find the length of the first vector. Raises: UsageError if there is none."""
        for number in range(len(self._starts) - 1):
            lengths = _lengths(self._column_of(number))
            if len(lengths):
                return int(lengths[0])
        raise self._wrong(f"its column {self.column!r} holds no vector")

    def block(self, first: int, end: int) -> Array:
        import numpy as np

        parts = []
        while first < end:
            number = bisect.bisect_right(self._starts, first) - 1
            upto = min(end, self._starts[number + 1])
            parts.append(self._group(number)[first - self._starts[number] : upto - self._starts[number]])
            first = upto
        return np.concatenate(parts) if parts else np.empty((0, self.dim), self.dtype)

    def _group(self, number: int) -> Array:
        """Read the vectors of one group of rows. Raises: UsageError if they are not vectors of one length."""
        import numpy as np

        if self._open is None or self._open[0] != number:
            column = self._column_of(number)
            has = _all_lengths(column) > 0
            if (_lengths(column) != self.dim).any():
                raise self._wrong(f"its column {self.column!r} holds vectors of several lengths")
            rows: Array = np.full((len(column), self.dim), np.nan, self.dtype)
            # What is null within a vector is NaN here.
            rows[has] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, self.dim)
            self._open = number, rows
        return self._open[1]

    def _column_of(self, number: int) -> pyarrow.Array:
        """Read the column of one group of rows. Raises: UsageError."""
        import pyarrow

        try:
            table = self._file.read_row_group(number, columns=[self.column])
        except (pyarrow.ArrowException, OSError, ValueError) as err:
            raise self._wrong(f"its rows cannot be read ({_line(err)})") from err
        column = table.column(0).combine_chunks()
        return pyarrow.concat_arrays(column.chunks) if isinstance(column, pyarrow.ChunkedArray) else column

    def texts(self, column: str) -> list[Any]:
        """Read a column whole."""
        import pyarrow

        try:
            values: list[Any] = self._file.read(columns=[column]).column(0).to_pylist()
        except (pyarrow.ArrowException, OSError, ValueError) as err:
            raise self._wrong(f"its column {column!r} cannot be read ({_line(err)})") from err
        return values


def _lengths(column: pyarrow.Array) -> Array:
    """List the lengths of the vectors that are there."""
    lengths = _all_lengths(column)
    return lengths[lengths > 0]


def _all_lengths(column: pyarrow.Array) -> Array:
    """List the length of each row's vector; 0 where it has none."""
    lengths: Array = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return lengths


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200]
