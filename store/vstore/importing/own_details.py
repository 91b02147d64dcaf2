"""The list of an export of vstore, with the facts and fields of its pictures."""

from __future__ import annotations

import binascii
import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vstore.errors import UsageError
from vstore.format.canonical import Json
from vstore.format.exported import NAME, Exported
from vstore.format.exported_details import ABOUT, Details, read_fact
from vstore.format.facts import TAKEN
from vstore.format.list_columns import Columns
from vstore.importing.listing import Entry, Listing
from vstore.packages import PARQUET

if TYPE_CHECKING:
    import pyarrow

KEY = re.compile(r"(?:[0-9a-f]{32}){1,2}")
_BATCH = 1024  # rows of columns that are read at once
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Tell what cannot be read of an export. Raises: UsageError."""
    try:
        yield
    except _UNREADABLE as err:
        raise UsageError(f"{path} is not a valid export of vstore ({err!r})", "export the snapshot again") from err


def own_entries(number: int, row: Mapping[str, Any]) -> list[Entry]:
    """Read the paths of a picture. row: `key`, `paths`, and `paths_b64` or null. Raises: ValueError and others."""
    key, paths = row["key"], row["paths"]
    encoded = row.get("paths_b64") or [None] * len(paths)
    if not KEY.fullmatch(key) or not paths or len(encoded) != len(paths):
        raise ValueError(f"row {number} has no key, or no path")
    return [
        Entry(text.encode("utf-8") if b64 is None else binascii.a2b_base64(b64), key=bytes.fromhex(key))
        for text, b64 in zip(paths, encoded, strict=True)
    ]


def own_listing(entries: list[Entry], details: Iterable[Details], note: str) -> Listing:
    """Make a list of entries. details: of each entry."""
    said = list(details)
    facts = [one.fact for one in said]
    return Listing(
        entries,
        {},
        notes=(note,),
        columns=Columns([one.fields for one in said], own=True) if any(one.fields for one in said) else Columns(),
        facts=facts if any(facts) else (),
    )


def json_details(keys: Sequence[str], rows: Iterable[Mapping[str, Json]]) -> Iterator[Details]:
    """Read what JSON says of pictures. Raises: ValueError and others."""
    for key, row in zip(keys, rows, strict=True):
        yield Details.from_json(bytes.fromhex(key), row)


def arrow_details(file: Path, keys: Sequence[str]) -> Iterator[Details]:
    """Read what the columns of a Parquet file say of pictures. Raises: ValueError and others; MissingPackage."""
    pq = PARQUET.load()
    import pyarrow

    try:
        with pq.ParquetFile(file) as opened:
            about: dict[str, dict[str, Any]] = {
                field.name: json.loads(field.metadata[ABOUT])
                for field in opened.schema_arrow
                if field.metadata is not None and ABOUT in field.metadata
            }
            at = 0
            for batch in opened.iter_batches(_BATCH, columns=["key", *about]):
                rows: list[dict[str, Any]] = [{"facts": {}, "fields": {}} for _ in range(batch.num_rows)]
                for name, kind in about.items():
                    _add(rows, kind, batch.column(name))
                for row in rows:
                    yield Details(read_fact(bytes.fromhex(keys[at]), row["facts"]), row["fields"])
                    at += 1
    except (pyarrow.ArrowException, OSError) as err:
        raise ValueError(str(err)) from err


def _add(rows: Sequence[dict[str, Any]], about: Mapping[str, Any], column: pyarrow.Array) -> None:
    """Add the values of a column to the facts or fields of rows. about: as the metadata of the column says."""
    import pyarrow

    part = "fact" if "fact" in about else "field"
    name = about[part]
    if (part, name) == ("fact", TAKEN.name):
        column = column.cast(pyarrow.int64())
    for row, value in zip(rows, column.to_pylist(), strict=True):
        if value is not None:
            row[f"{part}s"][name] = _of_json(json.loads(value)) if about.get("json") else _plain(value)


def _of_json(value: Any) -> Any:
    return datetime.fromisoformat(value["time"]) if isinstance(value, dict) else _plain(value)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def triple_details(exported: Exported, file: Path) -> Iterator[Details]:
    """Read the lines that lie beside a `vstore.json`, a line for each of its rows. Raises: ValueError and others."""
    with file.open("rb") as lines:
        for key, line in zip(exported.keys, lines, strict=True):
            value = json.loads(line)
            if value["key"] != key.hex():
                raise ValueError(f"its lines are not those of {NAME}")
            yield Details.from_json(key, value)
