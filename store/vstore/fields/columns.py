"""The columns of a file of fields: those that say which picture a row is of, and how a field is called as one. Pure."""

from __future__ import annotations

FORMATS = ("csv", "jsonl", "parquet")
SUFFIXES = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
KEY, PATH, PATHS, PATHS_B64 = "key", "path", "paths", "paths_b64"
OWN = (KEY, PATH, PATHS, PATHS_B64)  # none of them is a field
BY = (*OWN[:3], "filepath", "file_path", "file", "filename", "file_name", "image_path")  # the first of these is taken
PREFIX = "field."  # before the name of a field that is called as one of ours, or that begins so itself
JSON_MARK = {b"vstore": b"json"}  # metadata of a Parquet column whose texts are JSON: its values have several types


def column_of(name: str) -> str:
    """Give the column of a field."""
    return PREFIX + name if name in OWN or name.startswith(PREFIX) else name


def field_of(column: str) -> str:
    """Give the field of a column."""
    return column.removeprefix(PREFIX)
