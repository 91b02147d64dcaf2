"""Loads the embedder that a recipe describes: the built-in one, one of transformers, or one of a plug-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.embed.model_words import Settings, Words
from vstore.errors import ModelError

if TYPE_CHECKING:
    from vstore.embed.embedder import Embedder
    from vstore.embed.hf.digests import Digests
    from vstore.embed.hf.identity import Known
    from vstore.format.recipes import Recipe


def load_embedder(
    recipe: Recipe,
    words: Words | None = None,
    settings: Settings | None = None,
    digests: Digests | None = None,
    *,
    known: Known | None = None,
) -> Embedder:
    """Load the embedder that a recipe describes, in this process, on the first device of the settings.

    words:  name its model.
    known:  the space of the recipe, or of the one that it varies.
    Raises: UsageError; ModelError if the recipe's family is unknown here, or the model does not have this recipe.
    """
    family = str(recipe.get("family"))
    if family == "builtin":
        from vstore.embed.builtin import BuiltinEmbedder

        return BuiltinEmbedder(recipe)
    if family == "imported":
        raise ModelError(
            "these vectors were imported without a model, so nothing can be embedded beside them",
            "say which model made them: vstore check --reembed 32 --model MODEL",
        )
    from vstore.embed.hf.families import FAMILIES

    settings = settings or Settings()
    if family in FAMILIES and words is not None:
        from vstore.embed.hf.digests import Digests
        from vstore.embed.hf.loading import load

        return load(recipe, words, settings, digests or Digests(), known=known)
    from vstore.embed.plugins import find_plugin

    plugin = find_plugin(family)
    if plugin is not None:
        return plugin.load(recipe, words or Words(), settings._replace(device=settings.devices[0]))
    raise ModelError(
        f"this vstore has no embedder of the family {family!r}",
        "install the version or the plug-in that made the space",
    )
