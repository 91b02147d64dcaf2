"""Undo and redo of folders: what an operation changed of them comes back, but never a place that is gone."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from support.folders import World, classes, put

from vstore.errors import NothingToUndo, UsageError, VstoreError
from vstore.format.records import Record
from vstore.format.state import State
from vstore.format.undo_roots import restoring_roots


def root(place: str, **options: Any) -> dict[str, Any]:
    return {"place": place, "relative": False, "options": options}


def restored(now: dict[str, Any], earlier: dict[str, Any], changes: dict[str, Any], *gone: str) -> dict[str, Any]:
    """Undo a record. Returns: the roots and absorbed labels afterwards."""
    record = Record(2, "sync", "", "", "", changes)
    places = {name.encode() for name in gone}
    state = State(now)
    after = state.after(restoring_roots(state, State(earlier), record, lambda one: one.place in places)).document
    return {name: after[name] for name in ("roots", "absorbed") if after.get(name)}


INNER = {"roots": {"in": root("/a/in")}}
WIDER = {"roots": {"a": root("/a")}, "absorbed": {"in": "a/in"}}
TAKEN_IN = {"roots": {"in": None, "a": root("/a")}, "absorbed": {"in": "a/in"}}


def test_a_folder_that_was_taken_in_comes_back_and_the_wider_one_goes() -> None:
    assert restored(WIDER, INNER, TAKEN_IN) == INNER
    assert restored(INNER, WIDER, TAKEN_IN) == WIDER  # redo


def test_one_whose_place_is_gone_stays_taken_in_and_the_wider_one_stays() -> None:
    assert restored(WIDER, INNER, TAKEN_IN, "/a/in") == WIDER


def test_a_folder_that_moved_keeps_its_place_if_the_old_one_is_gone() -> None:
    old, new = {"roots": {"a": root("/old", exclude=["x"])}}, {"roots": {"a": root("/new", exclude=["y"])}}
    kept = {"roots": {"a": root("/new", exclude=["x"])}}
    assert restored(new, old, {"roots": {"a": root("/new")}}, "/old") == kept
    assert restored(new, old, {"roots": {"a": root("/new")}}) == old


def test_a_new_folder_goes_and_options_and_marks_come_back() -> None:
    old = {"roots": {"a": root("/a", exclude=["x"])}}
    new = {"roots": {"a": {**root("/a", exclude=[], odd=1), "since": 2}}}
    assert restored(new, old, {"roots": {"a": {}}}) == old
    assert restored(new, {}, {"roots": {"a": {}}}) == {}


def test_what_other_operations_changed_stays() -> None:
    now = {"roots": {"a": root("/a"), "b": root("/b", exclude=["later"])}}
    left = {"roots": {"b": root("/b", exclude=["later"])}}
    assert restored(now, {"roots": {"b": root("/b")}}, {"roots": {"a": root("/a")}}) == left


def test_a_folder_that_holds_an_absorbed_one_stays() -> None:
    now = {"roots": {"a": root("/a")}, "absorbed": {"in": "a/in"}}
    assert restored(now, {}, {"roots": {"a": root("/a")}}) == now


def test_an_undo_takes_a_wider_folder_away_again(world: World) -> None:
    world.put({"a.png": 1, "../private/b.png": 2})
    world.sync()
    before = world.repo.state
    world.sync(world.top)
    assert list(world.repo.state.roots) == [world.top.name]
    world.store.undo()
    after = world.repo.state
    assert (after.roots, after.absorbed, after.current) == (before.roots, before.absorbed, "v1")
    assert classes(world.all()) == {"unchanged": 1}


def test_a_redo_takes_it_in_again(world: World) -> None:
    world.put({"a.png": 1, "../other/b.png": 2})
    world.sync()
    world.sync(world.top)
    wider = world.repo.state
    world.store.undo()
    world.store.redo()
    after = world.repo.state
    assert (after.roots, after.absorbed, after.current) == (wider.roots, wider.absorbed, "v2")
    assert classes(world.all()) == {"unchanged": 2}


def test_an_undo_of_the_first_sync_forgets_its_folder(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()
    world.store.undo()
    assert world.repo.state.roots == {}
    with pytest.raises(UsageError, match="no folder yet"):
        world.all()
    world.store.redo()
    assert classes(world.all()) == {"unchanged": 1}


def test_an_undo_after_a_move_does_not_lead_to_the_old_place(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()
    place = world.top / "moved" / "pictures"
    place.parent.mkdir()
    world.pictures.rename(place)
    put(place, {"b.png": 2})
    world.sync(place)
    world.store.undo()
    state = world.repo.state
    assert (state.current, world.repo.place(state.roots["pictures"])) == ("v1", bytes(place))
    assert classes(world.all()) == {"unchanged": 1, "known": 1}


class Folders(RuleBasedStateMachine):
    """Folders that are synced, moved and taken in by wider ones, with undo and redo between."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.world = World(self.top, folder="t/x/pictures")
        for number, name in enumerate(("t/x/pictures", "t/x/y", "t/z", "u")):
            put(self.top / name, {f"{number}.png": number})
        self.moves = 0

    def teardown(self) -> None:
        shutil.rmtree(self.top)

    @rule(name=st.sampled_from(["t/x/pictures", "t/x/y", "t/z", "u", "t/x", "t"]))
    def sync(self, name: str) -> None:
        try:
            self.world.sync(self.top / name)
        except VstoreError:
            return
        self.nothing_points_nowhere()

    @rule(name=st.sampled_from(["t/x/y", "t/z", "u"]))
    def move(self, name: str) -> None:
        place = self.top / name
        if place.exists():
            self.moves += 1
            to = self.top / f"moved{self.moves}" / place.name
            to.parent.mkdir()
            place.rename(to)
            try:
                self.world.sync(to)
            except VstoreError:
                to.rename(place)

    @rule()
    def undo(self) -> None:
        gone = self.gone()
        before = self.world.repo.state
        try:
            self.world.store.undo()
        except NothingToUndo:
            return
        assert self.gone() <= gone
        self.nothing_points_nowhere()
        middle = self.world.repo.state
        self.world.store.redo()
        again = self.world.repo.state
        assert again.current == before.current
        assert self.gone() <= gone
        if not gone:
            assert (again.roots, again.absorbed) == (before.roots, before.absorbed)
        self.world.store.undo()
        assert self.world.repo.state.current == middle.current
        assert self.gone() <= gone

    def gone(self) -> set[str]:
        repo = self.world.repo
        return {label for label, root in repo.state.roots.items() if not Path(repo.place(root).decode()).exists()}

    def nothing_points_nowhere(self) -> None:
        """Every absorbed label lies in a root, and no label is both."""
        state = self.world.repo.state
        assert not state.roots.keys() & state.absorbed.keys()
        for prefix in state.absorbed.values():
            label = prefix.partition("/")[0]
            assert label in state.roots or label in state.absorbed


Folders.TestCase.settings = settings(max_examples=6, stateful_step_count=10, deadline=None)
TestFolders = Folders.TestCase
