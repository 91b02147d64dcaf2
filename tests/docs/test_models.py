"""The page of models names every family, its model types and its poolings, as the code has them."""

from __future__ import annotations

import re

import pytest
from docs_tools.console import TOP

from vstore.embed.hf.families import FAMILIES, family_class

PAGE = (TOP / "docs/reference/models.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# Families of other layouts are in docs/howto/layouts.md; remote code has a section of its own.
ELSEWHERE = ("open-clip", "timm", "sentence", "remote")


@pytest.mark.parametrize("family", [name for name in FAMILIES if not name.startswith(ELSEWHERE)])
def test_a_family_has_its_row(family: str) -> None:
    cls = family_class(family)
    (row,) = [row for row in ROWS if row[0] == f"`{family}`"]
    assert sorted(quoted(row[1])) == sorted(cls.model_types)
    assert quoted(row[3]) == list(cls.poolings[1:])


def test_every_row_is_a_family_with_or_without_texts() -> None:
    from vstore.embed.hf.families.family import TextFamily

    for family, _, _, _, texts in ROWS:
        assert issubclass(family_class(quoted(family)[0]), TextFamily) == (texts != "none"), family
