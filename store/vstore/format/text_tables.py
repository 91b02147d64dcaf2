"""Tables of text: files whose cells stand between commas, or other signs, as CSV has them. Pure."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _csv import Reader

CELL = 16 << 20  # characters of a cell at most; csv by itself ends at 131,072, and a caption may have more
_DELIMITERS = ",;\t|"


def cells_of(lines: Iterable[str], head: str, name: PurePath) -> Reader:
    """Read the rows of a table of text.

    head: its first line, which says by which sign cells are divided.
    name: of the file: tabs divide those of a .tsv.
    """
    csv.field_size_limit(max(CELL, csv.field_size_limit()))  # of the process: that of a program is never lowered
    delimiter = "\t" if name.suffix.lower() == ".tsv" else max(_DELIMITERS, key=head.count)
    return csv.reader(lines, delimiter=delimiter, strict=True)
