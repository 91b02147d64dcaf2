"""Keeps the decisions of a damaged store, as far as their pages exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vstore.counts import counted
from vstore.errors import Damage
from vstore.format.decisions import decode_decision
from vstore.format.pages import TABLE, Entry, decode_inner, level_of
from vstore.format.table_left import Left, left_of, table_of
from vstore.format.table_pages import decode_table_leaf
from vstore.repair.blobs import Blobs
from vstore.repair.findings import Findings
from vstore.repository.repository import Repository


def keep_decisions(repo: Repository, found: Findings, blobs: Blobs) -> None:
    """Fetch all pages of the decisions; those that are left go into a new table where some are lost.

    What stood on lost pages, or in lost records, is looked for on pages that no sound record names.
    """
    root = found.state.root("decisions")
    left = Left({}, []) if root is None else left_of(root, blobs.fetch, repo.hash.size)
    entries = dict(_decisions(left.entries.items(), repo.hash.size))
    recovered: dict[bytes, bytes] = {}
    if left.lost or found.may_be_decided:
        recovered = _recovered(repo, found, blobs, left)
    table = table_of(repo.hash, {**recovered, **entries})
    if table.root == root and not left.lost:
        return
    blobs.add(table.fresh)
    found.put_root("decisions", table.root)
    if recovered:
        found.did(f"recovered {counted(len(recovered), 'decision')} from pages that no record lists")
    gone = None if left.gone is None else left.gone + len(left.entries) - len(entries)
    again = sum(map(left.is_lost, recovered))
    if table.root == root:
        return  # its digest proves that none is missing
    if gone is None:
        found.did(f"decisions may be lost with damaged pages; {len(table)} are left")
    elif gone > again:
        found.did(f"decisions on damaged pages are lost ({gone - again}); {len(table)} are left")
    elif not recovered:
        found.did("the pages of the decisions were cut again")


def _recovered(repo: Repository, found: Findings, blobs: Blobs, left: Left) -> dict[bytes, bytes]:
    """Find decisions that lost pages or lost records may have held.

    Those that a sound record names, and the state does not, were undone; but for lost pages the newest table before
    is the best that there is.
    """
    size = repo.hash.size
    root = found.state.root("decisions")
    earlier = [one for one in found.decided if one != root]
    known = {key for page in _leaves(earlier, blobs, size) for key, _ in page}
    newest = max(left.entries, default=b"")
    entries = dict(
        entry
        for digest in blobs.tables
        for entry in _decisions(_entries(blobs, digest), size)
        if entry[0] not in known and (left.is_lost(entry[0]) or (found.may_be_decided and entry[0] > newest))
    )
    if left.lost and earlier:
        before = left_of(earlier[-1], blobs.read, size).entries.items()
        entries |= {key: value for key, value in _decisions(before, size) if left.is_lost(key)}
    return {key: value for key, value in entries.items() if key not in left.entries}


def _leaves(roots: Iterable[bytes], blobs: Blobs, size: int) -> Iterator[list[Entry]]:
    """Read the leaves of some tables, each once; lost pages are passed over."""
    stack, seen = list(roots), set[bytes]()
    while stack:
        digest = stack.pop()
        if digest in seen:
            continue
        seen.add(digest)
        try:
            page = blobs.read(digest)
            if level_of(page, TABLE):
                stack += [child.digest for child in decode_inner(page, size, TABLE)]
                continue
            yield decode_table_leaf(page)
        except Damage:
            continue


def _entries(blobs: Blobs, digest: bytes) -> list[Entry]:
    try:
        return decode_table_leaf(blobs.read(digest))
    except Damage:
        return []


def _decisions(entries: Iterable[Entry], key_size: int) -> Iterator[Entry]:
    """Leave out entries that are no decisions."""
    return (entry for entry in entries if _is_decision(entry, key_size))


def _is_decision(entry: Entry, key_size: int) -> bool:
    try:
        decode_decision(entry, key_size)
    except Damage:
        return False
    return True
