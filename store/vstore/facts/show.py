"""Shows what is known of the pictures of the current snapshot."""

from __future__ import annotations

from vstore.facts.report import FactsReport
from vstore.repository.pixel_facts import lacking
from vstore.repository.repository import Repository

WHAT = "facts of pictures"


def show(repo: Repository) -> FactsReport:
    """Count the pictures of the current snapshot without a digest of their pixels.

    Raises: MigrationNeeded, Damage, FileNotFoundError; ModelError if the recipe of the space is lost.
    """
    repo.require_format_2(WHAT)
    snapshot = repo.state.current_snapshot
    if snapshot is None:
        return FactsReport(None, None, 0, 0)
    recipe = repo.recipe(snapshot.space)
    without = lacking(repo, recipe, set(repo.tree(snapshot).every_key()))
    return FactsReport(
        snapshot=snapshot.name,
        space_name=repo.state.spaces[snapshot.space].name,
        images=snapshot.images,
        without_pixels=len(without),
        prepare=recipe.get("prepare", {}).get("policy"),
    )
