"""The operations on a store: those whose records exist, and before them those of the history."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from vstore.disk.salvage import insisted
from vstore.errors import Damage
from vstore.format.history import History, Line
from vstore.format.log_lines import lines_of
from vstore.format.records import Record
from vstore.repository.repository import Repository


def history_of(repo: Repository) -> History:
    """Open the history of a store. Nothing is read yet. A disk that hesitates costs none of it."""
    return History(repo.hash, lambda digest: insisted(partial(repo.packs.get, digest)), repo.state.root("history"))


def lines_after(repo: Repository, history: History, limit: int | None = None) -> list[Line]:
    """Make the lines of the records after those of the history, oldest first; a lost record has none.

    limit:  of the newest lines that matter: in format 2 older records are not read.
    Raises: Damage in format 1; FileNotFoundError (collected meanwhile).
    """
    if repo.format == 1:  # a record before those that lead to the state was freed, or is lost
        return lines_of(repo.records())
    taken: list[Record] = []
    for record in _records_after(repo, history.chunks[-1].last if history.chunks else 0):
        taken.append(record)
        # Which snapshot was current is told by the record itself, or by the last one before that tells.
        tells = record.whole is not None or "current" in record.changes
        if limit is not None and len(taken) > limit and tells and len(lines := lines_of(taken[::-1])) > limit:
            return lines
    return lines_of(taken[::-1])


def _records_after(repo: Repository, number: int) -> Iterator[Record]:
    """Read the records after this number, newest first."""
    for one in reversed(repo.log.numbers()):
        if number < one <= repo.tip.number:
            try:
                yield insisted(partial(repo.log.read, one))
            except Damage:
                continue
