"""The parts of a sync under the names that a snapshot has for them, on disks that find names in any letter case."""

from __future__ import annotations

from collections.abc import Sequence

from vstore.format.tree import Tree
from vstore.intake.targets import Target
from vstore.pictures.spelling import ListedNames
from vstore.repository.repository import Repository
from vstore.repository.respelling import respelled


def respelled_parts(repo: Repository, tree: Tree, targets: Sequence[Target]) -> list[Target]:
    """Find the names that a snapshot has for some parts, and that their disk lists in another letter case now.

    Nothing has such a name, though the disk finds something by it: without them, a folder that was renamed would be
    listed under both names. Returns: them, as parts that are gone.
    """
    found: list[Target] = []
    names: dict[bytes, ListedNames] = {}
    for target in targets:
        if not target.under or target.gone:
            continue
        if target.place not in names:
            names[target.place] = ListedNames(target.place)
        listed = names[target.place]
        label = target.prefix[: -len(target.under)]
        for path in respelled(repo, tree, target.prefix) if listed.folds else ():
            under = path.removeprefix(label)
            if label + under == path and listed.spelled(under) != under:
                found.append(target._replace(under=under, gone=True))
    return found
