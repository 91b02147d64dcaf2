"""Lists the operations on a store."""

from __future__ import annotations

from typing import NamedTuple

from vstore.format.canonical import Json
from vstore.repository.repository import Repository


class LogRow(NamedTuple):
    """One operation.

    number:  the number of its record.
    op:      sync, rollback, tag, ...
    time:    when it was done.
    about:   a line for people.
    current: the current snapshot after it.
    undone:  an undo took it back.
    """

    number: int
    op: str
    time: str
    about: str
    current: str | None
    undone: bool

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


def log(repo: Repository, limit: int | None = None) -> list[LogRow]:
    """List the operations, newest first. limit: of the newest alone."""
    rows: list[LogRow] = []
    undone: set[int] = set()
    state: dict[str, Json] = {}
    for record in repo.records():
        if record.undoes is not None:
            undone.add(record.undoes)
        if record.redoes is not None:
            undone.discard(record.redoes)
        if record.whole is not None:
            state["current"] = record.whole.get("current")
        elif "current" in record.changes:
            state["current"] = record.changes["current"]
        rows.append(
            LogRow(
                number=record.number,
                op=record.op,
                time=record.time,
                about=record.about,
                current=state.get("current"),
                undone=False,
            )
        )
    rows = [
        LogRow(number=r.number, op=r.op, time=r.time, about=r.about, current=r.current, undone=r.number in undone)
        for r in reversed(rows)
    ]
    return rows if limit is None else rows[:limit]


def why_log_is_cut(repo: Repository) -> str | None:
    """Say why `log` lists less than was done: a lost record hides those before it. None if it lists all."""
    why = repo.log.why_not_earlier(repo.tip.number)
    return why if repo.log.highest() == repo.tip.highest else None  # else somebody collects them
