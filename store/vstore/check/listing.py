"""Checks the list of snapshots: the pages of its tree, and the entries that the state repeats."""

from __future__ import annotations

from vstore.check.findings import Findings
from vstore.errors import VstoreError
from vstore.format.hashing import Hash
from vstore.format.listing import Listing, entry_of, snapshot_name
from vstore.format.table import Table

_WHAT = "the list of snapshots"


def check_listing(hash: Hash, listing: Listing, findings: Findings) -> None:
    """Check the tree of snapshots, if there is one."""
    if listing.state.root("snapshots") is not None:
        findings.attempt(_WHAT, lambda: _check(hash, listing))


def _check(hash: Hash, listing: Listing) -> None:
    state, tree = listing.state, listing.tree
    entries = dict(tree.items())
    if Table(hash, tree.page, None).edited(dict(entries)).root != tree.root:
        raise VstoreError("its pages are not cut as FORMAT.md says")
    listed = {snapshot_name(key): entry_of(value) for key, value in entries.items()}
    for name in listed:
        if "/" not in name and int(name[1:]) >= state.listed:
            raise VstoreError(f"it holds {name}, which the log says it does not yet")
    for name, entry in state.window.items():
        if ("/" in name or int(name[1:]) < state.listed) and listed.get(name) != entry:
            raise VstoreError(f"it and the log disagree about {name}")
