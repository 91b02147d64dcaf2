"""CSV: a row per path, in the order of the paths, or best first, with facts and fields as columns and without vectors.

UTF-8, a header, lines that end in CR LF, quotes where they are needed: RFC 4180. What is not known is an empty cell.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from vstore.disk.target import create
from vstore.export.columns import FactColumn, FieldColumn, columns_of
from vstore.export.details import DetailsFile
from vstore.export.pictures import Pictures
from vstore.format.canonical import Json
from vstore.format.facts import FLAT, PIXELS, READER
from vstore.repository.repository import Repository


def write(repo: Repository, pictures: Pictures, out: Path) -> None:
    with DetailsFile(pictures, out.parent) as details, create(out) as file:
        columns = [column for column in columns_of(details) if not _is_inner(column)]
        names = pictures.path_names
        text = io.TextIOWrapper(file, "utf-8", newline="")
        table = csv.writer(text, lineterminator="\r\n")
        scored = ["score"] if pictures.scores is not None else []
        table.writerow([*scored, *names, "key", *(column.name for column in columns)])
        for path, key in pictures.every_path():
            named, said = pictures.named_path(path), details.of(key)
            cells = [_cell(column.value(said)) for column in columns]
            score = [] if pictures.scores is None else [pictures.scores[key]]
            table.writerow([*score, *(named.get(name) for name in names), key.hex(), *cells])
        text.flush()
        text.detach()


def _is_inner(column: FactColumn | FieldColumn) -> bool:
    """Tell whether a column says nothing to people: which reader read, or a digest of pixels. No import reads a CSV."""
    return isinstance(column, FactColumn) and (column.fact == READER or column.fact.name.startswith((PIXELS, FLAT)))


def _cell(value: Json) -> Json:
    """Write a value as text: true and false as JSON has them, and lists as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (bool, list)) else value
