"""Makes room for a gc on a full disk: what may be lost goes first, in the order in which it is missed least."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vstore.disk import durable
from vstore.gc.index_parts import delete_parts
from vstore.gc.unlisted import empty_cache
from vstore.repository.repository import Repository


class Writes(NamedTuple):
    """The choice of what a gc writes besides records.

    rewritten: files without their unused parts; else only wholly unused files are deleted.
    history:   the lines of the records; else the records stay, for another gc.
    """

    rewritten: bool = True
    history: bool = True


def _give_up_reserve(repo: Repository) -> None:
    durable.remove(repo.layout.reserve)


def _give_up_nothing(repo: Repository) -> None:
    pass


_RECORDS_FIRST = Writes(rewritten=False)

# Each step, and what is written after it.
STEPS: tuple[tuple[Callable[[Repository], None], Writes], ...] = (
    (empty_cache, Writes()),
    (_give_up_reserve, _RECORDS_FIRST),
    (delete_parts, _RECORDS_FIRST),
    (_give_up_nothing, Writes(rewritten=False, history=False)),
)
