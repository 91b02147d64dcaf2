"""Hands fields on: from the picture that a path had in a snapshot to the one that it has now."""

from __future__ import annotations

import heapq

from vstore.fields.change import Change, changed, committed
from vstore.fields.report import FieldsCarried
from vstore.format.differences import differences
from vstore.format.entries import Snapshot
from vstore.format.relabelling import Labels
from vstore.format.table import Table
from vstore.repository.fields import fields_below, fields_of
from vstore.repository.files import files_of
from vstore.repository.repository import Repository

EXAMPLES = 20  # paths that are named


def fields_carry(repo: Repository, snap: str, *, replace: bool, message: str, dry_run: bool) -> FieldsCarried:
    """Give pictures the fields that those at their paths had in a snapshot. A picture that it has, too, gets none.

    replace: of a field that a picture has, the value; else it stays.
    Raises:  SnapshotNotFound, AmbiguousSnapshot; and the errors of `committed`.
    """

    def decide(current: Snapshot, table: Table) -> tuple[Change, tuple[str, int, tuple[bytes, ...]]]:
        start = repo.snapshot(snap)
        before = fields_of(repo, start)
        old_tree, new_tree = repo.mapped_tree(start), repo.mapped_tree(current)
        edits = [(path, old, new) for path, old, new in differences(old_tree, new_tree) if old and new]
        wanted = {new for _, _, new in edits}
        had = wanted.intersection(old_tree.every_key()) if wanted and before.root is not None else set()
        given: dict[bytes, bytes | None] = {}
        paths = []
        for path, old, new in edits:
            said = [] if new in had else list(fields_below(before, old))
            own = {} if not said or replace else dict(fields_below(table, new))
            if any(name not in own for name, _ in said):
                paths.append(path)
            for name, value in said:
                given.setdefault(new + name, value)  # of several paths with other pictures before, the first counts
        change = changed(table, sorted(given.items()), repo.hash.size, replace=replace)
        return change, (start.name, len(paths), tuple(heapq.nsmallest(EXAMPLES, paths)))

    report, (start, count, paths) = committed(repo, decide, message=message, dry_run=dry_run)
    return FieldsCarried(**report._asdict(), before=start, paths=count, examples=paths, where=files_of(repo, Labels()))
