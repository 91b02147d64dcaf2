"""The list of snapshots of a possibly damaged store: its entries that are left, and what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from vstore.errors import Damage
from vstore.format.canonical import Document
from vstore.format.hashing import Hash
from vstore.format.listing import entry_of, snapshot_key, snapshot_name
from vstore.format.page_tree import Fetch
from vstore.format.state import State
from vstore.format.table_left import Left, Lost, left_of, table_of

_SHOWN = 10  # snapshots that a fault names


class ListingLeft(NamedTuple):
    """The list of snapshots, as far as it can be read.

    entries: entry by name. Those of the state hold, where the tree says otherwise.
    left:    the entries of the tree, and its lost pages.
    faults:  what is wrong, a line each.
    """

    entries: dict[str, Document]
    left: Left
    faults: list[str]

    def is_lost(self, name: str) -> bool:
        """Tell whether a lost page may have listed a snapshot."""
        return self.left.is_lost(snapshot_key(name))


def listing_left(state: State, hash: Hash, fetch: Fetch) -> ListingLeft:
    """Read what is left of the list. fetch: reads a blob; raises Damage if it is lost."""
    root = state.root("snapshots")
    if root is None:
        return ListingLeft(state.window, Left({}, []), [])
    left = left_of(root, fetch, hash.size)
    listed: dict[str, Document] = {}
    for key, value in left.entries.items():
        try:
            listed[snapshot_name(key)] = entry_of(value)
        except Damage:
            left.lost.append(Lost(key, key + b"\0", 1))
    faults = list(_faults(state, listed, left))
    if not left.lost and table_of(hash, left.entries).root != root:
        faults.append("its pages are not cut as FORMAT.md says")
    return ListingLeft(listed | _held(state.window, listed), left, faults)


def _faults(state: State, listed: Mapping[str, Document], left: Left) -> Iterator[str]:
    if left.lost:
        gone = "" if left.gone is None else f" (snapshots on them: {left.gone})"
        yield f"pages are missing or damaged{gone}"
    if state.listed > state.next_v:
        yield f"the log says that it goes up to v{state.listed - 1}, but no such snapshot was made"
    early = [name for name in listed if state.is_pending(name)]
    if early:
        yield f"it holds snapshots that the log says it does not yet: {_some(early)}"
    different = [
        name
        for name, entry in state.window.items()
        if not state.is_pending(name) and listed.get(name) != entry and not left.is_lost(snapshot_key(name))
    ]
    if different:
        yield f"it and the log disagree about {_some(different)}"


def _held(window: Mapping[str, Document], listed: Mapping[str, Document]) -> dict[str, Document]:
    """Give the entries of the state. What either keeps is kept: a gc would free it else."""
    held: dict[str, Document] = {}
    for name, entry in window.items():
        is_kept = entry.get("kept", True) or listed.get(name, entry).get("kept", True)
        held[name] = {field: value for field, value in entry.items() if field != "kept" or not is_kept}
    return held


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
