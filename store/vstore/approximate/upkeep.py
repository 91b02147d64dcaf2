"""Upkeep of the approximate indexes after a command that wrote or replaced segments. The caller holds `ingest`."""

from __future__ import annotations

import threading

from vstore.progress import Stages
from vstore.repository.index_parts import has_indexes
from vstore.repository.repository import Repository


def keep_indexes_up(repo: Repository, stages: Stages, *, stop: threading.Event | None = None) -> None:
    """Let the index of each space that has one cover its segments; known codes are found by the keys of their rows.

    What goes wrong costs speed alone.
    """
    for space in repo.state.spaces:
        if has_indexes(repo, space):
            from vstore.approximate.build import keep_up  # few spaces have an index

            keep_up(repo, space, stages=stages, stop=stop)
