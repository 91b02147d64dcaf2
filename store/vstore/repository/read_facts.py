"""Facts of headers among the facts of a store: whose were read, and by which version of the reader."""

from __future__ import annotations

from collections.abc import Iterable

from vstore.format.facts import NEWEST_READER
from vstore.repository.facts import runs_of
from vstore.repository.repository import Repository


def unread(repo: Repository, keys: Iterable[bytes]) -> set[bytes]:
    """Find the pictures whose header was read by an older reader of facts, or by none.

    Raises: Damage, FileNotFoundError.
    """
    left = set(keys)
    for run in runs_of(repo):
        for leaf in run.leaves():
            left.difference_update(fact.key for fact in leaf.facts(None, ()) if fact.reader >= NEWEST_READER)
    return left
