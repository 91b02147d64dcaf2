"""The space that the rows of an old index belong to: the one of its model, or one of its own."""

from __future__ import annotations

from typing import NamedTuple

from vstore.embed.rows import require_width
from vstore.errors import ModelError, UsageError
from vstore.format.recipes import Recipe, space_id
from vstore.format.rest_entry import Import
from vstore.importing.old_index import Old
from vstore.importing.options import ImportOptions
from vstore.repository.identities import declared_space
from vstore.repository.names import refuse_space_name
from vstore.repository.repository import Repository

FAMILY = "imported"  # the family of a recipe without a model


class Chosen(NamedTuple):
    """The space of an import.

    id:     space id.
    name:   its name, for people.
    status: "claimed" where it is new.
    recipe: None if an import is resumed.
    """

    id: str
    name: str
    status: str
    recipe: Recipe | None = None


def resumed_space(repo: Repository, resumed: Import) -> Chosen:
    """Take the space of an import that is resumed."""
    known = repo.state.spaces[resumed.space]
    return Chosen(known.id, known.name, known.status)


def choose_space(repo: Repository, options: ImportOptions, old: Old) -> Chosen:
    """Choose the space of an index.

    Raises: UsageError if its name is taken or not valid, or the index has vectors of another width; ModelError if
            the index names another model than the options do.
    """
    recipe = _recipe_of(repo, old, options)
    step = "name the model that made this index"
    require_width(recipe["dim"], old.source.dim, old.origin, step=step, error=UsageError)
    space = space_id(recipe)
    found = repo.state.spaces.get(space)
    if found is not None:
        if options.as_space not in (None, found.name):
            raise UsageError(f"this space already exists under the name {found.name!r}", "import without --as-space")
        return Chosen(space, found.name, found.status, recipe)
    name = options.as_space or _name_of(old, recipe, space)
    refuse_space_name(repo.state, name, "choose another name with --as-space")
    if any(other.name == name for other in repo.state.spaces.values()):
        raise UsageError(f"another space has the name {name!r}", "choose another name with --as-space")
    return Chosen(space, name, "claimed", recipe)


def _recipe_of(repo: Repository, old: Old, options: ImportOptions) -> Recipe:
    if old.exported is not None:
        if options.recipe is not None and space_id(options.recipe) != space_id(old.exported.recipe):
            raise ModelError(
                "vstore.json names another model than --model does", "leave --model out, or move vstore.json away"
            )
        recipe: Recipe = old.exported.recipe
        return recipe
    if options.recipe is not None:
        known = declared_space(repo, options.recipe, options.place)
        return options.recipe if known is None else known.recipe
    return {"family": FAMILY, "dim": old.source.dim, "sha256": old.fingerprint()}


def _name_of(old: Old, recipe: Recipe, space: str) -> str:
    if old.exported is not None:
        return old.exported.space_name
    return str(recipe.get("name") or f"imported-{space[:8]}")
