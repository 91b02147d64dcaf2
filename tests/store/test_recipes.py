"""Recipes: what every one has."""

from __future__ import annotations

from typing import Any

import pytest

from vstore.errors import Damage
from vstore.format.canonical import canonical
from vstore.format.recipes import recipe_of


def test_a_recipe_is_read_with_all_that_it_has() -> None:
    recipe = {"family": "of a plug-in", "dim": 8, "more": [1]}
    assert recipe_of(canonical(recipe)) == recipe


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"family": "builtin"},
        {"dim": 8},
        {"family": 5, "dim": 8},
        {"family": "builtin", "dim": 0},
        {"family": "builtin", "dim": (1 << 20) + 1},
        {"family": "builtin", "dim": 8.0},
        {"family": "builtin", "dim": True},
        {"family": "builtin", "dim": 8, "prepare": []},
        {"family": "builtin", "dim": 8, "prepare": None},
        {"family": "builtin", "dim": 8, "prepare": {"policy": None}},
        {"family": "builtin", "dim": 8, "prepare": {"policy": "2"}},
    ],
)
def test_what_lacks_what_all_have_is_no_recipe(value: Any) -> None:
    with pytest.raises(Damage, match="a recipe cannot be read"):
        recipe_of(canonical(value))
