"""Keeps the recipes and probes of spaces, or says that they are lost."""

from __future__ import annotations

from vstore.embed.model_words import Words
from vstore.errors import Damage
from vstore.format.entries import Space
from vstore.repair.blobs import Blobs
from vstore.repair.findings import Findings
from vstore.repository.objects import how_to_give
from vstore.repository.repository import Repository


def keep_recipes(repo: Repository, found: Findings, blobs: Blobs) -> None:
    """Fetch the recipe and the probes of every space."""
    for space in found.state.spaces.values():
        if not _keep_recipe(repo, found, blobs, space):
            found.left.append(
                f"the recipe of the space {space.name} is lost: its vectors can be searched, but nothing "
                f"can be embedded in it until the recipe is back; {how_to_give(space)}"
            )
        elif space.probes:
            try:
                blobs.fetch(space.probes)
            except Damage:
                found.left.append(
                    f"the probes of the space {space.name} are lost: nothing can be embedded in it, and gc does not "
                    f"run, until its model is added again: {Words.from_json(space.place).command(space.name)}"
                )


def _keep_recipe(repo: Repository, found: Findings, blobs: Blobs, space: Space) -> bool:
    """Fetch a recipe. Returns: whether there is one; if it is lost the log says so, and gc runs without it."""
    if space.recipe and blobs.has(space.recipe):
        blobs.fetch(space.recipe)
        return True
    recipe = blobs.recipe_of(space.id)
    if recipe is not None:
        digest = repo.hash.digest(recipe)
        blobs.fresh[digest] = recipe
        found.put_space(space._replace(recipe=digest))
        found.did(f"the recipe of the space {space.name} was recovered")
    elif space.recipe:
        # Its probes came with it, and prove nothing without it.
        found.put_space(space._replace(recipe=b"", probes=b""))
        found.did(f"the space {space.name} is marked: its recipe is lost")
    return recipe is not None
