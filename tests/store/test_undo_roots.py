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


def test_an_undo_takes_back_a_sync_that_changed_the_folders_alone(world: World) -> None:
    world.put({"a.png": 1, "b.gif": 2})
    world.sync()
    world.put({"c.png": 3})
    world.sync()
    assert world.sync(exclude=["*.tif"]).snapshot is None
    assert [row.op for row in world.store.log(2)] == ["sync", "sync"]
    assert world.store.log(1)[0].about == "no snapshot, folders changed: pictures"
    undone = world.store.undo()
    assert (undone.current, undone.before, undone.notes) == ("v2", "v2", ())
    assert "(no snapshot, folders changed: pictures)" in undone.about
    assert world.repo.state.roots["pictures"].options.get("exclude", []) == []
    assert world.store.redo().current == "v2"
    assert world.repo.state.roots["pictures"].options["exclude"] == ["*.tif"]
    world.store.undo()
    assert world.store.undo().current == "v1"


def test_an_undo_of_a_move_says_that_the_old_place_is_gone(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()
    place = world.top / "elsewhere"
    world.pictures.rename(place)
    assert world.sync(place, as_label="pictures").snapshot is None
    undone = world.store.undo()
    assert undone.current == "v1"
    assert undone.notes == (
        "the folder 'pictures' stays where it is: its old place is gone, or you have not named it at this machine",
    )
    assert world.repo.place(world.repo.state.roots["pictures"]) == bytes(place)
    assert world.store.undo().current is None, "the next one takes back the sync before it"


def test_an_undo_of_a_move_leads_back_where_both_places_are(world: World) -> None:
    world.put({"a.png": 1, "../copy/a.png": 1})
    world.sync()
    assert world.sync(world.top / "copy", as_label="pictures").snapshot is None
    undone = world.store.undo()
    assert (undone.current, undone.notes) == ("v1", ())
    assert world.repo.place(world.repo.state.roots["pictures"]) == bytes(world.pictures)
    world.store.redo()
    assert world.repo.place(world.repo.state.roots["pictures"]) == bytes(world.top / "copy")


def test_a_folder_without_pictures_is_forgotten_by_an_undo(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()
    put(world.top / "empty", {"b.png": b"no picture"})
    assert world.sync(world.top / "empty").snapshot is None
    assert set(world.repo.state.roots) == {"pictures", "empty"}
    assert world.store.undo().current == "v1"
    assert set(world.repo.state.roots) == {"pictures"}


def test_an_undo_of_a_wider_folder_says_which_stays_in_it(world: World) -> None:
    world.put({"a.png": 1, "../private/b.png": 2})
    world.sync()
    world.sync(world.top)
    shutil.rmtree(world.pictures)
    assert world.store.undo().notes == (
        "the folder 'pictures' stays in the wider one: its old place is gone, or you have not named it at this machine",
    )


def test_a_sync_that_changes_nothing_of_a_folder_is_no_operation(world: World) -> None:
    world.put({"a.png": 1})
    world.sync(exclude=["*.tif"])
    records = world.repo.tip.number
    world.sync(exclude=["*.tif"])
    assert world.repo.tip.number == records


def test_an_undo_of_a_sync_that_moved_no_folder_says_nothing_of_its_place(world: World) -> None:
    world.put({f"{n}.png": n for n in range(30)})
    world.sync()
    for n in range(1, 30):
        (world.pictures / f"{n}.png").unlink()
    world.sync(allow_mass_delete=True)
    assert world.repo.state.roots["pictures"].since == 2
    world.sync(exclude=["*.tif"])
    place = world.top / "elsewhere"
    world.pictures.rename(place)
    world.sync(place, as_label="pictures")
    assert len(world.store.undo().notes) == 1
    assert world.store.undo().notes == (), "this one changed its options"
    assert world.store.undo().notes == ()
    assert world.repo.state.current == "v1"


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
