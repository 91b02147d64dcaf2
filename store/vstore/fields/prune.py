"""Takes away the fields of pictures that have no path any more."""

from __future__ import annotations

from vstore.fields.change import Change, changed, committed
from vstore.fields.report import FieldsChanged
from vstore.format.entries import Snapshot
from vstore.format.table import Table
from vstore.repository.repository import Repository


def fields_prune(repo: Repository, *, message: str, dry_run: bool) -> FieldsChanged:
    """Take away the fields of the pictures that the current snapshot does not have. Older snapshots keep theirs.

    Raises: the errors of `committed`.
    """

    def decide(current: Snapshot, table: Table) -> tuple[Change, None]:
        size = repo.hash.size
        there = set(repo.tree(current).every_key()) if table.root is not None else set()
        return changed(table, ((at, None) for at, _ in table.items() if at[:size] not in there), size), None

    return committed(repo, decide, message=message, dry_run=dry_run)[0]
