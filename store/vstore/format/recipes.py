"""A recipe: everything that decides the value of a vector, as one JSON object; its sha256 names the space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vstore.format.canonical import canonical

Recipe = Mapping[str, Any]


def space_id(recipe: Recipe) -> str:
    """Name the space of a recipe: sha256 of its canonical JSON, in hex, whatever the store's own hash is."""
    import hashlib

    return hashlib.sha256(canonical(recipe)).hexdigest()
