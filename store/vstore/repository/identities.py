"""The identities of spaces: noted once their own files give all probes their vectors, and looked up by new files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vstore.embed.builtin import RECIPES
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families import FAMILIES
from vstore.embed.hf.identity import Known, identity_of
from vstore.embed.model_words import BUILTIN, Words
from vstore.embed.prepared import other_preparations
from vstore.errors import Locked
from vstore.format.entries import Space
from vstore.format.recipes import Recipe, space_id
from vstore.repository.repository import Repository


def known_model(repo: Repository, space: Space) -> Known:
    """Gather what the store knows of the model of a space. Raises: Damage; ModelError if the recipe is lost."""
    return Known(repo.recipe(space.id), space.identity, space.name)


def may_have_identity(repo: Repository, space: Space) -> bool:
    """Tell whether a space can have an identity: format 1 cannot hold it, and only models in files have one."""
    return repo.format >= 2 and repo.recipe(space.id).get("family") in FAMILIES


def identity_with(recipe: Recipe, words: Words, digests: Digests) -> str:
    """Compute the identity of a recipe with the model that words name; empty where no files decide its vectors.

    Raises: ModelError, OSError.
    """
    if recipe.get("family") not in FAMILIES:
        return ""
    from vstore.embed.hf.loading import find_files

    files = find_files(Known(recipe), words, digests)
    return identity_of(recipe, files.folder, files.adapter, digests)


def space_of(repo: Repository, recipe: Recipe, identity: Callable[[Recipe], str]) -> Space | None:
    """Find the space of a model: that of its recipe, else the first one with its identity.

    identity: computes that of the model; called only where it can be found.
    Raises:   ModelError, OSError.
    """
    exact = repo.state.spaces.get(space_id(recipe))
    others = [space for space in repo.state.spaces.values() if space.identity and space.recipe]
    if exact is not None or not others:
        return exact
    wanted = identity(recipe)
    return next((space for space in others if space.identity == wanted), None)


def with_older(recipe: Recipe) -> list[Recipe]:
    """List a recipe and that of version 1, by which an earlier version of vstore may have made its space."""
    return [recipe, *([{**recipe, "version": 1}] if recipe.get("version") == 2 else [])]


class Naming(NamedTuple):
    """The model that is added.

    name:     of its space; that of a known one is the space that is meant.
    words:    those of its model.
    identity: computes that of a recipe; called only where it can be found.
    """

    name: str
    words: Words
    identity: Callable[[Recipe], str]


def known_preparation(repo: Repository, recipe: Recipe, naming: Naming) -> Recipe:
    """Prepare pictures as the space of a model does, if it has one: words that say nothing of it ask for no second one.

    recipe:  of the model, with the preparation of a new space.
    Returns: the recipe with the preparation of its space.
    Raises:  ModelError, OSError, Damage.
    """
    known = []
    for one in (recipe, *_prepared_otherwise(recipe, naming.words)):
        spaces = [space_of(repo, older, naming.identity) for older in with_older(one)]
        if naming.name in [space.name for space in spaces if space is not None]:
            return one
        known += [one for space in spaces if space is not None]
    return known[0] if known else recipe


def _prepared_otherwise(recipe: Recipe, words: Words) -> list[Recipe]:
    """List the recipes of a model by the preparations that words leave open."""
    if recipe["family"] == BUILTIN:
        return [] if words.prepare is not None else [one for one in RECIPES.values() if one != recipe]
    return [{**recipe, "prepare": prepare} for prepare in other_preparations(recipe, words)]


def declared_space(repo: Repository, recipe: Recipe | None, place: Mapping[str, Any]) -> Known | None:
    """Find the space of a declared model, which may lie in other files than those of the space.

    recipe: None if no model was declared.
    place:  the words of the model.
    Raises: ModelError, Damage, OSError.
    """
    if recipe is None or not place:
        return None
    digests = Digests(repo.layout.cache)
    words = Words.from_json(place)
    found = (space_of(repo, one, lambda given: identity_with(given, words, digests)) for one in with_older(recipe))
    space = next((one for one in found if one is not None and one.recipe), None)
    digests.keep()
    return None if space is None else known_model(repo, space)


def note_identity(repo: Repository, space: Space, digests: Digests) -> None:
    """Note the identity of a space whose model has just given all probes their vectors.

    It is noted only of the very files that the space was made with. Where another command keeps `commit` too long, a
    later run does it.
    Raises: ModelError, Damage, DiskTrouble, ReadOnly.
    """
    from vstore.embed.hf.loading import find_files
    from vstore.embed.hf.source.hub import Hub

    known = known_model(repo, space)
    files = find_files(known, Words.from_json(space.place), digests, Hub(offline=True))
    if files.is_original:
        identity = identity_of(known.recipe, files.folder, files.adapter, digests)
        with contextlib.suppress(Locked), repo.committing("verify"):
            now = repo.state.spaces.get(space.id)
            # Another command may have noted it meanwhile, or have dropped the space. With other defaults of a class
            # it is another one: later files are compared with the newest.
            if now is not None and now.identity != identity and repo.format >= 2:
                repo.publish("verify", {"spaces": {space.id: {"identity": identity}}}, about=space.name)
