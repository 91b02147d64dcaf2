"""The list of snapshots of a damaged store: what is left, and what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from vstore.errors import Damage
from vstore.format import listing as module
from vstore.format.canonical import canonical
from vstore.format.entries import Snapshot
from vstore.format.hashing import store_hash
from vstore.format.listing import Listing, snapshot_key, snapshot_name
from vstore.format.listing_left import ListingLeft, listing_left
from vstore.format.pages import TABLE, Child, encode_inner
from vstore.format.state import State
from vstore.format.table import Table
from vstore.format.table_left import table_of
from vstore.format.table_pages import encode_table_leaf

HASH = store_hash("xxh3_128")


def entry(number: int, **more: Any) -> dict[str, Any]:
    made = Snapshot(
        f"v{number}", f"{number:032x}", b"m", "s", 1, 1, "", parent=f"v{number - 1}" if number > 1 else None
    )
    return {**made.to_json(), **more}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW", 4)
    monkeypatch.setattr(module, "PENDING", 5)


class Stored:
    """A state of 303 snapshots, the newest three of them in the state alone, and a fetched one."""

    def __init__(self) -> None:
        self.blobs: dict[bytes, bytes] = {}
        self.state = State({})
        self.entries = {f"v{n}": entry(n) for n in range(1, 301)} | {"origin/v7": entry(1)}
        self.apply({"snapshots": self.entries, "current": "v300", "next_v": 301})
        for n in range(301, 304):
            self.entries[f"v{n}"] = entry(n)
            self.apply({"snapshots": {f"v{n}": entry(n)}, "current": f"v{n}", "next_v": n + 1})

    def apply(self, changes: dict[str, Any]) -> None:
        settled, blobs = Listing(self.state, HASH, self.blobs.__getitem__).settled(changes)
        self.blobs |= blobs
        self.state = self.state.after(settled)

    def fetch(self, digest: bytes) -> bytes:
        if digest not in self.blobs:
            raise Damage("lost")
        return self.blobs[digest]

    def put_tree(self, changes: dict[str, Any]) -> None:
        """Change entries of the tree, and not of the state."""
        root = self.state.root("snapshots")
        tree = Table(HASH, self.fetch, root).edited(
            {snapshot_key(name): None if value is None else canonical(value) for name, value in changes.items()}
        )
        self.blobs |= tree.fresh
        self.state = self.state.after({"trees": {"snapshots": tree.root and tree.root.hex()}})

    def left(self) -> ListingLeft:
        return listing_left(self.state, HASH, self.fetch)


def test_of_a_sound_list_everything_is_left() -> None:
    stored = Stored()
    assert (stored.state.listed, len(stored.state.window)) == (301, 4)
    left = stored.left()
    assert (left.entries, left.faults) == (stored.entries, [])
    assert not left.is_lost("v2")


def test_a_list_without_a_tree_is_the_state() -> None:
    left = listing_left(State({"snapshots": {"v1": entry(1)}, "next_v": 2}), HASH, dict.get)
    assert (left.entries, left.faults, left.is_lost("v1")) == ({"v1": entry(1)}, [], False)


def test_a_lost_leaf_costs_its_own_snapshots_but_for_those_of_the_state() -> None:
    stored = Stored()
    tree = Table(HASH, stored.fetch, stored.state.root("snapshots"))
    on_leaf = [snapshot_name(key) for key, _ in tree.entries(tree.leaves[-1])]
    assert "v300" in on_leaf and "v299" in on_leaf
    del stored.blobs[tree.leaves[-1].digest]
    left = stored.left()
    assert left.faults == [f"pages are missing or damaged (snapshots on them: {len(on_leaf)})"]
    shown = {"v300", "v301", "v302", "v303"}
    assert left.entries.keys() == stored.entries.keys() - (set(on_leaf) - shown)
    assert left.is_lost("v299") and not left.is_lost("v1")


def test_without_the_root_the_state_is_left() -> None:
    stored = Stored()
    root = stored.state.root("snapshots")
    assert root is not None
    del stored.blobs[root]
    left = stored.left()
    assert left.faults == ["pages are missing or damaged"]
    assert left.entries.keys() == {"v300", "v301", "v302", "v303"}


@pytest.mark.parametrize("value", [{}, {**entry(5), "id": 5}, {**entry(5), "paths": True}])
def test_an_entry_that_is_none_is_lost_alone(value: dict[str, Any]) -> None:
    stored = Stored()
    stored.put_tree({"v5": value})
    left = stored.left()
    assert left.faults == ["pages are missing or damaged (snapshots on them: 1)"]
    assert left.entries.keys() == stored.entries.keys() - {"v5"}
    assert left.is_lost("v5") and not left.is_lost("v4") and not left.is_lost("v6")


def test_where_the_state_and_the_tree_disagree_the_state_holds() -> None:
    stored = Stored()
    stored.put_tree({"v300": entry(300, message="another")})
    left = stored.left()
    assert left.faults == ["it and the log disagree about v300"]
    assert left.entries["v300"] == entry(300)


@pytest.mark.parametrize("forgotten", ["state", "tree", "both"])
def test_what_either_of_them_keeps_is_kept(forgotten: str) -> None:
    stored = Stored()
    if forgotten != "state":
        stored.put_tree({"v300": entry(300, kept=False)})
    if forgotten != "tree":
        stored.state = stored.state.after({"snapshots": {"v300": {"kept": False}}})
    left = stored.left()
    assert bool(left.faults) is (forgotten != "both")
    assert left.entries["v300"].get("kept", True) is (forgotten != "both")


def test_a_snapshot_of_the_state_that_the_tree_lacks_is_a_fault_and_kept() -> None:
    stored = Stored()
    stored.put_tree({"v300": None})
    left = stored.left()
    assert left.faults == ["it and the log disagree about v300"]
    assert left.entries == stored.entries


def test_snapshots_that_stand_in_the_tree_too_early_are_found_all_the_same() -> None:
    stored = Stored()
    stored.state = stored.state.after({"listed": 290})
    left = stored.left()
    assert left.faults == [
        "it holds snapshots that the log says it does not yet: v290, v291, v292, v293, v294, v295, v296, v297, v298, "
        "v299 …"
    ]
    assert left.entries == stored.entries


def test_snapshots_that_should_stand_in_the_tree_already_are_kept() -> None:
    stored = Stored()
    stored.state = stored.state.after({"listed": 303})
    left = stored.left()
    assert left.faults == ["it and the log disagree about v301, v302"]
    assert left.entries == stored.entries


def test_a_list_cannot_go_further_than_snapshots_were_made() -> None:
    stored = Stored()
    stored.state = stored.state.after({"listed": 305})
    assert "the log says that it goes up to v304, but no such snapshot was made" in stored.left().faults


def test_another_cut_of_the_pages_is_a_fault() -> None:
    stored = Stored()
    tree = Table(HASH, stored.fetch, stored.state.root("snapshots"))
    entries = dict(tree.items())
    other = table_of(HASH, entries)
    half = len(entries) // 2
    children = []
    for part in (sorted(entries.items())[:half], sorted(entries.items())[half:]):
        page = encode_table_leaf(part)
        stored.blobs[HASH.digest(page)] = page
        children.append(Child(part[0][0], HASH.digest(page), len(part)))
    page = encode_inner(children, 1, TABLE)
    assert other.root != HASH.digest(page)
    stored.blobs[HASH.digest(page)] = page
    stored.state = stored.state.after({"trees": {"snapshots": HASH.digest(page).hex()}})
    assert stored.left().faults == ["its pages are not cut as FORMAT.md says"]
    assert stored.left().entries == stored.entries
