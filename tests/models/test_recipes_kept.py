"""The recipes of models that worked before stay byte for byte: their sha256 names spaces that are full of vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.kept_recipes import CASES, RECIPES, Case, recipe_in, written

KEPT: dict[str, Any] = json.loads(RECIPES.read_text())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    top = tmp_path_factory.mktemp("kept")
    assert list(written(top)) == CASES
    yield top


def test_every_case_is_kept() -> None:
    assert KEPT.keys() == {case.name for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_recipe_is_what_it_was(folders: Path, case: Case) -> None:
    """A difference here is another space for everybody who has this model, that is, hours of embedding it again."""
    assert recipe_in(folders, case) == KEPT[case.name]
