"""The recipe of the model that an old index is declared to be of."""

from __future__ import annotations

from vstore.embed import Recipe
from vstore.errors import ModelError


def declared(model: str | None, adapter: str | None) -> Recipe:
    """Find the recipe of a model by its name. Raises: ModelError if this version knows no such model."""
    from vstore.embed.builtin import DEFAULT_RECIPE

    if model == DEFAULT_RECIPE["name"] and adapter is None:
        return DEFAULT_RECIPE
    raise ModelError(
        f"this vstore knows no model {model!r}" + (f" with the adapter {adapter!r}" if adapter else ""),
        "import without --model, and declare it later: vstore check --reembed 32 --model MODEL",
    )
