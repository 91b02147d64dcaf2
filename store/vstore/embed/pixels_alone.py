"""Tells whether a model sees prepared pixels and nothing else: then equal pixels get equal vectors."""

from __future__ import annotations

from vstore.format.recipes import Recipe


def sees_pixels_alone(recipe: Recipe) -> bool:
    """Tell whether the model of a recipe sees prepared pixels alone. It is not loaded.

    Code that came with a model says nothing of that, and a plug-in counts as such unless it declares otherwise.
    Raises: ModelError if an installed plug-in cannot be loaded.
    """
    family = str(recipe.get("family"))
    if family == "builtin":
        return True
    from vstore.embed.hf.families import FAMILIES

    if family in FAMILIES:
        return family != "remote" and "code" not in recipe
    from vstore.embed.plugins import find_plugin

    return getattr(find_plugin(family), "sees_pixels_alone", False) is True
