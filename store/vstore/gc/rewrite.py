"""Rewrites segments and packs without their unused parts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vstore.disk.footer import BLOCK
from vstore.disk.packs import LARGEST_BLOB
from vstore.format.canonical import Json
from vstore.format.entries import FileRef
from vstore.gc.plan import Plan, SegmentPlan
from vstore.progress import Stages
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.segments import Rows


def rewrite(repo: Repository, plan: Plan, stages: Stages) -> tuple[dict[str, Json], dict[bytes, bytes]]:
    """Write the new segments of a plan. Returns: the changes that the log has to learn; the blobs of a new pack."""
    changes, blobs = dict(plan.changes), dict(plan.blobs)
    replaced = [part.ref for parts in plan.segments.values() for part in parts if part.replaced]
    stages.begin("rewriting", len(replaced), size=sum(ref.size for ref in replaced))
    for space, parts in plan.segments.items():
        if any(part.replaced for part in parts):
            refs = [_rewritten(repo, space, part, stages) if part.replaced else part.ref for part in parts]
            left = [ref for ref in refs if ref is not None]
            changes.setdefault("segments", {}).update(repo.state.segments_changed(space, left))
    if plan.packs.freed:
        blobs |= {digest: repo.packs.get(digest, LARGEST_BLOB) for digest in plan.packs.merged}
        changes["packs"] = repo.state.packs_changed((), plan.packs.freed)
    return changes, blobs


def _rewritten(repo: Repository, space: str, part: SegmentPlan, stages: Stages) -> FileRef | None:
    stages.take(os.fsencode(repo.layout.segments / part.ref.name))
    try:
        return _without_unused(repo, space, part) if part.live else None
    finally:
        stages.put_down()
        stages.advance(1, part.ref.size)


def _without_unused(repo: Repository, space: str, part: SegmentPlan) -> FileRef:
    segment = repo.segment(part.ref)
    segment.verify()
    keys = segment.key_list()

    def blocks() -> Iterator[Rows]:
        rows = segment.rows()
        for at in range(0, len(part.live), BLOCK):
            yield rows[part.live[at : at + BLOCK]]

    # The time stays that of the vectors: rewriting makes none of them younger.
    return repo.write_segment(space, [keys[row] for row in part.live], blocks(), when=segment.footer.time)
