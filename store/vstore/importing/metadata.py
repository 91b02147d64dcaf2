"""Reads the list of pictures that belongs to an old index, in the shapes in which people write it."""

from __future__ import annotations

import calendar
import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from vstore.errors import UsageError
from vstore.packages import PARQUET

# In the order in which they are believed: what says where a picture lies comes before its mere name.
PATH_FIELDS = (
    "image_path", "img_path", "path", "filepath", "file_path", "full_path", "image_file", "file", "image", "img",
    "filename", "file_name", "image_name", "fname", "src", "source", "uri", "name",
)  # fmt: skip
LIST_FIELDS = (
    "image_paths", "img_paths", "paths", "images", "files", "filepaths", "file_paths", "image_files", "filenames",
    "file_names", "image_names", "metadata", "items", "entries", "records", "data", "rows",
)  # fmt: skip
ROW_FIELDS = ("row", "row_id", "index", "idx", "faiss_id", "vector_id", "embedding_index", "embedding_id", "id", "")
SIZE_FIELDS = ("size", "file_size", "filesize", "bytes", "size_bytes")
TIME_FIELDS = ("mtime", "modified", "modified_at", "file_mtime", "last_modified", "date_modified")
_DELIMITERS = ",;\t|"


class Entry(NamedTuple):
    """One picture of the list. size in bytes, mtime in seconds since 1970, where the list says so."""

    path: bytes
    size: int | None = None
    mtime: float | None = None


class Listing(NamedTuple):
    """A list of pictures. numbers: what each entry says of its row, by the field that says it; `explicit`: the list has
    no order but these numbers. notes: what a report should say of how the list was read."""

    entries: list[Entry]
    numbers: dict[str, list[int]]
    explicit: bool = False
    notes: tuple[str, ...] = ()


def read_metadata(path: Path, rows: int, path_field: str | None = None) -> Listing:
    """Read a list of pictures: JSON, JSON lines, CSV, Parquet or a text file of paths.

    rows:       how many vectors there are; of several lists in one file, the one of this length is meant.
    path_field: the field or column that holds the paths, where it is none of those known.
    Raises:     UsageError, saying what is wrong where; MissingPackage.
    """
    reader = _Reader(path, rows, path_field)
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            return reader.parquet()
        data = path.read_bytes()
    except OSError as err:
        raise UsageError(f"{path} cannot be read: {err.strerror or err}") from err
    if kind in (".csv", ".tsv"):
        return reader.table(data)
    if kind in (".jsonl", ".ndjson"):
        return reader.lines(data)
    if kind == ".txt":
        return reader.text(data)
    return reader.json(data)


