"""The list of snapshots: window and tree together hold what a state of format 1 would."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vstore.errors import Damage
from vstore.format import listing as module
from vstore.format.canonical import Document, canonical
from vstore.format.entries import Snapshot
from vstore.format.hashing import store_hash
from vstore.format.listing import Listing, flipped, snapshot_key, snapshot_name
from vstore.format.state import State

HASH = store_hash("xxh3_128")
FETCHED = ["origin/v1", "origin/v7", "øst/v7"]


class Machine(RuleBasedStateMachine):
    """Snapshots come, go, and change, in a state of format 2 and beside it in one that lists all."""

    def __init__(self) -> None:
        super().__init__()
        self.blobs: dict[bytes, bytes] = {}
        self.state = State({})
        self.whole = State({})
        self.past = [(self.state, self.whole)]

    def listing(self, state: State) -> Listing:
        return Listing(state, HASH, self.blobs.__getitem__)

    def apply(self, changes: Document) -> None:
        settled, blobs = self.listing(self.state).settled(changes)
        self.blobs |= blobs
        self.state, self.whole = self.state.after(settled), self.whole.after(changes)
        self.past.append((self.state, self.whole))

    @property
    def names(self) -> list[str]:
        return sorted(self.whole.window)

    @rule(count=st.integers(1, 7))
    def sync(self, count: int) -> None:
        for _ in range(count):
            number = self.whole.next_v
            entry = Snapshot(f"v{number}", f"{number:032x}", b"m", "5" * 64, number, 1, "", parent=self.whole.current)
            self.apply({"snapshots": {entry.name: entry.to_json()}, "current": entry.name, "next_v": number + 1})

    @rule(name=st.sampled_from(FETCHED))
    def fetch(self, name: str) -> None:
        self.apply({"snapshots": {name: Snapshot(name, "1f" * 16, b"m", "5" * 64, 1, 1, "").to_json()}})

    @precondition(lambda self: self.names)
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        self.apply({"current": data.draw(st.sampled_from(self.names))})

    @precondition(lambda self: self.names)
    @rule(data=st.data(), tag=st.sampled_from("abc"))
    def tag(self, data: st.DataObject, tag: str) -> None:
        self.apply({"tags": {tag: data.draw(st.sampled_from([*self.names, None]))}})

    @precondition(lambda self: self.names)
    @rule(data=st.data(), flag=st.sampled_from(["kept", "degraded"]))
    def mark(self, data: st.DataObject, flag: str) -> None:
        names = data.draw(st.sets(st.sampled_from(self.names)))
        value = data.draw(st.sampled_from([None, flag == "degraded"]))
        self.apply({"snapshots": {name: {flag: value} for name in names}})

    @rule()
    def collect(self) -> None:
        musts = {self.whole.current, self.whole.hold, *self.whole.tags.values()}
        gone = [n for n, e in self.whole.window.items() if not e.get("kept", True) and n not in musts]
        self.apply({"snapshots": dict.fromkeys(gone)})
        self.past = self.past[-1:]

    @rule()
    def repair(self) -> None:
        """Publish a state that lists all snapshots, as a repair does."""
        document = {name: value for name, value in self.state.document.items() if name not in ("listed", "trees")}
        document["snapshots"] = self.whole.document.get("snapshots", {})
        self.state = State(document)
        self.apply({})

    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        """What was forgotten or brought back since is found without the whole list."""
        state, whole = data.draw(st.sampled_from(self.past))
        expected = {
            name: entry.get("kept", True)
            for name, entry in whole.window.items()
            if name in self.whole.window and entry.get("kept", True) != self.whole.window[name].get("kept", True)
        }
        assert flipped(self.listing(self.state), self.listing(state)) == expected

    @invariant()
    def both_hold_the_same(self) -> None:
        listing = self.listing(self.state)
        found = {snapshot.name: snapshot.to_json() for snapshot in listing.every()}
        assert found == self.whole.document.get("snapshots", {})
        own = [int(name[1:]) for name in found if "/" not in name]
        assert own == sorted(own, reverse=True)
        for name in [*found, "v0", "v999", "origin/v3"]:
            assert listing.entry(name) == found.get(name)

    @invariant()
    def the_window_holds_what_it_must_and_no_more(self) -> None:
        state, whole = self.state, self.whole.window
        must = {name for name in (state.current, state.hold, *state.tags.values()) if name in whole}
        name = state.current
        for _ in range(module.WINDOW):
            if name not in whole:
                break
            must.add(name)
            name = whole[name].get("parent")
        pending = {name for name in whole if "/" not in name and int(name[1:]) >= state.listed}
        assert state.window.keys() == must | pending
        assert len(pending) <= module.PENDING


@pytest.fixture(autouse=True, scope="module")
def few() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WINDOW", 4)
        patch.setattr(module, "PENDING", 5)
        yield


class TestListing(Machine.TestCase):  # type: ignore[misc]
    settings = settings(deadline=None, max_examples=60, stateful_step_count=30)


@given(st.just("") | st.sampled_from(["origin", "ø", "a" * 100]), st.integers(1, 2**62 - 1))
def test_a_key_gives_back_its_name(origin: str, number: int) -> None:
    name = f"{origin}/v{number}" if origin else f"v{number}"
    assert snapshot_name(snapshot_key(name)) == name


@pytest.mark.parametrize("key", [b"", b"12345678", b"x12345678", b"\xff\x00" + bytes(8)])
def test_a_wrong_key_is_damage(key: bytes) -> None:
    with pytest.raises(Damage, match="wrong key"):
        snapshot_name(key)


def test_the_tree_is_read_only_for_what_the_window_lacks() -> None:
    entries = {f"v{n}": Snapshot(f"v{n}", "i", b"m", "s", 1, 1, "").to_json() for n in range(1, 20)}
    settled, blobs = Listing(State({"snapshots": entries, "current": "v19", "next_v": 20}), HASH, dict.get).settled({})
    state = State({"current": "v19", "next_v": 20, **{k: v for k, v in settled.items() if k != "snapshots"}})
    state = state.after({"snapshots": {"v19": entries["v19"]}})
    assert state.listed == 20
    unread = Listing(state, HASH, lambda digest: pytest.fail("the tree is read"))
    assert unread.entry("v19") == entries["v19"]
    assert unread.entry("v20") is None
    assert Listing(state, HASH, blobs.__getitem__).entry("v3") == entries["v3"]


@pytest.mark.parametrize("value", [b"", b"{", b"[]", canonical(None), b"\xff"])
def test_a_wrong_entry_is_damage(value: bytes) -> None:
    with pytest.raises(Damage, match="cannot be read"):
        module.entry_of(value)
