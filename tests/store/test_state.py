"""The state: merge patches, its entries, and the changes of its lists."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_values import OBJECTS

from vstore.errors import Damage
from vstore.format.canonical import canonical
from vstore.format.entries import FileRef, Root, Snapshot, Space, listed_packs, listed_segments
from vstore.format.run_entry import RunRef
from vstore.format.state import State, merge_patch


def is_clean(value: Any) -> bool:
    """Tell whether a document holds no null in an object: a state never does, as null means "take away"."""
    return not isinstance(value, dict) or all(v is not None and is_clean(v) for v in value.values())


STATES = OBJECTS.filter(is_clean)


# Merge patches


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        # Source: RFC 7386, appendix A, those whose patch is an object.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_are_those_of_the_rfc(target: Any, patch: Any, merged: Any) -> None:
    assert merge_patch(target, patch) == merged


@given(STATES, OBJECTS)
def test_a_merge_patch_changes_neither_its_target_nor_itself(target: Any, patch: Any) -> None:
    before = canonical(target), canonical(patch)
    merge_patch(target, patch)
    assert (canonical(target), canonical(patch)) == before


@given(STATES, OBJECTS)
def test_merging_a_patch_twice_is_merging_it_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert is_clean(once)


@given(STATES, st.lists(OBJECTS, max_size=5))
def test_merging_many_patches_is_merging_one_after_another(target: Any, patches: list[Any]) -> None:
    expected = merge_patch(target)
    for patch in patches:
        expected = merge_patch(expected, patch)
    before = canonical(target), canonical(patches)
    assert merge_patch(target, *patches) == expected
    assert (canonical(target), canonical(patches)) == before


# What stands in the state


def test_what_is_listed_in_the_state_is_read_back_as_it_was() -> None:
    ref = FileRef("a.faiss", 10, "ff" * 8, 3)
    space = Space("5" * 64, "fake", "verified", b"\1" * 16, 8)
    root = Root("r", b"\xff/r", True, {"exclude": ["x"]})
    odd = json.loads(canonical({os.fsdecode(b"\xffr"): root.to_json()}))
    assert {os.fsencode(label): Root.from_json("r", value) for label, value in odd.items()} == {b"\xffr": root}
    small = Snapshot("v2", "1d" * 16, b"\2" * 16, space.id, 3, 2, "2026-11-23T20:02:39Z")
    full = small._replace(message="m", parent="v1", partial=True, kept=False, degraded=True)
    state = State(json.loads(canonical({"segments": {"s": listed_segments([ref])}, "packs": listed_packs([ref])})))
    assert (state.segments("s"), state.packs) == ([ref], [ref._replace(rows=0)])
    assert Space.from_json(space.id, json.loads(canonical(space.to_json()))) == space
    assert Root.from_json("r", json.loads(canonical(root.to_json()))) == root
    for snapshot in (small, full):
        assert Snapshot.from_json("v2", json.loads(canonical(snapshot.to_json()))) == snapshot
    assert set(small.to_json()) == {"id", "manifest", "space", "paths", "images", "time"}


def test_an_empty_state_says_that_there_is_nothing() -> None:
    state = State({})
    assert (state.current, state.next_v, state.start_space, state.hold) == (None, 1, None, None)
    assert (state.tags, state.absorbed, state.roots, state.spaces, state.packs) == ({}, {}, {}, {}, [])
    assert state.facts == []
    assert (state.segments("x"), state.window, state.listed, state.root("snapshots")) == ([], {}, 1, None)


def test_a_space_is_read_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    space = Space("00" * 32, "own", "verified", b"\1" * 16, 8)
    other = space._replace(id="11" * 32)
    spaces = State({"spaces": {one.id: one.to_json() for one in (space, other)}}).spaces
    assert dict(spaces) == {space.id: space, other.id: other} == spaces
    assert (len(spaces), space.id in spaces, "22" * 32 in spaces, spaces.get("22" * 32)) == (2, True, False, None)
    with pytest.raises(Damage, match="does not list it"):
        spaces["22" * 32]
    read: list[str] = []
    real = Space.from_json
    monkeypatch.setattr(Space, "from_json", lambda id, value: read.append(id) or real(id, value))
    assert (spaces[other.id], spaces.get(other.id), other.id in spaces) == (other, other, True)
    assert read == [other.id] * 2


# Undo and redo


def snapshot(number: int) -> dict[str, Any]:
    return {f"v{number}": Snapshot(f"v{number}", "id", b"", "s", 1, 1, "").to_json()}


SEGMENT = st.builds(lambda name: FileRef(name, len(name), "", 1), st.text("abcdefgh", min_size=1, max_size=2))


@given(st.lists(st.lists(SEGMENT, unique_by=lambda ref: ref.name, max_size=6), max_size=6))
def test_a_list_of_segments_becomes_any_other(lists: list[list[FileRef]]) -> None:
    state = State({"segments": {"another": {"0": ["x", 1, "", 1]}}})
    for refs in lists:
        state = state.after({"segments": state.segments_changed("s", refs)})
        assert state.segments("s") == refs
        assert [ref.name for ref in state.segments("another")] == ["x"]


def test_changes_name_only_the_segments_that_came_or_went() -> None:
    a, b, c, d, e = (FileRef(name, 1, "", 1) for name in "abcde")
    state = State({}).after({"segments": State({}).segments_changed("s", [a, b, c])})
    added = state.segments_changed("s", [a, b, c, d])
    assert added == {"s": {"3": ["d", 1, "", 1]}}
    state = state.after({"segments": added})
    merged = state.segments_changed("s", [a, e, d])
    assert merged == {"s": {"1": ["e", 1, "", 1], "2": None}}
    state = state.after({"segments": merged})
    assert state.segments("s") == [a, e, d]
    assert state.segments_changed("s", [a, d]) == {"s": {"1": None}}
    assert state.segments_changed("s", [a, e, d]) == {"s": {}}


RUN = st.builds(lambda name: RunRef(name.encode(), len(name)), st.text("abcdefgh", min_size=1, max_size=2))


@given(st.lists(st.lists(RUN, unique_by=lambda run: run.root, max_size=6), max_size=6))
def test_a_list_of_runs_of_facts_becomes_any_other(lists: list[list[RunRef]]) -> None:
    state = State({})
    for runs in lists:
        state = State(json.loads(canonical(state.after({"facts": state.facts_changed(runs)}).document)))
        assert state.facts == runs


def test_changes_name_only_the_runs_of_facts_that_came_or_went() -> None:
    a, b, c, d = (RunRef(name.encode() * 16, 5) for name in "abcd")
    state = State({}).after({"facts": State({}).facts_changed([a, b])})
    assert state.document["facts"] == {"0": ["61" * 16, 5], "1": ["62" * 16, 5]}
    assert state.facts_changed([a, b, c]) == {"2": ["63" * 16, 5]}
    state = state.after({"facts": state.facts_changed([a, b, c])})
    assert state.facts_changed([a, d]) == {"1": ["64" * 16, 5], "2": None}
    assert state.facts_changed([a, c]) == {"1": None}
    eleven = State({"facts": {str(n): [f"{n:02x}", 1] for n in range(11)}})
    assert [run.root[0] for run in eleven.facts] == list(range(11)), "places are numbers, not words"


def test_of_equal_runs_of_facts_the_last_stays() -> None:
    a, b, c = (RunRef(name.encode() * 16, 5) for name in "abc")
    state = State({}).after({"facts": State({}).facts_changed([a, b, c])})
    assert state.after({"facts": state.facts_changed([a, b, a])}).facts == [b, a]
    twice = State({"facts": {"0": a.to_json(), "1": b.to_json(), "4": a.to_json()}})  # as a lost record leaves it
    assert twice.after({"facts": twice.facts_changed(twice.facts)}).facts == [b, a]


def test_changes_name_only_the_packs_that_came_or_went() -> None:
    a, b, c = (FileRef(name, 1, "") for name in "abc")
    state = State({}).after({"packs": State({}).packs_changed([a, b], [])})
    changes = state.packs_changed([c], [a])
    assert changes == {"c": [1, ""], "a": None}
    assert set(state.after({"packs": changes}).packs) == {b, c}


def test_the_current_snapshot_is_the_one_of_that_name() -> None:
    assert State({}).current_snapshot is None
    listed = {name: Snapshot(name, "1d" * 16, b"", "5" * 64, 1, 1, "").to_json() for name in ("v1", "v2")}
    state = State({"current": "v1", "snapshots": listed})
    assert state.current_snapshot == Snapshot.from_json("v1", listed["v1"])
    assert State({"current": "v3", "snapshots": listed}).current_snapshot is None


def test_segments_of_all_spaces_are_listed_and_files_named() -> None:
    one, two, pack = FileRef("one.faiss", 9, "aa", 3), FileRef("two.faiss", 9, "bb", 4), FileRef("a.pack", 5, "cc")
    state = State({"segments": {"s": listed_segments([two, one]), "t": listed_segments([one]), "u": {}}})
    state = state.after({"packs": listed_packs([pack])})
    assert state.segment_lists() == {"s": [two, one], "t": [one], "u": []}
    assert state.all_segments() == [two, one, one]
    assert state.file_names() == {"one.faiss", "two.faiss", "a.pack"}
    assert State({}).segment_lists() == {} and State({}).file_names() == set()