class _Reader:
    def __init__(self, path: Path, rows: int, path_field: str | None) -> None:
        self._path = path
        self._rows = rows
        self._wanted = path_field
        self._paths = PATH_FIELDS if path_field is None else (path_field,)

    def _wrong(self, why: str, step: str = "") -> UsageError:
        return UsageError(
            f"{self._path} cannot be read as a list of pictures: {why}",
            step or "a JSON list of paths, or objects with a path, in the order of the vectors, would do",
        )

    # The kinds of files

    def json(self, data: bytes) -> Listing:
        text = self._decoded(data)
        try:
            value = json.loads(text)
        except RecursionError:
            raise self._wrong("it is nested too deep") from None
        except json.JSONDecodeError as err:
            if err.msg == "Extra data" and text.lstrip()[:1] in ("{", '"'):
                return self.lines(data)
            raise self._wrong(f"it is not JSON (line {err.lineno}, column {err.colno}: {err.msg})") from err
        return self._value(value, ())

    def lines(self, data: bytes) -> Listing:
        values = []
        for number, line in enumerate(self._decoded(data).split("\n"), 1):
            if line.strip():
                try:
                    values.append(json.loads(line))
                except (json.JSONDecodeError, RecursionError) as err:
                    raise self._wrong(f"line {number} is not JSON ({err})") from err
        return self._list(values, ())

    def text(self, data: bytes) -> Listing:
        lines = [line.removesuffix(b"\r") for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
        while lines and not lines[-1]:
            lines.pop()
        if b"" in lines:
            raise self._wrong(
                f"line {lines.index(b'') + 1} is blank", "write one path a line, in the order of the rows"
            )
        return Listing([Entry(line) for line in lines], {})

    def table(self, data: bytes) -> Listing:
        text = data.decode("utf-8-sig", "surrogateescape")
        head = text.partition("\n")[0]
        delimiter = "\t" if self._path.suffix.lower() == ".tsv" else max(_DELIMITERS, key=head.count)
        try:
            rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
        except csv.Error as err:
            raise self._wrong(f"it is no CSV ({err})") from err
        if not rows:
            raise self._wrong("it is empty")
        names = [name.strip() for name in rows[0]]
        if self._field(names, self._paths) is None:
            if len(names) > 1:
                raise self._wrong(
                    f"none of its columns is known to hold paths: {', '.join(map(repr, names[:20]))}",
                    "name the column with --path-field",
                )
            return Listing([Entry(_encoded(row[0])) for row in rows], {}, notes=("the CSV has one column, no head",))
        wide = next((number for number, row in enumerate(rows, 1) if len(row) != len(names)), None)
        if wide is not None:
            raise self._wrong(f"row {wide} has {len(rows[wide - 1])} columns, its head {len(names)}")
        return self._objects([dict(zip(names, row, strict=True)) for row in rows[1:]], ())

    def parquet(self) -> Listing:
        pq = PARQUET.load()
        import pyarrow

        try:
            with pq.ParquetFile(self._path) as file:
                names = [field.name for field in file.schema_arrow]
                if self._field(names, self._paths) is None:
                    raise self._wrong(
                        f"none of its columns is known to hold paths: {', '.join(map(repr, names[:20]))}",
                        "name the column with --path-field",
                    )
                known = {name.lower() for name in (*self._paths, *ROW_FIELDS, *SIZE_FIELDS, *TIME_FIELDS)}
                wanted = [name for name in names if name.lower() in known]
                objects: list[Mapping[str, Any]] = []
                for batch in file.iter_batches(columns=wanted):
                    objects += batch.to_pylist()
        except (pyarrow.ArrowException, OSError) as err:
            if isinstance(err, OSError) and err.errno is not None:
                raise
            raise self._wrong(f"it is no Parquet file ({' '.join(str(err).split())[:200]})") from err
        return self._objects(objects, ())

    # The shapes of values

    def _decoded(self, data: bytes) -> str:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as err:
            raise self._wrong(f"it is not UTF-8 (byte {err.start})") from err

    def _value(self, value: Any, notes: tuple[str, ...]) -> Listing:
        if isinstance(value, list):
            return self._list(value, notes)
        if isinstance(value, dict):
            return self._object(value, notes)
        raise self._wrong(f"it holds one {type(value).__name__} and no list")

    def _list(self, values: list[Any], notes: tuple[str, ...]) -> Listing:
        if all(isinstance(value, str) for value in values):
            return Listing([Entry(_encoded(value)) for value in values], {}, notes=notes)
        if all(isinstance(value, dict) for value in values):
            return self._objects(values, notes)
        odd = next(
            n for n, value in enumerate(values) if type(value) is not type(values[0]) or type(value) not in _KINDS
        )
        raise self._wrong(f"entry {odd} is neither a path nor an object with one, or unlike those before it")

    def _object(self, value: dict[str, Any], notes: tuple[str, ...]) -> Listing:
        if value and all(_is_number(name) for name in value):
            listed = self._list(list(value.values()), notes)
            return listed._replace(numbers={"its keys": [int(name) for name in value]}, explicit=True)
        if value and all(type(row) is int for row in value.values()) and len(value) == self._rows:
            entries = [Entry(_encoded(path)) for path in value]
            return Listing(entries, {"its values": list(value.values())}, True, notes)
        return self._holder(value, notes)

    def _holder(self, value: dict[str, Any], notes: tuple[str, ...]) -> Listing:
        """An object that holds the list beside settings."""
        names = (self._wanted,) if self._wanted in value else (*LIST_FIELDS, *self._paths)
        lower = {name.lower(): name for name in reversed(list(value))}
        found: dict[str, Listing] = {}
        complaint: UsageError | None = None
        for name in names:
            real = lower.get(str(name).lower())
            if real is None or not isinstance(value[real], (list, dict)) or real in found:
                continue
            try:
                found[real] = self._value(value[real], (*notes, f"the pictures are those of {real!r}"))
            except UsageError as err:
                complaint = complaint or err
        fitting = {name: listing for name, listing in found.items() if len(listing.entries) == self._rows} or found
        if not fitting:
            if complaint is not None:
                raise complaint
            raise self._wrong(
                f"none of its fields is known to hold the list of pictures: {', '.join(map(repr, list(value)[:20]))}",
                "name the field with --path-field",
            )
        first = next(iter(fitting.values()))
        others = [name for name, listing in fitting.items() if _paths_of(listing) != _paths_of(first)]
        if others:
            raise self._wrong(
                f"it holds several lists of {len(first.entries)}: {', '.join(map(repr, fitting))}",
                "say which one with --path-field",
            )
        return first

    def _objects(self, values: Sequence[Mapping[str, Any]], notes: tuple[str, ...]) -> Listing:
        if not values:
            return Listing([], {}, notes=notes)
        names = list(values[0])
        path = self._field(names, self._paths)
        if path is None:
            raise self._wrong(
                f"none of its fields is known to hold a path: {', '.join(map(repr, names[:20]))}",
                "name the field with --path-field",
            )
        size, mtime = self._field(names, SIZE_FIELDS), self._field(names, TIME_FIELDS)
        entries = []
        for number, value in enumerate(values):
            said = value.get(path)
            if not isinstance(said, str):
                raise self._wrong(f"entry {number} has no {path!r}, or one that is no text")
            entries.append(
                Entry(
                    _encoded(said),
                    _whole(value.get(size)) if size else None,
                    _time(value.get(mtime)) if mtime else None,
                )
            )
        numbers: dict[str, list[int]] = {}
        for field in ROW_FIELDS:
            name = self._field(names, (field,))
            rows = [_whole(value.get(name)) for value in values] if name is not None else []
            if rows and None not in rows:
                numbers[name or "the unnamed column"] = rows  # type: ignore[assignment]  # no None is in it
        return Listing(entries, numbers, notes=(*notes, f"their paths are those of {path!r}"))

    def _field(self, names: Iterable[str], known: Sequence[str]) -> str | None:
        lower = {name.lower(): name for name in reversed(list(names))}
        return next((lower[name.lower()] for name in known if name.lower() in lower), None)


_KINDS = (str, dict)


def _paths_of(listing: Listing) -> list[bytes]:
    return [entry.path for entry in listing.entries]


def _encoded(path: str) -> bytes:
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogatepass")  # no file has such a name; the report shows it


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d{1,18}", text, re.ASCII) is not None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and _is_number(value) else None


def _time(value: Any) -> float | None:
    """Seconds since 1970 from what people write: seconds, milli-, micro- or nanoseconds, or ISO 8601."""
    if isinstance(value, datetime):
        return calendar.timegm(value.utctimetuple()) + value.microsecond / 1e6  # what names no zone counts as UTC
    if isinstance(value, str):
        try:
            return _time(float(value)) if re.fullmatch(r"\d+(\.\d+)?", value) else _time(datetime.fromisoformat(value))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    seconds = float(value)
    while seconds > 1e11:  # the year 5138: no file is that young
        seconds /= 1000
    return seconds
