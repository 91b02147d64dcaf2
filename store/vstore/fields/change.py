"""The common part of what changes fields: entries of their table, counted against what it had."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple, TypeVar

from vstore.counts import counted
from vstore.errors import UsageError
from vstore.fields.report import FieldsChanged
from vstore.format.entries import Snapshot
from vstore.format.table import Table
from vstore.repository.fields import WHAT, fields_of, publish_fields
from vstore.repository.repository import Repository

BLOCK = 50_000  # entries that are compared and edited together
_FEW = 500  # entries that are looked up one by one: what lies between them is not read

T = TypeVar("T")
Entries = Iterable[tuple[bytes, bytes | None]]


class Change(NamedTuple):
    """A change of a table of fields.

    table: with it.
    added, replaced, removed, kept, pictures: as in `FieldsChanged`.
    """

    table: Table
    added: int = 0
    replaced: int = 0
    removed: int = 0
    kept: int = 0
    pictures: int = 0

    @property
    def about(self) -> str:
        """A few words on it, for the log."""
        parts = ((self.added, "set"), (self.replaced, "replaced"), (self.removed, "removed"))
        return ", ".join(f"{counted(count, 'field')} {word}" for count, word in parts if count)


def changed(
    table: Table,
    entries: Entries,
    key_size: int,
    *,
    replace: bool = True,
    is_same: Callable[[bytes, bytes], bool] = operator.eq,
) -> Change:
    """Put entries into a table of fields, a block at a time; memory does not grow with their number.

    entries: sorted, each once; None removes a field.
    replace: a field that is there gets the new value; else it stays.
    is_same: tells whether the value of a field says what a new one says; it stays then.
    Raises:  Damage.
    """
    change, last = Change(table), b""
    for block in _blocks(entries):
        had = _found(change.table, block)
        edits: dict[bytes, bytes | None] = {}
        added = replaced = removed = pictures = 0
        for at, value in block:
            before = had.get(at)
            if before == value:
                continue
            if before is not None and value is not None and (not replace or is_same(before, value)):
                continue
            edits[at] = value
            added += before is None
            removed += value is None
            replaced += before is not None and value is not None
            pictures += at[:key_size] != last
            last = at[:key_size]
        change = Change(
            change.table.edited(edits),
            change.added + added,
            change.replaced + replaced,
            change.removed + removed,
            change.kept + len(block) - len(edits),
            change.pictures + pictures,
        )
    return change


def begin(repo: Repository, *, dry_run: bool) -> None:
    """Look whether fields may be changed now. Raises: MigrationNeeded, ForeignStore, ReadOnly; Refused if held."""
    repo.reload()
    repo.require_format_2(WHAT)
    if not dry_run:
        repo.refuse_writing()
        repo.refuse_held()


def committed(
    repo: Repository, decide: Callable[[Snapshot, Table], tuple[Change, T]], *, message: str, dry_run: bool
) -> tuple[FieldsChanged, T]:
    """Decide on a change of the fields of the current snapshot, and publish it in a snapshot of its own.

    decide: is called without a lock; and once more with it, if another process changed the fields meanwhile.
    Raises: UsageError without a snapshot; MigrationNeeded; Refused while syncing is held; Locked, Damage, DiskTrouble.
    """
    begin(repo, dry_run=dry_run)
    base = current_of(repo)
    decided: list[tuple[Change, T]] = [repo.reading(lambda: decide(base, fields_of(repo, base)))]
    made: Snapshot | None = None
    if not dry_run:

        def edit(current: Snapshot, table: Table) -> tuple[Table, str]:
            if (current.name, current.fields) != (base.name, base.fields):
                decided[0] = decide(current, table)
            return decided[0][0].table, decided[0][0].about

        made = publish_fields(repo, edit, message)
    change, result = decided[0]
    current = repo.state.current
    report = FieldsChanged(made.name if made else None, current, *change[1:], dry_run=dry_run)
    return report, result


def current_of(repo: Repository) -> Snapshot:
    """Give the current snapshot. Raises: UsageError if there is none."""
    current = repo.state.current_snapshot
    if current is None:
        raise UsageError("there is no snapshot yet", "make the first one with: vstore sync PATH")
    return current


def _blocks(entries: Entries) -> Iterator[list[tuple[bytes, bytes | None]]]:
    rest = iter(entries)
    while block := list(islice(rest, BLOCK)):
        yield block


def _found(table: Table, block: list[tuple[bytes, bytes | None]]) -> dict[bytes, bytes]:
    """Look up the values that a table has at the places of a block."""
    if len(block) <= _FEW:
        found = ((at, table.get(at)) for at, _ in block)
        return {at: value for at, value in found if value is not None}
    wanted = {at for at, _ in block}
    return {at: value for at, value in table.range(block[0][0], block[-1][0] + b"\0") if at in wanted}
