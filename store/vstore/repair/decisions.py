"""Keeps the decisions of a damaged store, as far as their pages exist."""

from __future__ import annotations

from vstore.errors import Damage
from vstore.format.decisions import decode_decision
from vstore.format.pages import Entry
from vstore.format.table_left import left_of, table_of
from vstore.repair.blobs import Blobs
from vstore.repair.findings import Findings
from vstore.repository.repository import Repository


def keep_decisions(repo: Repository, found: Findings, blobs: Blobs) -> None:
    """Fetch all pages of the decisions; those that are left go into a new table where some are lost."""
    root = found.state.root("decisions")
    if root is None:
        return
    left = left_of(root, blobs.fetch, repo.hash.size)
    entries = {key: value for key, value in left.entries.items() if _is_decision((key, value), repo.hash.size)}
    table = table_of(repo.hash, entries)
    if table.root == root:
        return
    blobs.add(table.fresh)
    found.put_root("decisions", table.root)
    gone = None if left.gone is None else left.gone + len(left.entries) - len(entries)
    count = "" if gone is None else f" ({gone})"
    found.did(f"decisions on damaged pages are lost{count}; {len(entries)} are left")


def _is_decision(entry: Entry, key_size: int) -> bool:
    try:
        decode_decision(entry, key_size)
    except Damage:
        return False
    return True
