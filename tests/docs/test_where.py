"""The page on expressions names every column and function, and no other."""

from __future__ import annotations

import re

from docs_tools.console import TOP

from vstore.where.columns import COLUMNS
from vstore.where.engine import FUNCTIONS

PAGE = (TOP / "docs/reference/where.md").read_text()


def first_cells(heading: str) -> list[str]:
    table = PAGE.partition(heading)[2].partition("|---|---|\n")[2].partition("\n\n")[0]
    return [name for line in table.splitlines() for name in re.findall(r"`(\w+)", line.split("|")[1])]


def test_every_column_is_listed_once() -> None:
    assert first_cells("## Columns") == list(COLUMNS)


def test_every_function_is_listed_once() -> None:
    assert sorted(first_cells("## Operators and functions")) == sorted([*FUNCTIONS, "has"])
