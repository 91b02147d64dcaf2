"""Plug-ins: embedders of other packages, entry points of the group `vstore.embedders`, named by their family.

The object of an entry point has two functions. `describe(words)` returns the recipe of `--model FAMILY:REST`: a plain
JSON object with "family", "dim" and everything else that decides a vector. `load(recipe, words, settings)` returns the
embedder. `settings.device` is one device, or `auto` where the user named none.

If its attribute `sees_pixels_alone` is True, it declares that a vector depends on the recipe and on the prepared pixels
that `embed_images` gets, and on nothing else: a picture whose metadata was edited keeps its vector then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from vstore.errors import ModelError, UsageError

if TYPE_CHECKING:
    from vstore.embed.embedder import Embedder
    from vstore.embed.model_words import Settings, Words
    from vstore.format.recipes import Recipe

GROUP = "vstore.embedders"


class Plugin(Protocol):
    """The object of an entry point."""

    def describe(self, words: Words) -> dict[str, Any]:
        """Work out the recipe of a model."""
        ...

    def load(self, recipe: Recipe, words: Words, settings: Settings) -> Embedder:
        """Load the embedder of a recipe."""
        ...


def plugins() -> list[str]:
    """List the families of all installed plug-ins."""
    from importlib.metadata import entry_points

    return sorted(point.name for point in entry_points(group=GROUP))


def find_plugin(family: str) -> Plugin | None:
    """Load the plug-in of a family, or return None. Raises: ModelError if an installed one cannot be loaded."""
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        if point.name == family:
            try:
                return cast("Plugin", point.load())
            except Exception as err:
                package = point.dist.name if point.dist is not None else "a package"
                raise ModelError(
                    f"the plug-in {family!r} of {package} cannot be loaded: {err}", "upgrade or reinstall it"
                ) from err
    return None


def describe_by_plugin(words: Words) -> dict[str, Any] | None:
    """Work out the recipe of `FAMILY:REST`, or return None if no such plug-in is installed. Raises: ModelError."""
    family, colon, _ = (words.model or "").partition(":")
    plugin = find_plugin(family) if colon else None
    if plugin is None:
        return None
    if (words.prepare, words.colour, words.decode) != (None, None, None):
        raise UsageError(
            f"the plug-in {family!r} says itself how its pictures are prepared",
            "leave --prepare, --colour and --decode out",
        )
    recipe = dict(plugin.describe(words))
    if recipe.get("family") != family or not isinstance(recipe.get("dim"), int):
        raise ModelError(f"the recipe of the plug-in {family!r} lacks its family or its dim", "report it to its author")
    return recipe
