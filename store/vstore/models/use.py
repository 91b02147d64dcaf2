"""Makes another space current."""

from __future__ import annotations

import os

from vstore.counts import counted, some
from vstore.errors import ModelError, UsageError
from vstore.models.report import ModelUsed
from vstore.quoting import quoted
from vstore.repository.repository import Repository
from vstore.repository.snapshots import new_snapshot


def model_use(repo: Repository, name: str, message: str = "") -> ModelUsed:
    """Make a space current: write a new snapshot with the paths of the current one. Nothing is embedded or loaded.

    Raises: UsageError; Refused while syncing is held; ModelError, naming pictures without a vector in the space;
            Locked, Damage, DiskTrouble.
    """
    with repo.committing("model use"):
        space = repo.space(name)
        current = repo.state.current_snapshot
        repo.refuse_held()
        if current is None:
            raise UsageError(
                "there is no snapshot yet",
                f"make the first one with: vstore sync PATH --space {quoted(space.name)}",
            )
        if current.space == space.id:
            return ModelUsed(space.id, space.name, None, current.name)
        tree = repo.mapped_tree(current)
        stored = {key for ref in repo.state.segments(space.id) for key in repo.segment(ref).key_list()}
        missing = [path for path, key in tree if key not in stored]
        if missing:
            file_of = repo.file_finder(None)  # these paths have the names of today
            first = some([os.fsdecode(file_of(path) or path) for path in missing])
            have = "has" if len(missing) == 1 else "have"
            raise ModelError(
                f"{len(missing):,} of the {counted(len(tree), 'picture')} {have} no vector in the space {space.name!r} "
                f"yet: {first}",
                f"embed them with: vstore sync --space {quoted(space.name)}; "
                f"{current.name} stays current until that is done",
            )
        snapshot, changes, blobs = new_snapshot(
            repo, space=space.id, tree=tree, images=current.images, parent=current, message=message
        )
        repo.publish("model use", changes, blobs=blobs, about=f"{snapshot.name}: {space.name}")
        return ModelUsed(space.id, space.name, snapshot.name, snapshot.name)
