"""Vectors in a column of a Parquet file: of numbers as lists, a row for each picture."""

from __future__ import annotations

import bisect
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vstore.errors import UsageError
from vstore.importing.shapes import VECTOR_FIELDS
from vstore.packages import PARQUET

if TYPE_CHECKING:
    from vstore.importing.source import Array

STEP = "write the vectors as one column of lists of floats, all of one length"
_KINDS = {"halffloat": "float16", "float": "float32", "double": "float64"}


class ParquetSource:
    """The vectors of a Parquet file. One group of rows is in memory at once."""

    def __init__(self, path: Path) -> None:
        """Find the column. Raises: UsageError, naming the reason; MissingPackage."""
        pq = PARQUET.load()
        import pyarrow

        self._path = path
        self._open: tuple[int, Array] | None = None
        try:
            self._file = pq.ParquetFile(path)
            self.columns = tuple(field.name for field in self._file.schema_arrow)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as err:  # of a name of a column
            raise self._wrong(f"it is not a valid Parquet file ({_line(err)})") from err
        self.column, kind = self._choose()
        groups = self._file.metadata
        counts = [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]
        self._starts = [0, *itertools.accumulate(counts)]
        self.files: tuple[Path, ...] = (path,)
        self.rows = self._starts[-1]
        self.dtype = _KINDS[kind]
        self.dim = int(self._group(0).shape[1]) if self.rows else 1
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
        import pyarrow

        if self._open is None or self._open[0] != number:
            try:
                table = self._file.read_row_group(number, columns=[self.column])
            except (pyarrow.ArrowException, OSError, ValueError) as err:
                raise self._wrong(f"its rows cannot be read ({_line(err)})") from err
            column = table.column(0).combine_chunks()
            column = pyarrow.concat_arrays(column.chunks) if isinstance(column, pyarrow.ChunkedArray) else column
            numbers = column.flatten()
            count = len(column)
            lengths = set(column.value_lengths().to_pylist()) if count else set()
            dim = getattr(self, "dim", None) or next(iter(lengths), None)
            if column.null_count or numbers.null_count or lengths != {dim} or not dim:
                raise self._wrong(
                    f"its column {self.column!r} holds rows without a vector, or vectors of several lengths"
                )
            rows: Array = np.asarray(numbers).reshape(count, dim)
            self._open = number, rows
        return self._open[1]

    def texts(self, column: str) -> list[Any]:
        """Read a column whole."""
        import pyarrow

        try:
            values: list[Any] = self._file.read(columns=[column]).column(0).to_pylist()
        except (pyarrow.ArrowException, OSError, ValueError) as err:
            raise self._wrong(f"its column {column!r} cannot be read ({_line(err)})") from err
        return values


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200]
