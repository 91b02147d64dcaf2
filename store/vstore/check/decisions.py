"""Checks the decisions in force: the pages of their table, each key and each value."""

from __future__ import annotations

from vstore.check.findings import Findings
from vstore.errors import VstoreError
from vstore.format.decisions import decode_decision
from vstore.format.hashing import Hash
from vstore.format.page_tree import Fetch
from vstore.format.state import State
from vstore.format.table import Table
from vstore.format.table_left import table_of
from vstore.format.table_walk import TableWalk


def check_decisions(hash: Hash, state: State, fetch: Fetch, findings: Findings) -> None:
    """Check the decisions, if there are any."""
    root = state.root("decisions")

    def check() -> None:
        if root is not None:
            TableWalk(hash.size, fetch, lambda entry: decode_decision(entry, hash.size)).walk(root)
            if table_of(hash, dict(Table(hash, fetch, root).items())).root != root:
                raise VstoreError("their pages are not cut as FORMAT.md says")

    findings.attempt("decisions", check)
