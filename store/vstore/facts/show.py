"""Shows what is known of the pictures of the current snapshot."""

from __future__ import annotations

from vstore.facts.report import FactsReport
from vstore.format.tree import Tree
from vstore.repository.cut_facts import every_cut
from vstore.repository.cut_picture import Truncated
from vstore.repository.files import files_of
from vstore.repository.pixel_facts import lacking
from vstore.repository.read_facts import unread
from vstore.repository.repository import Repository

WHAT = "facts of pictures"


def show(repo: Repository) -> FactsReport:
    """Count the pictures of the current snapshot without facts and without a digest of their pixels; list the cut ones.

    Raises: MigrationNeeded, Damage, FileNotFoundError; ModelError if the recipe of the space is lost.
    """
    repo.require_format_2(WHAT)
    snapshot = repo.state.current_snapshot
    if snapshot is None:
        return FactsReport(None, None, 0, 0)
    recipe = repo.recipe(snapshot.space)
    tree = repo.tree(snapshot)
    keys = set(tree.every_key())
    return FactsReport(
        snapshot=snapshot.name,
        space_name=repo.state.spaces[snapshot.space].name,
        images=snapshot.images,
        without_pixels=len(lacking(repo, recipe, keys)),
        without_facts=len(unread(repo, keys)),
        prepare=recipe.get("prepare", {}).get("policy"),
        truncated=_truncated(repo, tree, keys),
        where=files_of(repo, repo.labels_in(snapshot)),
    )


def _truncated(repo: Repository, tree: Tree, keys: set[bytes]) -> tuple[Truncated, ...]:
    """List the cut pictures of a snapshot, each with its first path."""
    cut = every_cut(repo, keys)
    paths: dict[bytes, bytes] = {}
    for path, key in tree if cut else ():
        if key in cut:
            paths.setdefault(key, path)
    return tuple(Truncated(path, *cut[key]) for key, path in paths.items())
