"""Lists the operations on a store."""

from __future__ import annotations

import errno
import os
import sys
from itertools import islice

from vstore.counts import whole
from vstore.disk import inside
from vstore.errors import UsageError
from vstore.format.canonical import Json
from vstore.format.undo import BARRIERS
from vstore.quick_tuple import NamedTuple
from vstore.repository.history import history_of, lines_after
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

    @property
    def ends_undo(self) -> bool:
        """Neither it nor what was done before it can be undone."""
        return self.op in BARRIERS

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


def log(repo: Repository, limit: int | None = None) -> list[LogRow]:
    """List the operations, newest first.

    limit:  of the newest alone; no more is read than they need.
    Raises: UsageError; FileNotFoundError (collected meanwhile).
    """
    count = 0 if limit is None else whole(limit)
    if count is None or count < 0:
        raise UsageError(f"a log of {limit!r:.100} operations is none", "give 0 or more, or None for all")
    history = history_of(repo)
    rows = [LogRow(*line) for line in reversed(lines_after(repo, history, limit))][:limit]
    newest = repo.layout.record(repo.tip.number)
    if not inside.exists(newest):  # a gc has moved the lines of its records to a history that this one does not know
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(newest))
    left = None if limit is None else min(limit - len(rows), sys.maxsize)
    return rows + [LogRow(*line) for line in islice(history.newest(), left)]


def why_log_is_cut(repo: Repository) -> str | None:
    """Say why `log` lists less than was done: records or a part of the history are lost. None if it lists all."""
    why = why_records_are_cut(repo)
    if why is None:
        history = history_of(repo)
        if history.is_lost:
            return "the history of older operations is damaged"
        lost = [f"{chunk.first} to {chunk.last}" for chunk in history.lost_chunks()]
        why = f"the history of the operations {', '.join(lost)} is damaged" if lost else None
    return why


def why_records_are_cut(repo: Repository) -> str | None:
    """Say why operations cannot be undone that no gc has ended: a lost record hides those before it."""
    why = repo.log.why_not_earlier(repo.tip.number)
    return why if repo.log.highest() == repo.tip.highest else None  # else somebody collects them
