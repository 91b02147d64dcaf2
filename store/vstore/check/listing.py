"""Checks the list of snapshots: the pages of its tree, and the entries that the state repeats."""

from __future__ import annotations

from vstore.check.findings import Findings
from vstore.format.entries import Snapshot
from vstore.format.hashing import Hash
from vstore.format.listing_left import listing_left
from vstore.format.page_tree import Fetch
from vstore.format.state import State

_WHAT = "the list of snapshots"


def check_listing(hash: Hash, state: State, fetch: Fetch, findings: Findings) -> list[Snapshot]:
    """Check the list. Returns: the listed snapshots that are not forgotten, as far as it can be read."""
    snapshots: list[Snapshot] = []

    def read() -> None:
        found = listing_left(state, hash, fetch)
        for fault in found.faults:
            findings.wrong(_WHAT, fault)
        snapshots.extend(Snapshot.from_json(name, entry) for name, entry in found.entries.items())

    findings.attempt(_WHAT, read)
    return sorted((one for one in snapshots if one.kept), key=lambda one: (one.is_own, one.number), reverse=True)
