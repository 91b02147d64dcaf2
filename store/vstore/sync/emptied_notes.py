"""Notes on subfolders that lost all pictures: ordinary ones are named, not refused."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence

from vstore.counts import counted
from vstore.format.delta import Change
from vstore.format.tree import Tree
from vstore.intake.survey import Survey
from vstore.sync.guards import LOSS_COUNT
from vstore.sync.occurrences import after

_MOST = 10  # folders that a report names


def notes(
    survey: Survey, tree: Tree, changes: Sequence[Change], before: Counter[bytes], *, dry_run: bool
) -> Iterator[str]:
    """Say which subfolders lost all of more than 20 pictures, the outermost alone.

    tree:   the aliases before the run.
    before: of the keys of the changes: how many of these aliases name them.
    """
    removed = [change for change in changes if change[2] is None]
    if len(removed) <= LOSS_COUNT:
        return
    from vstore.sync.losses import emptied, lost_keys

    said: list[bytes] = []
    left = "they would leave the index" if dry_run else "they left the index"
    for lost in lost_keys(removed, survey, after(before, changes)).values():
        for one in emptied(tree, changes, lost, LOSS_COUNT):
            if one.is_empty and not any(one.folder.startswith(outer + b"/") for outer in said):
                said.append(one.folder)
                if len(said) <= _MOST:
                    folder = os.fsdecode(survey.file_of(one.folder))
                    yield (
                        f"{folder} holds none of its {counted(len(one.lost), 'picture')} any more: "
                        f"{left}. If they lie on a disk that is not mounted, mount it, and run vstore sync again."
                    )
    if len(said) > _MOST:
        yield f"{counted(len(said) - _MOST, 'more folder')} lost all pictures."
