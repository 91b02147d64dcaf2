"""The rows of a file of fields: CSV, JSON lines or Parquet. One block of rows is in memory at once."""

from __future__ import annotations

import codecs
import csv
import json
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from vstore.closeness import instead
from vstore.counts import counted
from vstore.errors import UsageError
from vstore.fields.columns import (
    BY,
    FORMATS,
    JSON_MARK,
    OWN,
    PATHS,
    PATHS_B64,
    SUFFIXES,
    is_exported,
    of_an_export,
    without_export,
)
from vstore.format.exported_details import ABOUT
from vstore.format.field_text import from_json, time_of
from vstore.format.field_values import CellKind
from vstore.format.list_columns import LeftColumn
from vstore.format.text_tables import cells_of
from vstore.packages import PARQUET

LINE = 16 << 20  # characters of a line at most
TWICE = "several columns have this name"
_BLOCK = 1024


class FileRow(NamedTuple):
    """A row of a file.

    number: of its line, or of the row in a Parquet file.
    word:   what it says of its picture: a path, or a key in hexadecimal digits; None if it says nothing.
    values: its other cells, by column.
    """

    number: int
    word: str | bytes | None
    values: Mapping[str, Any]


class Rows:
    """A file of fields.

    by:   the columns that were read for the pictures.
    left: columns that cannot be read as fields.
    """

    def __init__(self, file: Path, format: str | None, by: str | None) -> None:
        """Raises: UsageError if the format is not known, or the file cannot be read."""
        self._file = file
        self._wanted = by
        self._format = format or SUFFIXES.get(file.suffix.lower())
        if self._format not in FORMATS:
            what = f"there is no format {format!r}" if format else f"the format of {file} is not known by its name"
            raise UsageError(what, f"say one with --format: {', '.join(FORMATS)}")
        try:
            mode = os.stat(file).st_mode
        except OSError as err:
            from vstore.near_files import did_you_mean, near_files

            step = did_you_mean(near_files(os.fsencode(file)), "check the name")
            raise UsageError(f"{file} cannot be read: {err.strerror}", step) from err
        if not stat.S_ISREG(mode):
            raise UsageError(f"{file} is no file", "write the rows to a file, and name that")
        self.by: dict[str, None] = {}
        self.left: list[LeftColumn] = []

    @property
    def size(self) -> int:
        """The bytes of the file."""
        return self._file.stat().st_size

    @property
    def has_types(self) -> bool:
        """The file says of each value which type it has."""
        return self._format != "csv"

    def __iter__(self) -> Iterator[FileRow]:
        """Read the rows. Raises: UsageError, naming the place of a fault; MissingPackage."""
        reader = {"csv": self._csv, "jsonl": self._lines, "parquet": self._parquet}[str(self._format)]
        try:
            yield from reader()
        except OSError as err:
            raise UsageError(f"{self._file} cannot be read: {err.strerror or err}", "check the file") from err

    def _wrong(self, why: str, step: str = "") -> UsageError:
        return UsageError(f"{self._file} cannot be read as {self._format}: {why}", step or "nothing was changed")

    def _open(self) -> IO[str]:
        with self._file.open("rb") as file:
            wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        return self._file.open(encoding="utf-16" if wide else "utf-8-sig", newline="")

    def _no_text(self, line: int) -> UsageError:
        return self._wrong(f"it is not UTF-8, in or after line {line}", "save it as UTF-8; nothing was changed")

    def _chosen(self, names: Sequence[str]) -> str:
        """Choose the column that says which picture a row is of. Raises: UsageError if there is none."""
        if self._wanted is not None:
            if self._wanted not in names:
                has = f"it has: {', '.join(map(repr, names[:20]))}"
                raise UsageError(
                    f"{self._file} has no column {self._wanted!r}", has, instead=instead(self._wanted, names)
                )
            return self._wanted
        found = next((name for name in BY if name in names), None)
        if found is None:
            raise self._wrong(
                f"no column has a known name for pictures: {', '.join(map(repr, names[:20]))}",
                "name the one with paths or keys: --by COLUMN",
            )
        return found

    def _row(self, number: int, by: str, cells: Mapping[str, Any]) -> FileRow:
        self.by[by] = None
        word = cells.get(by)
        if isinstance(word, (list, tuple)):
            encoded = cells.get(PATHS_B64)
            word = _first(word, encoded if by == PATHS and isinstance(encoded, list) else ())
        values = {name: value for name, value in cells.items() if name != by and name not in OWN}
        return FileRow(number, word if isinstance(word, (str, bytes)) and word else None, values)

    def _csv(self) -> Iterator[FileRow]:
        kinds = [CellKind() for _ in self._header()]
        for number, cells in self._cells():
            if len(cells) != len(kinds):
                raise self._wrong(f"line {number} has {counted(len(cells), 'column')}, its header {len(kinds)}")
            for kind, cell in zip(kinds, cells, strict=True):
                kind.see(cell)
        names = self._header()
        by = self._chosen(names)
        times = Counter(names)
        twice = sorted(name for name, count in times.items() if count > 1)
        if by in twice:
            raise self._wrong(f"several columns are called {by!r}", "name each column once")
        others = of_an_export(names) - {by} if is_exported(names) else frozenset()
        fields = [at for at, name in enumerate(names) if name and name not in twice and name not in others]
        first = True
        for number, cells in self._cells():
            if first:
                self.left += [LeftColumn(name, TWICE, 1, number) for name in twice if name]
                first = False
            values = {names[at]: kinds[at].value(cells[at]) if names[at] != by else cells[at] for at in fields}
            yield self._row(number, by, values)

    def _header(self) -> list[str]:
        for _, cells in self._table():
            return [name.strip() for name in cells]
        raise self._wrong("it is empty", "its first line names the columns")

    def _cells(self) -> Iterator[tuple[int, list[str]]]:
        rows = self._table()
        next(rows, None)
        return rows

    def _table(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows of a table of text, its header too, and the line in which each ends."""
        with self._open() as file:
            line = 0
            try:
                head = file.readline(LINE)
                file.seek(0)
                reader = cells_of(file, head, self._file)
                for cells in reader:
                    line = reader.line_num
                    if cells:
                        yield line, cells
            except UnicodeError as err:
                raise self._no_text(line + 1) from err
            except csv.Error as err:
                why = f"line {line + 1} is not valid CSV ({err})"
                raise self._wrong(why, "look for a quotation mark that is not closed; nothing was changed") from err

    def _lines(self) -> Iterator[FileRow]:
        with self._open() as file:
            number = 0
            by: str | None = None
            while True:
                try:
                    line = file.readline(LINE)
                except UnicodeError as err:
                    raise self._no_text(number + 1) from err
                if not line:
                    return
                number += 1
                if len(line) == LINE and not line.endswith("\n"):
                    raise self._wrong(f"line {number} is too long")
                if not line.strip():
                    continue
                cells = self._object(number, line)
                if by is None or by not in cells:
                    known = next((name for name in BY if name in cells), None) if self._wanted is None else None
                    by = known or by or self._chosen(list(cells))
                yield self._row(number, by, cells)

    def _object(self, number: int, line: str) -> dict[str, Any]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as err:
            step = "write an object a line: jq -c '.[]'" if line.lstrip()[:1] == "[" else ""
            raise self._wrong(f"line {number} is not JSON ({' '.join(str(err).split())[:100]})", step) from err
        if not isinstance(value, dict):
            raise self._wrong(f"line {number} is no object", "write an object a line: jq -c '.[]'")
        try:
            cells = without_export(value)
        except ValueError as err:
            raise self._wrong(f"line {number} has a field of field_times that is no time ({err})") from err
        try:
            return {name: from_json(one) for name, one in cells.items()}
        except ValueError as err:
            raise self._wrong(f"line {number} has a $date that is no time ({err})") from err

    def _parquet(self) -> Iterator[FileRow]:
        pq = PARQUET.load()
        import pyarrow

        from vstore.format.arrow_columns import listed, readable, unfit

        try:
            with pq.ParquetFile(self._file) as file:
                schema, rows = file.schema_arrow, file.metadata.num_rows
                names = [field.name for field in schema]
                by = self._chosen(names)
                said = {field.name: (field.metadata or {}).get(ABOUT, b"") for field in schema}
                about = {name: json.loads(one) for name, one in said.items() if one.startswith(b"{")}
                if about or is_exported(names):
                    others = of_an_export(names) - {by}
                    names = [name for name in names if name not in others]
                times = Counter(names)
                why = {
                    field.name: TWICE if times[field.name] > 1 else unfit(field.type)
                    for field in schema
                    if field.name in times and field.name not in (*OWN, by)
                }
                if times[by] > 1:
                    raise self._wrong(f"several columns are called {by!r}", "name each column once")
                self.left += [LeftColumn(name, reason, rows, 1) for name, reason in why.items() if reason and rows]
                used = [name for name in names if not why.get(name) and times[name] == 1]
                marked = {field.name for field in schema if (field.metadata or {}).items() >= JSON_MARK.items()}
                mixed = {name for name, one in about.items() if one.get("json")}
                number = 0
                # A dot in a name means a part of a column to pyarrow: such a file is read whole.
                asked = None if any("." in name for name in used) else used
                for batch in file.iter_batches(_BLOCK, columns=asked):
                    columns = {name: listed(readable(batch.column(name))) for name in used}
                    for at in range(batch.num_rows):
                        number += 1
                        cells = {name: column[at] for name, column in columns.items() if column[at] is not None}
                        for name in marked & cells.keys():
                            cells[name] = from_json(json.loads(cells[name]))
                        for name in mixed & cells.keys():
                            cells[name] = _exported(json.loads(cells[name]))
                        yield self._row(number, by, cells)
        except (pyarrow.ArrowException, OverflowError, ValueError, UnicodeError, RecursionError) as err:
            raise self._wrong(f"it is not valid ({' '.join(str(err).split())[:200]})") from err


def _exported(value: Any) -> Any:
    """Give the value that JSON of `vstore export` stands for. Raises: ValueError for no time."""
    return time_of(str(value["time"])) if isinstance(value, dict) and value.keys() == {"time"} else value


def _first(paths: Sequence[Any], encoded: Sequence[Any]) -> str | bytes | None:
    """Give the first of several paths; of one that is not UTF-8 its bytes."""
    from binascii import a2b_base64

    if encoded and isinstance(encoded[0], str):
        try:
            return a2b_base64(encoded[0])
        except ValueError:
            return None
    return paths[0] if paths and isinstance(paths[0], str) else None
