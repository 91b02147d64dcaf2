"""A recipe: everything that decides the value of a vector, as one JSON object; its sha256 names the space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vstore.errors import Damage
from vstore.format.canonical import SMALL, canonical, parsed
from vstore.format.names import is_number
from vstore.format.segment_header import LARGEST_DIM

Recipe = Mapping[str, Any]

_WITHOUT_TEXT = ("builtin", "imported")  # families of recipes that read none, and do not say so


def space_id(recipe: Recipe) -> str:
    """Name the space of a recipe: sha256 of its canonical JSON, in hex, whatever the store's own hash is."""
    import hashlib

    return hashlib.sha256(canonical(recipe)).hexdigest()


def recipe_of(data: bytes) -> dict[str, Any]:
    """Read a recipe whose digest was checked. Raises: Damage if it is none."""
    try:
        recipe = parsed(data, SMALL)
        if not isinstance(recipe, dict):
            raise TypeError("it is no object")
        if not is_number(recipe["dim"], 1, LARGEST_DIM) or type(recipe["family"]) is not str:
            raise ValueError("its family or dim is none")
        if type(recipe.get("prepare", {})) is not dict or type(recipe.get("prepare", {}).get("policy", 1)) is not int:
            raise ValueError("its preparation is none")
    except (ValueError, TypeError, KeyError) as err:
        raise Damage(f"a recipe cannot be read: {err!r}", "run: vstore check") from err
    return recipe


def reads_text(recipe: Mapping[str, Any]) -> bool:
    """Tell whether a space may read text: what its recipe does not say is not known yet."""
    return recipe.get("text", None if recipe.get("family") in _WITHOUT_TEXT else True) is not None
