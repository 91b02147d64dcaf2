"""The model that an old index is declared to be of: its recipe and where it lies. Nothing is loaded for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from vstore.embed.hf.digests import Digests
from vstore.embed.model_words import Words
from vstore.format.recipes import Recipe


class Declared(NamedTuple):
    """place: the words by which the model is found again."""

    recipe: Recipe
    place: dict[str, Any]


def declared(words: Words, cache: Path | None = None) -> Declared:
    """Work out what a model's vectors depend on, from its files alone. cache: the store's, for their digests.

    Raises: ModelError if there is no such model.
    """
    from vstore.embed.builtin import DEFAULT_RECIPE
    from vstore.embed.plugins import describe_by_plugin

    if words.model in ("builtin", DEFAULT_RECIPE["name"]) and words.adapter is None:
        return Declared(DEFAULT_RECIPE, {})
    recipe = describe_by_plugin(words)
    if recipe is not None:
        return Declared(recipe, words.to_json())
    from vstore.embed.hf.description import describe

    digests = Digests(cache)
    found, place = describe(words, digests)
    digests.keep()
    return Declared(found, place.to_json())
