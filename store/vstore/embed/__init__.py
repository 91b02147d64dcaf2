"""Embedders: what turns prepared pictures into vectors, and the recipe that says how."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from vstore.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    Floats = npt.NDArray[np.float32]

Recipe = Mapping[str, Any]


class Embedder(Protocol):
    """A model with its preparation: the same recipe gives the same vectors.

    recipe: canonical JSON of all that decides a vector's value; its sha256 is the space id.
    dim:    values per vector.
    """

    recipe: Recipe
    dim: int

    def embed_images(self, pictures: Sequence[Image]) -> Floats:
        """Embed prepared pictures (RGB, fitted to the recipe's size).

        Returns: float32 (n, dim), rows of L2 norm 1; a row that could not be computed holds NaN.
        """
        ...


def recipe_bytes(recipe: Recipe) -> bytes:
    """Canonical JSON: sorted keys, no spaces, ASCII."""
    return json.dumps(recipe, sort_keys=True, separators=(",", ":")).encode("ascii")


def space_id(recipe: Recipe) -> str:
    """Name the space of a recipe: sha256 of its canonical JSON, in hex. Always sha256, whatever the store's hash."""
    import hashlib

    return hashlib.sha256(recipe_bytes(recipe)).hexdigest()


def load_embedder(recipe: Recipe) -> Embedder:
    """Make the embedder that a recipe describes.

    Raises: ModelError if this version knows none of that family.
    """
    family = recipe.get("family")
    if family == "builtin":
        from vstore.embed.builtin import BuiltinEmbedder

        return BuiltinEmbedder(recipe)
    raise ModelError(
        f"this vstore has no embedder of the family {family!r}",
        "install the version or the plug-in that made the space",
    )
