"""Files of `cache/` with a column of what is known of the pictures of a snapshot: their names."""

from __future__ import annotations

from vstore.disk.cache import COLUMNS
from vstore.format.entries import Snapshot
from vstore.repository.repository import Repository


def of_facts(repo: Repository, tree: bytes) -> str:
    """Begin the names of the files with facts, as they are now. tree: the root of the aliases of a snapshot."""
    runs = b"".join(ref.root for ref in repo.state.facts)
    return _begin(tree, repo.hash.digest(runs))


def of_fields(snapshot: Snapshot, tree: bytes) -> str:
    """Begin the names of the files with fields of a snapshot. tree: the root of its aliases."""
    return _begin(tree, snapshot.fields)


def _begin(tree: bytes, source: bytes) -> str:
    return f"{COLUMNS}{tree.hex()[:32]}-{source.hex()[:32]}-"
