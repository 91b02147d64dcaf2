"""The form of a state: what no store has is damage, whatever its checksums say."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest

from vstore.errors import Damage
from vstore.format.entries import Snapshot
from vstore.format.state import State
from vstore.format.state_form import require_state

SPACE, KEY, FILE = "5a" * 32, "1d" * 16, "0f" * 16

STATE: dict[str, Any] = {
    "current": "v2",
    "hold": "v1",
    "next_v": 3,
    "listed": 1,
    "start_space": SPACE,
    "tags": {"mine": "v1", "theirs": "origin/v7"},
    "roots": {
        "pictures": {"place": "pictures", "relative": True, "options": {"exclude": ["*.gif"], "ignore_inode": False}},
        "odd": {"place": {"b64": "/w=="}, "relative": False},
    },
    "absorbed": {"old": "pictures/old", "older": "old/deep"},
    "retired": {
        "pictures": [{"place": "/a", "relative": False, "from": 1, "before": 3}],
        "free": [{"place": "x", "relative": True}],
    },
    "spaces": {
        SPACE: {"name": "a", "status": "verified", "dim": 8, "recipe": KEY, "probes": KEY, "by_name": [KEY]},
        "00" * 32: {
            "name": "found-1",
            "status": "claimed",
            "dim": 1,
            "place": {"model": "m", "max_side": 512, "trust_remote_code": False, "later": [1]},
        },
    },
    "segments": {SPACE: {"0": [f"{FILE}.faiss", 500, "ab" * 8, 3], "17": [f"{'1f' * 16}.faiss", 500, "ab" * 8, 3]}},
    "packs": {f"{FILE}.pack": [100, "ab" * 8]},
    "imports": {
        "i1": {
            "space": SPACE,
            "root": "pictures",
            "rows": 1,
            "names": KEY,
            "vectors": [KEY],
            "written": 5,
            "time": "2026-11-23T20:02:39Z",
            "moved": [["a", "b"]],
        }
    },
    "snapshots": {"v2": {}, "origin/v7": {}},
    "trees": {"history": KEY},
    "facts": {"0": [KEY, 5]},
    "later": ["what a later vstore adds"],
}

WRONG: list[tuple[tuple[str, ...], Any]] = [
    (("current",), 2),
    (("current",), "../v1"),
    (("hold",), "v0"),
    (("next_v",), "3"),
    (("next_v",), True),
    (("next_v",), 10**30),
    (("listed",), None),
    (("listed",), [1]),
    (("start_space",), "../" + "5" * 61),
    (("tags",), []),
    (("tags", "mine"), "latest"),
    (("tags", "a\x1b[2J"), "v1"),
    (("tags", "theirs"), "../v7"),
    (("tags", "theirs"), "a\u202eb/v7"),
    (("roots",), ["pictures"]),
    (("roots", ".."), {"place": "x", "relative": True}),
    (("roots", "a/b"), {"place": "x", "relative": True}),
    (("roots", "a\0"), {"place": "x", "relative": True}),
    (("roots", "x" * 256), {"place": "x", "relative": True}),
    (("roots", "pictures", "place"), {"b64": 5}),
    (("roots", "pictures", "place"), "a\0b"),
    (("roots", "pictures", "place"), "x" * 40_000),
    (("roots", "pictures", "relative"), 1),
    (("roots", "pictures", "options"), []),
    (("roots", "pictures", "options", "exclude"), "*.gif"),
    (("roots", "pictures", "options", "include"), ["x" * 5_000]),
    (("roots", "pictures", "options", "follow_symlinks"), "yes"),
    (("roots", "pictures", "options", "off"), "follow_symlinks"),
    (("roots", "pictures", "options", "off"), [5]),
    (("absorbed", "old"), 5),
    (("absorbed", "old"), "pictures/../../x"),
    (("absorbed", "old"), "/etc"),
    (("absorbed", "old"), "old"),
    (("absorbed", "old"), "older/x"),
    (("absorbed", "old"), "a/" * 20_000 + "a"),
    (("retired",), []),
    (("retired", "a/b"), []),
    (("retired", "free"), {}),
    (("retired", "free"), [5]),
    (("retired", "free"), [{"place": "a\0b", "relative": True}]),
    (("retired", "free"), [{"place": "", "relative": True}]),
    (("retired", "free"), [{"place": "x", "relative": 1}]),
    (("retired", "free"), [{"place": "x", "relative": True, "from": 1, "before": 1}]),
    (("retired", "free"), [{"place": "x", "relative": True, "from": 0, "before": 3}]),
    (("retired", "free"), [{"place": "x", "relative": True, "before": 3}]),
    (("spaces", "../x"), {"name": "a", "status": "claimed", "dim": 1}),
    (("spaces", SPACE), None),
    (("spaces", SPACE, "name"), "a\x1b"),
    (("spaces", SPACE, "dim"), 0),
    (("spaces", SPACE, "dim"), (1 << 20) + 1),
    (("spaces", SPACE, "dim"), 8.0),
    (("spaces", SPACE, "recipe"), "zz" * 16),
    (("spaces", SPACE, "place"), "x"),
    (("spaces", SPACE, "place"), {"model": True}),
    (("spaces", SPACE, "place"), {"adapter": "a\0b"}),
    (("spaces", SPACE, "place"), {"max_side": "512"}),
    (("spaces", SPACE, "place"), {"max_side": True}),
    (("spaces", SPACE, "place"), {"trust_remote_code": "yes"}),
    (("spaces", SPACE, "place"), {"preset": None}),
    (("spaces", SPACE, "by_name"), "x"),
    (("segments", "../x"), {}),
    (("segments", SPACE), []),
    (("segments", SPACE, "-1"), [f"{'2f' * 16}.faiss", 500, "ab" * 8, 3]),
    (("segments", SPACE, "01"), [f"{'2f' * 16}.faiss", 500, "ab" * 8, 3]),
    (("segments", SPACE, "0"), ["../../x.faiss", 500, "ab" * 8, 3]),
    (("segments", SPACE, "0"), [f"{FILE}.faiss", -1, "ab" * 8, 3]),
    (("segments", SPACE, "0"), [f"{FILE}.faiss", 500, "ab", 3]),
    (("segments", SPACE, "0"), [f"{FILE}.faiss", 500, "ab" * 8, 0]),
    (("segments", SPACE, "0"), [f"{FILE}.faiss", 500]),
    (("segments", SPACE, "1"), [f"{FILE}.faiss", 500, "ab" * 8, 3]),
    (("packs", "../x.pack"), [100, "ab" * 8]),
    (("packs", f"{FILE}.pack"), ["100", "ab" * 8]),
    (("packs", f"{FILE}.pack"), 5),
    (("imports", "i1"), []),
    (("imports", "i1", "root"), ".."),
    (("imports", "i1", "vectors"), KEY),
    (("imports", "i1", "moved"), [["a"]]),
    (("snapshots",), None),
    (("snapshots", "v01"), {}),
    (("snapshots", "v2"), None),
    (("trees",), KEY),
    (("trees", "history"), "../x"),
    (("facts",), [KEY]),
    (("facts",), {"0": [KEY, 3], "4": [KEY, 3]}),
    (("facts", "x"), [KEY, 5]),
    (("facts", "0"), [KEY, -5]),
]


def test_a_state_of_everything_is_one() -> None:
    require_state(STATE, 7)
    require_state({}, 1)


@pytest.mark.parametrize(("way", "value"), WRONG)
def test_a_state_with_something_that_none_has_is_damage(way: tuple[str, ...], value: Any) -> None:
    state = copy.deepcopy(STATE)
    inner = state
    for name in way[:-1]:
        inner = inner[name]
    inner[way[-1]] = value
    with pytest.raises(Damage, match="the state after record 7 is none that FORMAT") as caught:
        require_state(state, 7)
    assert len(str(caught.value)) < 600 and str(caught.value).isprintable()


def test_a_field_that_is_missing_is_passed_over_only_where_records_are() -> None:
    state = {"spaces": {SPACE: {"probes": KEY}}, "roots": {"pictures": {"relative": True}}}
    with pytest.raises(Damage):
        require_state(state, 7)
    require_state(state, 7, gaps=True)


def test_a_run_of_facts_may_stand_twice_only_where_records_are_missing() -> None:
    require_state({"facts": {"0": [KEY, 5], "1": [KEY, 5]}}, 7, gaps=True)


def test_old_labels_may_lead_on_for_some_steps_and_no_further() -> None:
    def chain(steps: int, more: str = "x") -> dict[str, Any]:
        return {"absorbed": {f"l{n}": f"l{n + 1}/{more}" for n in range(steps)}}

    require_state(chain(255), 7)
    for state in (chain(256), chain(200, "x" * 200), {"absorbed": {"a": "b", "b": "c/d", "c": "a/x"}}):
        with pytest.raises(Damage):
            require_state(state, 7)


def test_a_long_chain_of_old_labels_is_refused_at_once() -> None:
    began = time.process_time()
    with pytest.raises(Damage):
        require_state({"absorbed": {f"l{n}": f"l{n + 1}/x" for n in range(100_000)}}, 7)
    assert time.process_time() - began < 10


ENTRY = {"id": KEY, "manifest": KEY, "space": SPACE, "paths": 3, "images": 2, "time": "2026-11-23T20:02:39Z"}


@pytest.mark.parametrize(("name", "parent"), [("v2", "v1"), ("v2", "origin/v9"), ("origin/v2", "origin/v1")])
def test_a_parent_comes_before(name: str, parent: str) -> None:
    assert Snapshot.from_json(name, {**ENTRY, "parent": parent}).parent == parent


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../x"),
        ("id", 5),
        ("manifest", "zz"),
        ("space", "x"),
        ("paths", 1),
        ("paths", "3"),
        ("images", -1),
        ("images", True),
        ("time", 5),
        ("message", ["x"]),
        ("parent", "v2"),
        ("parent", "v3"),
        ("parent", "../v1"),
        ("kept", 0),
        ("partial", "yes"),
        ("fields", "../x"),
    ],
)
def test_an_entry_with_what_no_snapshot_has_is_damage(field: str, value: Any) -> None:
    assert Snapshot.from_json("v2", ENTRY).paths == 3
    with pytest.raises(Damage, match="the log lists v2 with what no snapshot has"):
        Snapshot.from_json("v2", {**ENTRY, field: value})


@pytest.mark.parametrize("field", ["id", "manifest", "space", "paths", "images", "time"])
def test_an_entry_without_what_every_snapshot_has_is_damage(field: str) -> None:
    with pytest.raises(Damage, match=f"the log lists v2 without '{field}'"):
        Snapshot.from_json("v2", {name: value for name, value in ENTRY.items() if name != field})


def test_a_space_that_is_named_and_not_listed_is_damage() -> None:
    spaces = State({}).spaces
    assert spaces == {} and "00" * 32 not in spaces and spaces.get("00" * 32) is None
    with pytest.raises(Damage, match="names the space 000000000000 and does not list it"):
        spaces["00" * 32]


def test_a_fetched_snapshot_has_no_parent_of_this_store() -> None:
    with pytest.raises(Damage):
        Snapshot.from_json("origin/v5", {**ENTRY, "parent": "v1"})
