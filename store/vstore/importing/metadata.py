"""The file that lists the pictures of an old index."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vstore.counts import counted
from vstore.errors import UsageError
from vstore.format.field_values import typed
from vstore.format.list_columns import LeftColumn
from vstore.format.text_tables import cells_of
from vstore.importing.listing import Entry, Listing, encoded
from vstore.importing.parquet_columns import TWICE, other_columns, vector_columns
from vstore.importing.shapes import ROW_FIELDS, SIZE_FIELDS, TIME_FIELDS, Shapes
from vstore.packages import PARQUET
from vstore.quoting import quoted

_HEAD = 200  # bytes in which an export says what it is


def read_metadata(path: Path, rows: int, path_field: str | None = None, vectors: str = "") -> Listing:
    """Read a list of pictures: JSON, JSON lines, CSV, Parquet or a text file of paths.

    rows:       number of vectors; of several lists in one file, the one of this length is meant.
    path_field: the field or column that holds the paths, if it has an unusual name.
    vectors:    the column of a Parquet file that holds the vectors.
    Raises:     UsageError, naming the fault and its place; MissingPackage.
    """
    reader = _Reader(path, rows, path_field)
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            return reader.parquet(vectors)
        data = path.read_bytes()
    except OSError as err:
        raise UsageError(f"{path} cannot be read: {err.strerror or err}") from err
    if b'"vstore_export"' in data[:_HEAD]:
        raise _own(path)
    if kind in (".csv", ".tsv"):
        return reader.table(data)
    if kind in (".jsonl", ".ndjson"):
        return reader.lines(data)
    if kind == ".txt":
        return reader.text(data)
    return reader.json(data)


def _own(path: Path) -> UsageError:
    """Make the refusal of the `vstore.json` of an export: it is no list, and it is found without being named."""
    return UsageError(
        f"{path} is no list of pictures: it belongs to an export of vstore, and is read with the files beside it",
        f"name these alone: vstore import --faiss {quoted(str(path.with_name('index.faiss')))} --metadata "
        f"{quoted(str(path.with_name('metadata.json')))}",
    )


class _Reader:
    """A reader of one file, with a method for each kind of file."""

    def __init__(self, path: Path, rows: int, path_field: str | None) -> None:
        self._path = path
        self._shapes = Shapes(self._wrong, rows, path_field)

    def _wrong(self, why: str, step: str = "") -> UsageError:
        return UsageError(
            f"{self._path} cannot be read as a list of pictures: {why}",
            step or "give a JSON list of paths, or of objects with a path, in the order of the vectors",
        )

    def json(self, data: bytes) -> Listing:
        text = self._decoded(data)
        try:
            value = json.loads(text)
        except RecursionError:
            raise self._wrong("it is nested too deeply") from None
        except json.JSONDecodeError as err:
            if err.msg == "Extra data" and text.lstrip()[:1] in ("{", '"'):
                return self.lines(data)
            raise self._wrong(f"it is not JSON (line {err.lineno}, column {err.colno}: {err.msg})") from err
        except ValueError as err:  # a number of thousands of digits
            raise self._wrong(f"it holds a number that is too long ({err})") from err
        return self._shapes.listing(value)

    def lines(self, data: bytes) -> Listing:
        values = []
        for number, line in enumerate(self._decoded(data).split("\n"), 1):
            if line.strip():
                try:
                    values.append(json.loads(line))
                except (ValueError, RecursionError) as err:
                    raise self._wrong(f"line {number} is not JSON ({err})") from err
        return self._shapes.of_list(values)

    def text(self, data: bytes) -> Listing:
        data = _as_utf8(data).removeprefix(codecs.BOM_UTF8)
        lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
        while lines and not lines[-1].strip():
            lines.pop()
        blank = next((number for number, line in enumerate(lines, 1) if not line.strip()), None)
        if blank is not None:
            raise self._wrong(f"line {blank} is blank", "write one path a line, in the order of the rows")
        return Listing([Entry(line) for line in lines], {})

    def table(self, data: bytes) -> Listing:
        text = _as_utf8(data).decode("utf-8-sig", "surrogateescape")
        try:
            rows = [row for row in cells_of(io.StringIO(text, newline=""), text.partition("\n")[0], self._path) if row]
        except csv.Error as err:
            raise self._wrong(f"it is not a valid CSV file ({err})") from err
        if not rows:
            raise self._wrong("it is empty")
        names = [name.strip() for name in rows[0]]
        if self._shapes.path_field(names) is None:
            if len(names) > 1:
                raise self._wrong(
                    f"no column has a known name for paths: {', '.join(map(repr, names[:20]))}",
                    "name the column with --path-field",
                )
            return Listing(
                [Entry(encoded(row[0])) for row in rows], {}, notes=("the CSV has one column and no header",)
            )
        wide = next((number for number, row in enumerate(rows, 1) if len(row) != len(names)), None)
        if wide is not None:
            raise self._wrong(f"row {wide} has {counted(len(rows[wide - 1]), 'column')}, its header {len(names)}")
        return self._of_cells(names, rows[1:])

    def _of_cells(self, names: list[str], rows: list[list[str]]) -> Listing:
        """Take the rows of a table of text. Of several columns of one name the last counts, and none is a field."""
        path = self._shapes.path_field(names)
        columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
        values: dict[str, Sequence[Any]] = {
            name: cells if name == path else typed(cells) for name, cells in columns.items()
        }
        twice = [name for name, times in Counter(names).items() if times > 1 and name != path]
        listing = self._shapes.of_objects(
            [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
        )
        columns_read = listing.columns._replace(
            used=listing.columns.used | set(twice), left=tuple(LeftColumn(name, TWICE, len(rows)) for name in twice)
        )
        return listing._replace(columns=columns_read)

    def parquet(self, vectors: str) -> Listing:
        pq = PARQUET.load()
        import pyarrow

        try:
            with pq.ParquetFile(self._path) as file:
                names = [field.name for field in file.schema_arrow]
                if self._shapes.path_field(names) is None:
                    raise self._wrong(
                        f"no column has a known name for paths: {', '.join(map(repr, names[:20]))}",
                        "name the column with --path-field",
                    )
                read = {name.lower() for name in (*self._shapes.path_names, *ROW_FIELDS, *SIZE_FIELDS, *TIME_FIELDS)}
                wanted = [name for name in names if name.lower() in read]
                objects: list[dict[str, Any]] = []
                for batch in file.iter_batches(columns=wanted):
                    objects += batch.to_pylist()
                known = {*wanted, vectors, *vector_columns(file.schema_arrow)}
                left = _add_others(objects, other_columns(file, known))
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as err:  # of a name of a column
            if isinstance(err, OSError) and err.errno is not None:
                raise
            raise self._wrong(f"it is not a valid Parquet file ({' '.join(str(err).split())[:200]})") from err
        listing = self._shapes.of_objects(objects)
        return listing._replace(columns=listing.columns._replace(left=left))

    def _decoded(self, data: bytes) -> str:
        wide = _as_utf8(data)
        if wide is not data and wide.lstrip()[:1] in (b"[", b"{", b'"'):
            return wide.decode()
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as err:
            raise self._wrong(f"it is not UTF-8 (byte {err.start})") from err


def _add_others(
    objects: Sequence[dict[str, Any]], others: Iterable[tuple[str, list[Any]] | LeftColumn]
) -> tuple[LeftColumn, ...]:
    """Add the values of other columns to the rows. Returns: the columns that were not read."""
    left = []
    for column in others:
        if isinstance(column, LeftColumn):
            left.append(column)
            continue
        name, values = column
        for row, value in zip(objects, values, strict=True):
            if value is not None:
                row[name] = value
    return tuple(left)


def _as_utf8(data: bytes) -> bytes:
    """Turn UTF-16 with its mark, which shells of Windows write, into UTF-8; anything else stays."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        with contextlib.suppress(UnicodeError):
            return data.decode("utf-16").encode()
    return data
