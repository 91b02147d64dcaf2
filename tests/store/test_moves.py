"""Rollback, undo and redo, also against a model of two stacks."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builder import RECIPE
from support.numbered import NumberedStore

from vstore.errors import CommitRace, NothingToUndo, SnapshotNotFound, UsageError
from vstore.format.undo import UNDOABLE
from vstore.repository.add_space import add_space
from vstore.versions.log import log
from vstore.versions.moves import moves, redo, rollback, undo
from vstore.versions.show import snapshot_list
from vstore.versions.tags import snapshot_tag
from vstore.versions.tags import snapshot_untag as untag


@pytest.fixture
def world(tmp_path: Path) -> NumberedStore:
    return NumberedStore(tmp_path)


def test_a_rollback_changes_the_current_snapshot_and_nothing_else(world: NumberedStore) -> None:
    world.snapshots(3)
    before = snapshot_list(world.repo)
    report = rollback(world.repo, "v1")
    assert report.to_json() == {
        "op": "rollback",
        "current": "v1",
        "before": "v3",
        "hold": None,
        "changed": True,
        "about": "v1 is current",
    }
    assert [row._replace(current=False) for row in snapshot_list(world.repo)] == [
        row._replace(current=False) for row in before
    ]
    assert world.current == "v1"


def test_a_rollback_to_where_one_is_writes_nothing(world: NumberedStore) -> None:
    world.snapshots(2)
    records = len(log(world.repo))
    report = rollback(world.repo, "v2")
    assert (report.changed, report.about) == (False, "v2 is already current")
    assert len(log(world.repo)) == records


def test_a_hold_stays_until_it_is_released(world: NumberedStore) -> None:
    world.snapshots(3)
    assert rollback(world.repo, "v1", hold=True).hold == "v1"
    assert world.repo.state.hold == "v1"
    assert rollback(world.repo, "v2").hold == "v1"  # another rollback does not release it
    assert not rollback(world.repo, "v2").changed
    assert rollback(world.repo, "v2", hold=True).changed
    assert world.repo.state.hold == "v2"
    report = rollback(world.repo, release=True)
    assert (report.op, report.hold, report.current, report.changed) == ("release", None, "v2", True)
    assert world.repo.state.hold is None
    assert not rollback(world.repo, release=True).changed


def test_a_hold_at_the_current_snapshot_is_an_operation(world: NumberedStore) -> None:
    world.snapshots(2)
    rollback(world.repo, "v2", hold=True)
    assert log(world.repo)[0].op == "hold"
    undo(world.repo)
    assert world.repo.state.hold is None
    redo(world.repo)
    assert (world.repo.state.hold, world.current) == ("v2", "v2")


def test_rollback_takes_a_snapshot_or_the_release(world: NumberedStore) -> None:
    world.snapshots(1)
    for arguments, options in (
        ((), {}),
        (("v1",), {"release": True}),
        ((), {"release": True, "hold": True}),
        ((), {"hold": True}),
    ):
        with pytest.raises(UsageError):
            rollback(world.repo, *arguments, **options)


def test_undo_undo_redo(world: NumberedStore) -> None:
    """Of two operations that were taken back, redo brings back the one that was taken back last."""
    world.snapshots(2)
    rollback(world.repo, "v1")
    snapshot_tag(world.repo, "v2", "tag")
    undo(world.repo)
    undo(world.repo)
    assert (world.current, world.repo.state.tags) == ("v2", {})
    redo(world.repo)
    assert (world.current, world.repo.state.tags) == ("v1", {})
    redo(world.repo)
    assert (world.current, world.repo.state.tags) == ("v1", {"tag": "v2"})
    with pytest.raises(NothingToUndo, match="a new operation ends redo"):
        redo(world.repo)


def test_a_new_operation_ends_redo(world: NumberedStore) -> None:
    world.snapshots(3)
    rollback(world.repo, "v1")
    undo(world.repo)
    snapshot_tag(world.repo, "v1", "tag")
    with pytest.raises(NothingToUndo):
        redo(world.repo)
    undo(world.repo)  # the tag
    undo(world.repo)  # the sync of v3: what was undone before is passed over
    assert world.current == "v2"


def test_an_operation_that_changes_nothing_does_not_end_redo(world: NumberedStore) -> None:
    world.snapshots(2)
    rollback(world.repo, "v1")
    undo(world.repo)
    rollback(world.repo, "v2")
    rollback(world.repo, release=True)
    assert redo(world.repo).current == "v1"


def test_neither_undo_nor_redo_is_itself_undone(world: NumberedStore) -> None:
    world.snapshots(3)
    for _ in range(3):
        undo(world.repo)
    assert world.current is None
    with pytest.raises(NothingToUndo, match="vstore log"):
        undo(world.repo)
    for _ in range(3):
        redo(world.repo)
    undo(world.repo)
    assert world.current == "v2"


def test_the_snapshot_of_a_sync_that_was_undone_stays_listed_and_keeps_its_number(world: NumberedStore) -> None:
    world.snapshots(2)
    undo(world.repo)
    assert [row.snapshot for row in snapshot_list(world.repo)] == ["v2", "v1"]
    assert world.sync({"other": 9}) == "v3"
    assert world.repo.snapshot("v3").parent == "v1"


def test_undo_says_that_everything_is_already_undone(world: NumberedStore) -> None:
    world.snapshots(1)
    undo(world.repo)
    with pytest.raises(NothingToUndo, match="everything that can be undone is already undone"):
        undo(world.repo)
    with pytest.raises(SnapshotNotFound, match="no snapshot is current"):
        world.named("current")


def test_undo_brings_back_forgotten_snapshots(world: NumberedStore) -> None:
    world.snapshots(3)
    world.publish("forget", {"snapshots": {"v1": {"kept": False}}})
    assert undo(world.repo).about.startswith("forget of ")
    assert len(snapshot_list(world.repo)) == 3
    redo(world.repo)
    assert len(snapshot_list(world.repo)) == 2


@pytest.mark.parametrize("op", ["seal", "merge", "model add", "roots"])
def test_operations_that_move_things_are_passed_over(world: NumberedStore, op: str) -> None:
    world.snapshots(2)
    packs = world.repo.state.document["packs"]
    added = world.repo.write_blobs({world.repo.hash.digest(b"more"): b"more"})
    world.publish(op, {"packs": added})
    assert undo(world.repo).current == "v1"
    world.publish(op, {"packs": dict.fromkeys(added)})
    assert redo(world.repo).current == "v2"
    assert world.repo.state.document["packs"] == packs


@pytest.mark.parametrize("op", ["gc", "repair", "migrate", "model drop"])
def test_barriers_stop_undo_and_redo_and_say_why(world: NumberedStore, op: str) -> None:
    world.snapshots(2)
    rollback(world.repo, "v1")
    undo(world.repo)
    world.publish(op, {"current": "v2"})
    with pytest.raises(NothingToUndo, match=rf"nothing before the {op} of 20\S+ can be undone"):
        undo(world.repo)
    with pytest.raises(NothingToUndo):
        redo(world.repo)
    rollback(world.repo, "v1")
    assert undo(world.repo).current == "v2"
    with pytest.raises(NothingToUndo):
        undo(world.repo)


def test_a_new_store_has_nothing_to_undo(world: NumberedStore) -> None:
    for operation in (undo, redo):
        with pytest.raises(NothingToUndo):
            operation(world.repo)


def test_an_undo_says_that_a_space_which_was_added_since_stays(world: NumberedStore) -> None:
    world.snapshots(2)
    add_space(world.repo, {**RECIPE, "name": "other"}, "other one")
    said = (
        r"undo leaves the space 'other one', which was added at 20\S+Z; to take it out: vstore model drop 'other one'"
    )
    undone = undo(world.repo)
    assert undone.current == "v1"
    (note,) = undone.notes
    assert re.fullmatch(said, note)
    assert undone.to_json()["notes"] == [note]
    again = undo(world.repo)
    assert (again.current, again.notes, "notes" in again.to_json()) == (None, (), False), "it was said"
    add_space(world.repo, {**RECIPE, "name": "third"}, "third")
    with pytest.raises(NothingToUndo, match=r"already undone; undo leaves the space 'third'.*; see: vstore log"):
        undo(world.repo)


def test_an_undo_says_what_an_older_vstore_changed_of_folders_without_a_way_back(world: NumberedStore) -> None:
    world.snapshots(1)
    world.publish("roots", {"roots": {"a": {"place": "/a", "relative": False, "options": {}}}})
    (note,) = undo(world.repo).notes
    assert note.startswith("undo leaves what an older vstore changed of the folders at 20")


# Any operations, against a model


class Moment(NamedTuple):
    """The parts of a state that undo restores."""

    current: str | None = None
    hold: str | None = None
    tags: frozenset[tuple[str, str]] = frozenset()


VERSIONS = st.sampled_from(["v1", "v2", "v3"])
TAGS = st.sampled_from(["one", "two"])
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("sync")),
        st.tuples(st.just("rollback"), VERSIONS, st.booleans()),
        st.tuples(st.just("release")),
        st.tuples(st.just("tag"), VERSIONS, TAGS),
        st.tuples(st.just("untag"), TAGS),
        st.tuples(st.just("seal")),
        st.tuples(st.just("gc")),
        *[st.tuples(st.just(word)) for word in ("undo", "undo", "undo", "redo", "redo")],
    ),
    max_size=14,
)


class Model:
    """Moments, and two stacks of them."""

    def __init__(self) -> None:
        self.now = Moment()
        self.done: list[tuple[Moment, Moment]] = []
        self.undone: list[tuple[Moment, Moment]] = []
        self.syncs = 0

    def to(self, moment: Moment) -> None:
        if moment != self.now:
            self.done.append((self.now, moment))
            self.undone.clear()
            self.now = moment

    def do(self, word: str, *arguments: Any) -> bool:
        """Returns: whether this is to succeed."""
        now = self.now
        tags = dict(now.tags)
        if word == "sync":
            self.syncs += 1
            self.to(now._replace(current=f"v{self.syncs}"))
        elif word == "rollback":
            version, hold = arguments
            if int(version[1:]) > self.syncs:
                return False
            self.to(now._replace(current=version, hold=version if hold else now.hold))
        elif word == "release":
            self.to(now._replace(hold=None))
        elif word == "tag":
            version, tag = arguments
            if int(version[1:]) > self.syncs or tags.get(tag, version) != version:
                return False
            self.to(now._replace(tags=frozenset((tags | {tag: version}).items())))
        elif word == "untag":
            if tags.pop(arguments[0], None) is None:
                return False
            self.to(now._replace(tags=frozenset(tags.items())))
        elif word == "gc":
            self.done.clear()
            self.undone.clear()
        elif word == "undo":
            if not self.done:
                return False
            self.undone.append(self.done.pop())
            self.now = self.undone[-1][0]
        elif word == "redo":
            if not self.undone:
                return False
            self.done.append(self.undone.pop())
            self.now = self.done[-1][1]
        return True


@settings(max_examples=40, deadline=None)
@given(operations=OPERATIONS)
def test_any_operations_lead_where_two_stacks_lead(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[Any, ...]]
) -> None:
    world, model = NumberedStore(tmp_path_factory.mktemp("history")), Model()
    does: dict[str, Callable[..., object]] = {
        "sync": lambda: world.sync({"a": model.syncs}),
        "rollback": lambda version, hold: rollback(world.repo, version, hold=hold),
        "release": lambda: rollback(world.repo, release=True),
        "tag": lambda version, tag: snapshot_tag(world.repo, version, tag),
        "untag": lambda tag: untag(world.repo, tag),
        "seal": lambda: world.publish("seal", {"segments": {}}),
        "gc": lambda: world.publish("gc", {"packs": world.repo.state.document["packs"]}),
        "undo": lambda: undo(world.repo),
        "redo": lambda: redo(world.repo),
    }
    for word, *arguments in operations:
        if model.do(word, *arguments):
            does[word](*arguments)
        else:
            with pytest.raises((SnapshotNotFound, UsageError, NothingToUndo)):
                does[word](*arguments)
        state = world.repo.state
        assert Moment(state.current, state.hold, frozenset(state.tags.items())) == model.now
    assert len(snapshot_list(world.repo)) == model.syncs
    rows = log(world.repo)
    end = next(number for number, row in enumerate(rows) if row.ends_undo)
    in_force = [row for row in rows[:end] if row.op in UNDOABLE and not row.undone]
    assert len(in_force) == len(model.done), "the log tells what can be undone, and where that ends"
    for row in in_force:
        assert undo(world.repo).about.startswith(f"{row.op} of {row.time}")
    with pytest.raises(NothingToUndo):
        undo(world.repo)


def test_every_operation_that_is_undone_is_known_to_the_log() -> None:
    """What history publishes is what `undo` takes back."""
    assert {"sync", "rollback", "hold", "release", "tag", "untag"} <= UNDOABLE
    assert "undo" not in UNDOABLE and "redo" not in UNDOABLE


# What can be done, and what has changed meanwhile


def test_what_can_be_undone_and_redone_is_told_before_it_is_done(world: NumberedStore) -> None:
    world.snapshots(2)
    snapshot_tag(world.repo, "v1", "first")
    rollback(world.repo, "v1", hold=True)
    found = moves(world.repo)
    assert (found.current, found.hold, found.redo) == ("v1", "v1", None)
    assert found.newest == log(world.repo)[0].number
    assert found.undo is not None
    assert re.fullmatch(r"rollback of \S+ \(to v1\)", found.undo)
    assert undo(world.repo).about == found.undo
    later = moves(world.repo)
    assert (later.current, later.hold, later.redo) == ("v2", None, found.undo)
    assert later.undo is not None and later.undo.startswith("tag of ")
    assert redo(world.repo).about == found.undo
    assert moves(world.repo)._replace(newest=0) == found._replace(newest=0)


def test_where_nothing_can_be_undone_none_is_told(world: NumberedStore) -> None:
    found = moves(world.repo)
    assert (found.current, found.hold, found.undo, found.redo) == (None, None, None, None)
    assert found.to_json() == {"newest": found.newest, "current": None, "hold": None, "undo": None, "redo": None}


@pytest.mark.parametrize("move", [lambda *of, **known: rollback(of[0], "v1", **known), undo, redo])
def test_a_move_from_a_state_that_is_no_longer_the_newest_is_refused(
    world: NumberedStore, move: Callable[..., Any]
) -> None:
    world.snapshots(2)
    rollback(world.repo, "v1")
    undo(world.repo)
    seen = moves(world.repo).newest
    snapshot_tag(world.repo, "v2", "mine")
    before = log(world.repo)
    with pytest.raises(CommitRace, match=r"changed meanwhile: tag of \S+ \(mine at v2\)"):
        move(world.repo, newest=seen)
    assert log(world.repo) == before
    untag(world.repo, "mine")
    undo(world.repo)
    if move is not redo:
        assert move(world.repo, newest=moves(world.repo).newest).changed
