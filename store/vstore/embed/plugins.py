"""Embedders of other packages: an entry point of the group `vstore.embedders`, whose name is the family.

Its object has two functions. `describe(words)` gives the recipe of what `--model FAMILY:REST` names, a plain JSON
object with "family" and "dim" that says all that decides a vector; `load(recipe, words, settings)` gives the embedder.
`settings.device` is one device, `auto` where the user named none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from vstore.errors import ModelError

if TYPE_CHECKING:
    from vstore.embed.embedder import Embedder
    from vstore.embed.model_words import Settings, Words
    from vstore.format.recipes import Recipe

GROUP = "vstore.embedders"


class Plugin(Protocol):
    def describe(self, words: Words) -> dict[str, Any]: ...

    def load(self, recipe: Recipe, words: Words, settings: Settings) -> Embedder: ...


def plugins() -> list[str]:
    """The families that installed packages bring."""
    from importlib.metadata import entry_points

    return sorted(point.name for point in entry_points(group=GROUP))


def find_plugin(family: str) -> Plugin | None:
    """Load the plug-in of a family. Raises: ModelError if it is there and cannot be loaded."""
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
    """The recipe of `FAMILY:REST` where a plug-in of that name is installed, else None. Raises: ModelError."""
    family, colon, _ = (words.model or "").partition(":")
    plugin = find_plugin(family) if colon else None
    if plugin is None:
        return None
    recipe = dict(plugin.describe(words))
    if recipe.get("family") != family or not isinstance(recipe.get("dim"), int):
        raise ModelError(f"the plug-in {family!r} gives a recipe without its family and a dim", "tell its author")
    return recipe
