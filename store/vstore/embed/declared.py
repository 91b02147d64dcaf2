"""The declared model of vectors. It is not loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vstore.embed.hf.digests import Digests
from vstore.embed.model_words import Words
from vstore.errors import UsageError
from vstore.format.recipes import Recipe


class Declared(NamedTuple):
    """A declared model.

    recipe: everything its vectors depend on; None if no model was declared.
    place:  the words of the model.
    """

    recipe: Recipe | None
    place: Mapping[str, Any]


def declared(words: Words, recipe: Recipe | None, cache: Path | None = None) -> Declared:
    """Take the given recipe, or work out that of the named model from its files alone.

    Vectors of before were made by preparation 1, as all were that could be made then, if the words say nothing of it.
    cache:  the store's cache folder, for digests of files.
    Raises: UsageError if the words name no model, or a recipe stands beside them; ModelError if the model is
            missing.
    """
    if words == Words():
        return Declared(recipe, {})
    if recipe is not None or (words.model is None and words.adapter is None):
        raise UsageError("these options need a model, and none was named", "name it with --model")
    from vstore.embed.builtin import RECIPES
    from vstore.embed.plugins import describe_by_plugin
    from vstore.embed.short_names import with_full_name

    builtin = {"builtin": RECIPES[words.prepare or 1], **{str(one["name"]): one for one in RECIPES.values()}}
    if words.model in builtin and words.adapter is None:
        return Declared(builtin[words.model], {})
    words = with_full_name(words)
    plugged = describe_by_plugin(words)
    if plugged is not None:
        return Declared(plugged, words.to_json())
    from vstore.embed.hf.description import describe

    digests = Digests(cache)
    prepared = words._replace(prepare=words.prepare or (1 if (words.colour, words.decode) == (None, None) else 2))
    found, place = describe(prepared, digests)
    digests.keep()
    return Declared(found, place._replace(prepare=None).to_json())
