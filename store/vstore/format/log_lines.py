"""The lines of the log: what each record is to people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from vstore.format.history import History, Line
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


def values_of_current(records: Iterable[Record], history: History) -> Iterator[str | None]:
    """Yield all values that `current` has had, the newest first, up to a lost record. gc ends undo, not memory.

    Setting it to the value that it has gives it no other one: the history tells the values alone.

    records: the log, newest first.
    history: the lines of the records before them.
    Raises: Damage if a part of the history is lost that is needed.
    """
    values = (value for value, _ in groupby(_values(records, history)))
    value = next(values, None)
    for older in values:
        yield value
        value = older
    if value is not None:  # the first operations had no current snapshot
        yield value


def _values(records: Iterable[Record], history: History) -> Iterator[str | None]:
    """Yield the value after each operation that may have set it, the newest first."""
    oldest = None
    for oldest in records:
        if oldest.whole is not None:
            yield oldest.whole.get("current")
        elif "current" in oldest.changes:
            yield oldest.changes["current"]
    if oldest is None or (oldest.whole is None and oldest.number > 1):
        return  # a lost record may have set it
    for chunk in reversed(history.chunks):
        yield from (line.current for line in reversed(history.lines(chunk)) if line.number < oldest.number)
