"""The columns of a file of fields: those that say which picture a row is of, and how a field is called as one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vstore.format.facts import FLAT, KNOWN, PIXELS, READER

FORMATS = ("csv", "jsonl", "parquet")
SUFFIXES = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
KEY, PATH, PATHS, PATHS_B64 = "key", "path", "paths", "paths_b64"
OWN = (KEY, PATH, PATHS, PATHS_B64)  # none of them is a field
BY = (*OWN[:3], "filepath", "file_path", "file", "filename", "file_name", "image_path")  # the first of these is taken
PREFIX = "field."  # before the name of a field that is called as one of ours, or that begins so itself
EXPORTED = ("path_b64", "file", "file_b64", "files", "files_b64", "image_path", "vector", "score")  # by vstore export
JSON_MARK = {b"vstore": b"json"}  # metadata of a Parquet column whose texts are JSON: its values have several types


def is_exported(names: Sequence[str]) -> bool:
    """Tell whether these are the columns of a CSV of `vstore export`: no other has a path, a file and a key so."""
    path, file, key = (names.index(name) if name in names else -1 for name in (PATH, "file", KEY))
    return 0 <= path < file < key and not (set(names[:key]) - {*OWN, *EXPORTED})


def of_an_export(names: Iterable[str]) -> frozenset[str]:
    """Name the columns of a file of `vstore export` that are no fields: its own, and the facts."""
    facts = {READER.name, *(fact.name for fact in KNOWN)}
    return frozenset(one for one in names if one in EXPORTED or one in facts or one.startswith((PIXELS, FLAT)))


def column_of(name: str) -> str:
    """Give the column of a field."""
    return PREFIX + name if name in OWN or name.startswith(PREFIX) else name


def field_of(column: str) -> str:
    """Give the field of a column."""
    return column.removeprefix(PREFIX)
