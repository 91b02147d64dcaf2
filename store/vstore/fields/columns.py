"""The columns of a file of fields: those that say which picture a row is of, and how a field is called as one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vstore.format.facts import FLAT, KNOWN, PIXELS, READER
from vstore.format.field_text import time_of

FORMATS = ("csv", "jsonl", "parquet")
SUFFIXES = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
KEY, PATH, PATHS, PATHS_B64 = "key", "path", "paths", "paths_b64"
OWN = (KEY, PATH, PATHS, PATHS_B64)  # none of them is a field
BY = (*OWN[:3], "filepath", "file_path", "file", "filename", "file_name", "image_path")  # the first of these is taken
PREFIX = "field."  # before the name of a field that is called as one of ours, or that begins so itself
EXPORTED = ("path_b64", "file", "file_b64", "files", "files_b64", "image_path", "vector", "score")  # by vstore export
_NUMBERS = ("", "Unnamed: 0", "index")  # what pandas calls the column that numbers the rows
JSON_MARK = {b"vstore": b"json"}  # metadata of a Parquet column whose texts are JSON: its values have several types


def is_exported(names: Sequence[str]) -> bool:
    """Tell whether these are the columns of a table of `vstore export`: no other has a path, a file and a key so.

    Another program may have written it again, with further columns and the numbers of its rows before all.
    """
    path, file, key = (names.index(name) if name in names else -1 for name in (PATH, "file", KEY))
    if 0 <= path < file < key:
        return not (set(names[:key]) - {*OWN, *EXPORTED, *_NUMBERS})
    key, paths, files = (names.index(name) if name in names else -1 for name in (KEY, PATHS, "files"))
    return 0 <= key < paths < files and "vector" in names and not (set(names[:files]) - {*OWN, *EXPORTED, *_NUMBERS})


def of_an_export(names: Iterable[str]) -> frozenset[str]:
    """Name the columns of a file of `vstore export` that are no fields: its own, and the facts."""
    facts = {READER.name, *(fact.name for fact in KNOWN)}
    return frozenset(one for one in names if one in EXPORTED or one in facts or one.startswith((PIXELS, FLAT)))


def without_export(cells: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read a line of JSON of `vstore export`: its fields, and what was added to it. Other lines stay as they are.

    Raises: ValueError for a time that is none.
    """
    facts, fields, times = cells.get("facts"), cells.get("fields"), cells.get("field_times", [])
    if KEY not in cells or not (isinstance(facts, dict) and isinstance(fields, dict) and isinstance(times, list)):
        return cells
    own = {
        column_of(name): time_of(value) if name in times and isinstance(value, str) else value
        for name, value in fields.items()
    }
    others = {*EXPORTED, "facts", "fields", "field_times"}
    return own | {name: value for name, value in cells.items() if name not in others}


def column_of(name: str) -> str:
    """Give the column of a field."""
    return PREFIX + name if name in OWN or name.startswith(PREFIX) else name


def field_of(column: str) -> str:
    """Give the field of a column."""
    return column.removeprefix(PREFIX)
