"""Keeps the history of a damaged store, as far as its chunks exist: the lines of records that gc removed."""

from __future__ import annotations

from vstore.format.history import History
from vstore.repair.blobs import Blobs
from vstore.repair.findings import Findings
from vstore.repository.repository import Repository


def keep_history(repo: Repository, found: Findings, blobs: Blobs) -> None:
    """Fetch all chunks, and leave out lost ones."""
    history = History(repo.hash, blobs.fetch, found.state.root("history"))
    left = history.without_lost()
    if left.root == history.root:
        return
    lost = ", ".join(f"{chunk.first} to {chunk.last}" for chunk in history.lost_chunks())
    blobs.add(left.fresh)
    found.put_root("history", left.root)
    found.did(f"the log no longer lists the operations {lost}" if lost else "the log no longer lists old operations")
