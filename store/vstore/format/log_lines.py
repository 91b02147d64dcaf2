"""The lines of the log: what each record is to people. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from vstore.format.history import Line
from vstore.format.records import Record, ends_the_log


def lines_of(records: Iterable[Record]) -> list[Line]:
    """Make the lines of records, oldest first: one for each operation, also for those of two records.

    Whether an undo took an operation back, a later record tells.
    """
    lines: list[Line] = []
    undone: set[int] = set()
    current: str | None = None
    before: Record | None = None
    for record in records:
        if record.undoes is not None:
            undone.add(record.undoes)
        if record.redoes is not None:
            undone.discard(record.redoes)
        if record.whole is not None:
            current = record.whole.get("current")
        elif "current" in record.changes:
            current = record.changes["current"]
        elif before is not None and record.number > before.number + 1:
            current = None  # a lost record may have said it
        if before is not None and _is_twin(before, record):
            lines.pop()
        before = record
        lines.append(Line(record.number, record.op, record.time, record.about, current, undone=False))
    return [line._replace(undone=line.number in undone) for line in lines]


def _is_twin(first: Record, second: Record) -> bool:
    """Tell whether two records are of one gc or repair: the second says what the first does, so that either may rot."""
    follows = (second.op, second.number) == (first.op, first.number + 1)
    return follows and ends_the_log(first) and ends_the_log(second) and not second.changes
