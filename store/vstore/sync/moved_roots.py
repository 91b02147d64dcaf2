"""Notes on new folders that hold the pictures of a known one whose place is gone: it may have moved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from vstore.format.delta import Change
from vstore.format.pages import Alias
from vstore.format.tree import Tree
from vstore.intake.targets import Target
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.places import is_below
from vstore.repository.repository import Repository


def notes(
    repo: Repository, targets: Sequence[Target], tree: Tree, changes: Sequence[Change], *, dry_run: bool
) -> Iterator[str]:
    """Say which known folders are gone, and have half of their pictures or more in a new one.

    tree: the aliases before the run. changes: of the run.
    """
    new = [target for target in targets if not target.known and not target.under and not target.gone]
    if not new:
        return
    folders = KnownFolders(repo)
    gone = [root for root in repo.state.roots.values() if folders.is_gone(root)]
    if not gone:
        return
    found = [{key for path, _, key in changes if key is not None and is_below(path, target.prefix)} for target in new]
    most = 2 * max(map(len, found))
    for root in gone:
        keys = _keys_up_to(most, tree.under(os.fsencode(root.label)))
        for target, here in zip(new, found, strict=True):
            if keys and 2 * len(keys & here) >= len(keys):
                yield _says(root.label, repo.place(root), target, len(keys & here), len(keys), dry_run=dry_run)


def _keys_up_to(most: int, aliases: Iterator[Alias]) -> set[bytes]:
    """Collect the keys of some aliases; none if there are more than `most`, of which few new pictures are no half."""
    keys: set[bytes] = set()
    for _, key in aliases:
        keys.add(key)
        if len(keys) > most:
            return set()
    return keys


def _says(label: str, was: bytes, target: Target, shared: int, total: int, *, dry_run: bool) -> str:
    import shlex  # hardly any folder moves

    place = os.fsdecode(target.place)
    what = f"{os.fsdecode(was)} is missing, and {shared:,} of the {total:,} pictures of {label!r} lie in {place}"
    if dry_run:
        return f"{what}: if the folder moved, run: vstore sync {shlex.quote(place)} --as {shlex.quote(label)}"
    drop = f"vstore sync {shlex.quote(os.fsdecode(was))} --allow-mass-delete"
    return f"{what}: if the folder moved, its old paths leave the index with: {drop}"
