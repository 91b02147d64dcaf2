"""Writes the fields of a snapshot to a file: a row for each picture that has any, in the order of the keys."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

from vstore.errors import UsageError
from vstore.fields.columns import FORMATS, JSON_MARK, KEY, PATH, PATHS, PATHS_B64, SUFFIXES, column_of
from vstore.fields.named import rows_of
from vstore.fields.report import FieldRow, FieldsExported
from vstore.fields.spool import Spool
from vstore.format.canonical import Json, named_path
from vstore.format.entries import Snapshot
from vstore.format.field_text import json_value, plain_text
from vstore.format.fields import FieldValue, decode_field, split_field_key
from vstore.format.table import Table
from vstore.packages import PARQUET
from vstore.progress import Progress, Stages
from vstore.repository.fields import fields_of
from vstore.repository.repository import Repository

_BLOCK = 4096  # pictures of a group of rows

Make = Callable[[Path, Callable[[Path], None]], None]


class Row(NamedTuple):
    """A picture with fields.

    key:    of the picture.
    paths:  its stored paths in the snapshot.
    fields: value by name.
    """

    key: bytes
    paths: Sequence[bytes]
    fields: dict[str, FieldValue]


def fields_export(
    repo: Repository, out: Path | BinaryIO, make: Make, *, format: str | None, at: str, progress: Progress | None
) -> FieldsExported:
    """Write fields to a file, or into an open one.

    make:   lets a function make a file, so that none is ever seen half done.
    Raises: UsageError for a format that there is not, and if the file is there; SnapshotNotFound, AmbiguousSnapshot;
            MissingPackage; Damage, DiskTrouble.
    """
    kind = format or (SUFFIXES.get(out.suffix.lower()) if isinstance(out, Path) else "jsonl")
    if kind not in FORMATS:
        what = f"there is no format {format!r}" if format else f"the format of {out} is not known by its name"
        raise UsageError(what, f"say one with --format: {', '.join(FORMATS)}")
    if kind == "parquet":
        PARQUET.load()
    snapshot = repo.snapshot(at)
    table = fields_of(repo, snapshot)
    columns = rows_of(table, repo.hash.size)
    pictures = 0
    stages = Stages(progress)

    def counted_rows(paths: Spool) -> Iterator[Row]:
        nonlocal pictures
        for row in _rows(table, paths, repo.hash.size):
            pictures += 1
            stages.advance(1)
            yield row

    def write(file: IO[bytes]) -> None:
        nonlocal pictures
        pictures = 0
        with Spool() as paths:
            stages.begin("reading the store", None)
            encoded = _set_aside(repo, snapshot, paths)
            stages.begin("writing", None, unit="pictures")
            _WRITERS[kind](file, counted_rows(paths), columns, encoded)

    def write_file(path: Path) -> None:
        with path.open("xb") as file:
            write(file)

    if isinstance(out, Path):
        make(out, write_file)
    else:
        with tempfile.TemporaryFile() as made:  # rows that are read again, after a gc, must not be in it twice
            write(made)
            made.seek(0)
            shutil.copyfileobj(made, out)
    fields = sum(column.pictures for column in columns)
    return FieldsExported(snapshot.name, kind, str(out) if isinstance(out, Path) else None, pictures, fields)


def _set_aside(repo: Repository, snapshot: Snapshot, paths: Spool) -> bool:
    """Sort the paths of a snapshot by their keys, on disk. Returns: some path is not UTF-8."""
    encoded = False
    for number, (path, key) in enumerate(repo.mapped_tree(snapshot)):
        paths.add(number, path, [(b"", key)])
        encoded = encoded or "path_b64" in named_path(path)
    paths.finish()
    return encoded


def _rows(table: Table, paths: Spool, key_size: int) -> Iterator[Row]:
    """Walk the fields and the paths, both sorted by key, together."""
    by_key = iter(paths.by_value())
    at = next(by_key, None)
    for key, entries in groupby(table.items(), lambda entry: entry[0][:key_size]):
        while at is not None and at[0] < key:
            at = next(by_key, None)
        mine = []
        while at is not None and at[0] == key:
            mine.append(at[1])
            at = next(by_key, None)
        fields = {split_field_key(place, key_size)[1]: decode_field(value) for place, value in entries}
        yield Row(key, mine, fields)


def _own(row: Row, *, encoded: bool) -> dict[str, Json]:
    """Give the columns that say which picture a row is of."""
    named = [named_path(path) for path in row.paths]
    own: dict[str, Json] = {KEY: row.key.hex(), PATHS: [one["path"] for one in named]}
    if encoded and any("path_b64" in one for one in named):
        own[PATHS_B64] = [one.get("path_b64") for one in named]
    return own


def _write_lines(file: IO[bytes], rows: Iterator[Row], columns: Sequence[FieldRow], encoded: bool) -> None:
    for row in rows:
        fields = {column_of(name): json_value(value) for name, value in row.fields.items()}
        file.write(json.dumps({**_own(row, encoded=encoded), **fields}, ensure_ascii=False).encode() + b"\n")


def _write_csv(file: IO[bytes], rows: Iterator[Row], columns: Sequence[FieldRow], encoded: bool) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.writer(_Lines(text))
    writer.writerow([KEY, PATH, *(column_of(column.name) for column in columns)])
    for row in rows:
        path = named_path(row.paths[0])["path"] if row.paths else ""
        cells = [plain_text(row.fields[one.name]) if one.name in row.fields else "" for one in columns]
        writer.writerow([row.key.hex(), path, *cells])
    text.flush()
    text.detach()


class _Lines:
    """A file of text with line ends of Unix. A writer that writes those itself quotes no carriage return."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text

    def write(self, line: str) -> None:
        """Write a line that ends as in Windows."""
        self._text.write(line.removesuffix("\r\n") + "\n")


def _write_parquet(file: IO[bytes], rows: Iterator[Row], columns: Sequence[FieldRow], encoded: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = pa.list_(pa.string())
    types = {
        "text": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "date": pa.timestamp("us", "UTC"),
        "list": texts,
    }
    own = [pa.field(KEY, pa.string()), pa.field(PATHS, texts), *([pa.field(PATHS_B64, texts)] if encoded else [])]
    mixed = {column.name for column in columns if len(column.types) > 1}
    fields = [
        pa.field(column_of(one.name), pa.string(), metadata=JSON_MARK)
        if one.name in mixed
        else pa.field(column_of(one.name), types[next(iter(one.types))])
        for one in columns
    ]
    schema = pa.schema([*own, *fields])

    def cell(row: Row, name: str) -> Any:
        value = row.fields.get(name)
        if value is None:
            return None
        if name in mixed:
            return json.dumps(json_value(value), ensure_ascii=False)
        return list(value) if isinstance(value, tuple) else value

    with pq.ParquetWriter(file, schema) as made:
        while block := list(islice(rows, _BLOCK)):
            heads = [_own(row, encoded=encoded) for row in block]
            arrays = [pa.array([head.get(one.name) for head in heads], one.type) for one in own]
            arrays += [
                pa.array([cell(row, column.name) for row in block], field.type)
                for column, field in zip(columns, fields, strict=True)
            ]
            made.write_table(pa.Table.from_arrays(arrays, schema=schema))


_WRITERS = {"jsonl": _write_lines, "csv": _write_csv, "parquet": _write_parquet}
