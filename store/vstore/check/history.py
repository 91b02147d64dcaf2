"""Checks the history: what is lost of it is no damage, as nothing else depends on it."""

from __future__ import annotations

from vstore.check.findings import Findings
from vstore.format.hashing import Hash
from vstore.format.history import History
from vstore.format.page_tree import Fetch
from vstore.format.state import State


def check_history(hash: Hash, state: State, fetch: Fetch, findings: Findings) -> None:
    """Note lost chunks: `vstore log` no longer lists their operations."""
    findings.attempt("history", lambda: _note(History(hash, fetch, state.root("history")), findings))


def _note(history: History, findings: Findings) -> None:
    lost = [f"operations {chunk.first} to {chunk.last}" for chunk in history.lost_chunks()]
    lost += ["older operations"] if history.is_lost else []
    findings.notes += [f"the log no longer lists the {what}: their lines are lost" for what in lost]
