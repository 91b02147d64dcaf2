from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builder import Builder

from vstore.errors import AmbiguousSnapshot, NothingToUndo, SnapshotNotFound, UsageError
from vstore.format.undo import UNDOABLE
from vstore.repository.repository import Repository
from vstore.versions.diff import snapshot_diff
from vstore.versions.log import log
from vstore.versions.moves import redo, rollback, undo
from vstore.versions.show import snapshot_list, snapshot_show
from vstore.versions.tags import snapshot_tag
from vstore.versions.tags import snapshot_untag as untag


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def aliases(files: Mapping[str, int]) -> dict[bytes, bytes]:
    """Stored paths and keys, of a path below the root `p` and the number of a picture."""
    return {os.fsencode(path if "/" in path else f"p/{path}"): key(number) for path, number in files.items()}


class World:
    """A store whose snapshots are made of numbers alone."""

    def __init__(self, folder: Path) -> None:
        self.builder = Builder(folder / ".vstore")

    @property
    def repo(self) -> Repository:
        """The store as another process finds it."""
        return Repository(self.builder.repo.layout.folder)

    def sync(self, files: Mapping[str, int], message: str = "") -> str:
        return self.builder.add_snapshot(aliases(files), message).name

    def versions(self, count: int) -> None:
        for number in range(1, count + 1):
            self.sync({f"{n}.png": n for n in range(number)}, f"message {number}")

    def publish(self, op: str, changes: dict[str, Any]) -> None:
        repo = self.repo
        with repo.committing(op):
            repo.publish(op, changes)

    def named(self, name: str) -> str:
        return self.repo.snapshot(name).name

    @property
    def current(self) -> str | None:
        return self.repo.state.current


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# What a version is called


def test_a_version_is_called_by_its_number(world: World) -> None:
    world.versions(12)
    for name, wanted in (("v1", "v1"), ("v12", "v12"), ("V3", "v3"), ("v003", "v3")):
        assert world.named(name) == wanted


def test_a_version_is_called_by_the_first_digits_of_its_id(world: World) -> None:
    world.versions(5)
    for row in snapshot_list(world.repo):
        assert world.named(row.id) == row.snapshot
        assert world.named(row.id[:8].upper()) == row.snapshot
    with pytest.raises(SnapshotNotFound):
        world.named(row.id[:3])
    with pytest.raises(SnapshotNotFound):
        world.named(row.id + "0")


def test_equal_states_share_an_id_and_the_newest_of_them_is_meant(world: World) -> None:
    for files in ({"a": 1}, {"b": 2}, {"a": 1}):
        world.sync(files)
    rows = snapshot_list(world.repo)
    assert rows[0].id == rows[2].id != rows[1].id
    assert world.named(rows[0].id) == "v3"


def test_an_id_that_means_several_versions_names_them(world: World) -> None:
    world.versions(3)
    listed = world.repo.state.document["snapshots"]
    world.publish(
        "repair", {"snapshots": {name: {**listed[name], "id": f"abcd{name[1:] * 28}"} for name in ("v1", "v2")}}
    )
    with pytest.raises(AmbiguousSnapshot) as caught:
        world.named("ABCD")
    assert "v2 (abcd22222222), v1 (abcd11111111)" in str(caught.value)
    assert isinstance(caught.value, LookupError)
    assert world.named("abcd1") == "v1"


def test_a_version_is_called_by_its_tags(world: World) -> None:
    world.versions(3)
    snapshot_tag(world.repo, "v2", "before-cleanup")
    snapshot_tag(world.repo, "v2", "älter")
    assert world.named("before-cleanup") == world.named("älter") == "v2"
    assert world.named("before-cleanup~1") == "v1"
    assert snapshot_list(world.repo)[1].tags == ("before-cleanup", "älter")


def test_current_and_latest_part_after_a_rollback(world: World) -> None:
    world.versions(3)
    rollback(world.repo, "v1")
    assert (world.named("current"), world.named("latest")) == ("v1", "v3")
    assert [row.snapshot for row in snapshot_list(world.repo) if row.current] == ["v1"]


def test_parents_are_counted_up_from_any_name(world: World) -> None:
    world.versions(4)
    rollback(world.repo, "v2")
    world.sync({"other": 50})  # v5, whose parent is v2
    for name, wanted in (
        ("v5~0", "v5"), ("v5~1", "v2"), ("v5~2", "v1"), ("current~1", "v2"), ("latest~1", "v2"), ("v4~2", "v2"),
        ("v4~1~1", "v2"), ("@{1}~1", "v1"),
    ):  # fmt: skip
        assert world.named(name) == wanted
    for name in ("v5~3", "v1~1", "v9~1", "v5~99999999999999999999"):
        with pytest.raises(SnapshotNotFound, match="snapshot list"):
            world.named(name)


def test_earlier_values_of_current_are_counted_back(world: World) -> None:
    world.versions(3)
    rollback(world.repo, "v1")
    snapshot_tag(world.repo, "v1", "tag")  # sets no current, and does not count
    rollback(world.repo, "v2")
    undo(world.repo)
    undo(world.repo)  # the tag: sets no current
    # v1 v2 v3 v1 v2 v1
    assert [world.named(f"@{{{back}}}") for back in range(6)] == ["v1", "v2", "v1", "v3", "v2", "v1"]
    with pytest.raises(SnapshotNotFound):
        world.named("@{6}")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "v9",
        "v0",
        "v",
        "vx",
        "v1x",
        "abcd",
        "nothing",
        "~1",
        "v1~",
        "v1~x",
        "@",
        "@{}",
        "@{x}",
        "@{-1}",
        "p/a",
        "v-1",
    ],
)
def test_what_is_called_by_no_name_is_not_found(world: World, name: str) -> None:
    world.versions(2)
    with pytest.raises(SnapshotNotFound) as caught:
        world.named(name)
    assert f"no snapshot {name!r} among the 2 kept here" in str(caught.value)
    assert isinstance(caught.value, LookupError)


def test_a_store_without_versions_says_how_to_make_one(world: World) -> None:
    assert snapshot_list(world.repo) == []
    for name in ("current", "latest", "v1", "@{0}", "abcdef"):
        with pytest.raises(SnapshotNotFound, match="vstore sync"):
            world.named(name)


def test_a_version_that_was_forgotten_is_not_found_under_any_name(world: World) -> None:
    world.versions(3)
    id = world.repo.snapshot("v2").id
    world.publish("forget", {"snapshots": {"v2": {"kept": False}}})
    for name in ("v2", id, "v3~1", "@{1}"):
        with pytest.raises(SnapshotNotFound, match="2 kept here"):
            world.named(name)
    assert [row.snapshot for row in snapshot_list(world.repo)] == ["v3", "v1"]


# Listing and showing


def test_versions_are_listed_newest_first_with_all_that_is_known_of_them(world: World) -> None:
    world.versions(11)
    rows = snapshot_list(world.repo)
    assert [row.snapshot for row in rows] == [f"v{n}" for n in range(11, 0, -1)]
    first, last = rows[-1], rows[0]
    assert (first.parent, last.parent) == (None, "v10")
    assert (first.message, last.message) == ("message 1", "message 11")
    assert (last.paths, last.images, last.current, last.partial) == (11, 11, True, False)
    assert last.space_name == "fake-1"
    assert last.to_json()["tags"] == []


def test_a_version_is_shown_with_the_paths_below_each_label(world: World) -> None:
    world.sync({"a/1": 1, "a/2": 1, "a-b/3": 2, "a.b/4": 3, "ab/5": 3, "é/6/7": 4, "a/b/8": 5})
    detail = snapshot_show(world.repo, "current")
    assert detail.roots == {"a": 3, "a-b": 1, "a.b": 1, "ab": 1, "é": 1}
    assert (detail.row.paths, detail.row.images) == (7, 5)
    assert detail.tree == world.repo.tree(world.repo.snapshot("v1")).root.hex()
    assert detail.to_json()["manifest"] == world.repo.snapshot("v1").manifest.hex()


def test_an_empty_version_is_shown(world: World) -> None:
    world.sync({})
    assert snapshot_show(world.repo, "v1").roots == {}


# Differences


class Classes(NamedTuple):
    changed: list[bytes]
    renamed: list[tuple[bytes, bytes]]
    copied: list[bytes]
    added: list[bytes]
    removed: list[bytes]


def classes(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> Classes:
    """The rules word by word, for two dicts."""
    found = Classes([], [], [], [], [])
    gone = {path: key for path, key in sorted(before.items()) if path not in after}
    seen: set[bytes] = set()
    for path, key in sorted(after.items()):
        if before.get(path) == key:
            continue
        partner = next((old for old in gone if gone[old] == key), None)
        if path in before:
            found.changed.append(path)
        elif partner is not None:
            found.renamed.append((partner, path))
            del gone[partner]
        elif key in before.values() or key in seen:
            found.copied.append(path)
        else:
            found.added.append(path)
        seen.add(key)
    found.removed.extend(gone)
    return found


FILES = st.dictionaries(st.sampled_from([f"{a}/{b}" for a in "pqr" for b in "123456"]), st.integers(1, 7), max_size=10)


@settings(max_examples=30, deadline=None)
@given(versions=st.lists(FILES, min_size=2, max_size=4))
def test_differences_are_those_of_two_dicts(tmp_path_factory: pytest.TempPathFactory, versions: list[Any]) -> None:
    world = World(tmp_path_factory.mktemp("diff"))
    for files in versions:
        world.sync(files)
    for a, before in enumerate(versions, 1):
        for b, after in enumerate(versions, 1):
            report = snapshot_diff(world.repo, f"v{a}", f"v{b}")
            assert (report.before, report.after, report.same_space) == (f"v{a}", f"v{b}", True)
            found = Classes(*(list(getattr(report, name)) for name in Classes._fields))
            assert found == classes(aliases(before), aliases(after))


def test_two_files_that_swap_contents_are_both_changed(world: World) -> None:
    world.sync({"a": 1, "b": 2})
    world.sync({"a": 2, "b": 1})
    assert snapshot_diff(world.repo, "v1", "v2").changed == (b"p/a", b"p/b")


def test_large_versions_that_differ_in_little_are_told_apart_by_little(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"p/{n:05}": n for n in range(5000)}
    world.sync(many)
    world.sync({**many, "p/02500": 9999})
    from vstore.format import pages

    decoded = []
    decode = pages.decode_leaf
    monkeypatch.setattr(pages, "decode_leaf", lambda *args: decoded.append(1) or decode(*args))
    assert snapshot_diff(world.repo, "v1", "v2").changed == (b"p/02500",)
    assert len(decoded) == 2


def test_a_root_that_was_taken_in_by_a_wider_one_is_no_difference(world: World, tmp_path: Path) -> None:
    world.builder.add_root("p", tmp_path / "wide/p")
    world.sync({"p/a": 1, "p/sub/b": 2})
    world.builder.add_root("wide", tmp_path / "wide")
    world.builder.absorb("p", "wide/p")
    world.sync({"wide/p/a": 1, "wide/p/sub/c": 2, "wide/d": 3})
    report = snapshot_diff(world.repo, "v1", "v2")
    assert report.renamed == ((b"wide/p/sub/b", b"wide/p/sub/c"),)
    assert report.added == (b"wide/d",)
    assert (report.changed, report.copied, report.removed) == ((), (), ())
    back = snapshot_diff(world.repo, "v2", "v1")
    assert back.removed == (b"wide/d",)
    assert snapshot_diff(world.repo, "v1", "v1").to_json()["changed"] == []


def test_versions_of_two_spaces_are_said_to_be_so(world: World) -> None:
    world.versions(2)
    state = world.repo.state.document
    other = "ee" * 32
    entry = {**state["snapshots"]["v2"], "space": other}
    world.publish("model use", {"snapshots": {"v2": entry}})
    assert not snapshot_diff(world.repo, "v1", "v2").same_space
    assert snapshot_list(world.repo)[0].space_name == other[:12]  # a space that was dropped is called by its id


def test_differences_tell_names_that_are_not_utf8(world: World) -> None:
    world.sync({})
    world.sync({"p/\udcff": 1})
    assert snapshot_diff(world.repo, "v1", "v2").to_json()["added"] == [{"path": "p/�", "path_b64": "cC//"}]


# Tags


def test_a_tag_may_be_set_again_where_it_is_and_nowhere_else(world: World) -> None:
    world.versions(2)
    assert snapshot_tag(world.repo, "latest", "best").to_json() == {"tag": "best", "snapshot": "v2"}
    records = len(log(world.repo))
    assert snapshot_tag(world.repo, "v2", "best").snapshot == "v2"
    assert len(log(world.repo)) == records
    with pytest.raises(UsageError, match="untag best"):
        snapshot_tag(world.repo, "v1", "best")
    assert untag(world.repo, "best").to_json() == {"tag": "best", "snapshot": None}
    assert snapshot_tag(world.repo, "v1", "best").snapshot == "v1"


def test_a_tag_that_is_not_there_cannot_be_taken_away(world: World) -> None:
    world.versions(1)
    with pytest.raises(UsageError, match="the tags of this store: none"):
        untag(world.repo, "best")
    snapshot_tag(world.repo, "v1", "good")
    with pytest.raises(UsageError, match="the tags of this store: good"):
        untag(world.repo, "best")


@pytest.mark.parametrize(
    "name", ["v1", "V12", "current", "latest", "LATEST", "abcd", "a~1", "@{1}", "", "a/b", "-x", "a b"]
)
def test_a_tag_never_takes_the_name_of_something_else(world: World, name: str) -> None:
    world.versions(1)
    with pytest.raises(UsageError):
        snapshot_tag(world.repo, "v1", name)


def test_only_what_is_there_can_be_tagged(world: World) -> None:
    world.versions(1)
    with pytest.raises(SnapshotNotFound):
        snapshot_tag(world.repo, "v2", "tag")


# There and back


def test_a_rollback_changes_what_is_current_and_nothing_else(world: World) -> None:
    world.versions(3)
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


def test_a_rollback_to_where_one_is_writes_nothing(world: World) -> None:
    world.versions(2)
    records = len(log(world.repo))
    report = rollback(world.repo, "v2")
    assert (report.changed, report.about) == (False, "v2 is already current")
    assert len(log(world.repo)) == records


def test_a_hold_stays_until_it_is_released(world: World) -> None:
    world.versions(3)
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


def test_a_hold_where_one_is_is_an_operation_of_its_own(world: World) -> None:
    world.versions(2)
    rollback(world.repo, "v2", hold=True)
    assert log(world.repo)[0].op == "hold"
    undo(world.repo)
    assert world.repo.state.hold is None
    redo(world.repo)
    assert (world.repo.state.hold, world.current) == ("v2", "v2")


def test_rollback_takes_a_version_or_the_release(world: World) -> None:
    world.versions(1)
    for arguments, options in (
        ((), {}),
        (("v1",), {"release": True}),
        ((), {"release": True, "hold": True}),
        ((), {"hold": True}),
    ):
        with pytest.raises(UsageError):
            rollback(world.repo, *arguments, **options)


def test_undo_undo_redo(world: World) -> None:
    """Of two operations that were taken back, redo brings back the one that was taken back last."""
    world.versions(2)
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


def test_a_new_operation_ends_redo(world: World) -> None:
    world.versions(3)
    rollback(world.repo, "v1")
    undo(world.repo)
    snapshot_tag(world.repo, "v1", "tag")
    with pytest.raises(NothingToUndo):
        redo(world.repo)
    undo(world.repo)  # the tag
    undo(world.repo)  # the sync of v3: what was undone before is passed over
    assert world.current == "v2"


def test_what_changes_nothing_does_not_end_redo(world: World) -> None:
    world.versions(2)
    rollback(world.repo, "v1")
    undo(world.repo)
    rollback(world.repo, "v2")
    rollback(world.repo, release=True)
    assert redo(world.repo).current == "v1"


def test_neither_undo_nor_redo_is_itself_undone(world: World) -> None:
    world.versions(3)
    for _ in range(3):
        undo(world.repo)
    assert world.current is None
    with pytest.raises(NothingToUndo, match="vstore log"):
        undo(world.repo)
    for _ in range(3):
        redo(world.repo)
    undo(world.repo)
    assert world.current == "v2"


def test_the_version_of_a_sync_that_was_undone_stays_listed_and_keeps_its_number(world: World) -> None:
    world.versions(2)
    undo(world.repo)
    assert [row.snapshot for row in snapshot_list(world.repo)] == ["v2", "v1"]
    assert world.sync({"other": 9}) == "v3"
    assert world.repo.snapshot("v3").parent == "v1"


def test_where_all_is_undone_errors_say_so(world: World) -> None:
    world.versions(1)
    undo(world.repo)
    with pytest.raises(NothingToUndo, match="everything that can be undone is already undone"):
        undo(world.repo)
    with pytest.raises(SnapshotNotFound, match="no snapshot is current"):
        world.named("current")


def test_undo_brings_back_what_was_forgotten(world: World) -> None:
    world.versions(3)
    world.publish("forget", {"snapshots": {"v1": {"kept": False}}})
    assert undo(world.repo).about.startswith("forget of ")
    assert len(snapshot_list(world.repo)) == 3
    redo(world.repo)
    assert len(snapshot_list(world.repo)) == 2


@pytest.mark.parametrize("op", ["seal", "merge", "model add", "roots"])
def test_operations_that_move_things_are_passed_over(world: World, op: str) -> None:
    world.versions(2)
    packs = world.repo.state.document["packs"]
    added = world.repo.add_pack({world.repo.hash.digest(b"more"): b"more"})
    world.publish(op, {"packs": added})
    assert undo(world.repo).current == "v1"
    world.publish(op, {"packs": dict.fromkeys(added)})
    assert redo(world.repo).current == "v2"
    assert world.repo.state.document["packs"] == packs


@pytest.mark.parametrize("op", ["gc", "repair", "migrate", "model drop"])
def test_barriers_stop_undo_and_redo_and_say_why(world: World, op: str) -> None:
    world.versions(2)
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


def test_a_new_store_has_nothing_to_undo(world: World) -> None:
    for operation in (undo, redo):
        with pytest.raises(NothingToUndo):
            operation(world.repo)


def test_the_log_tells_every_operation_and_which_are_undone(world: World) -> None:
    world.versions(2)
    rollback(world.repo, "v1")
    snapshot_tag(world.repo, "v1", "tag")
    undo(world.repo)
    undo(world.repo)
    redo(world.repo)
    rows = log(world.repo)
    assert [(row.op, row.current, row.undone) for row in rows] == [
        ("redo", "v1", False),
        ("undo", "v2", False),
        ("undo", "v1", False),
        ("tag", "v1", True),
        ("rollback", "v1", False),
        ("sync", "v2", False),
        ("sync", "v1", False),
        ("init", None, False),
    ]
    assert rows[0].about.startswith("rollback of 20") and rows[0].about.endswith("(to v1)")
    assert [row.number for row in rows] == list(range(8, 0, -1))
    assert log(world.repo, 3) == rows[:3]
    assert log(world.repo, 0) == []
    assert rows[0].to_json()["op"] == "redo"


# Any operations, against a model


class Moment(NamedTuple):
    """What undo restores."""

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
    world, model = World(tmp_path_factory.mktemp("history")), Model()
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


def test_every_operation_that_is_undone_is_known_to_the_log() -> None:
    """What history publishes is what `undo` takes back."""
    assert {"sync", "rollback", "hold", "release", "tag", "untag"} <= UNDOABLE
    assert "undo" not in UNDOABLE and "redo" not in UNDOABLE


def test_versions_need_neither_numpy_nor_faiss(world: World) -> None:
    world.versions(3)
    code = """
import sys
from vstore.store import Store
store = Store(sys.argv[1])
store.snapshot_list(), store.snapshot_show("v1"), store.snapshot_diff("v1", "v3"), store.snapshot_tag("v1", "tag")
store.snapshot_untag("tag"), store.rollback("v1", hold=True), store.rollback(release=True)
store.undo(), store.redo(), store.log()
loaded = {"numpy", "faiss", "PIL", "lmdb", "tqdm", "torch", "importlib.metadata"} & set(sys.modules)
assert not loaded, loaded
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(world.repo.layout.folder)], check=True, env=environment)


def test_history_changes_only_the_log(world: World) -> None:
    world.versions(3)

    def files() -> dict[str, bytes]:
        folder = world.repo.layout.folder
        return {
            str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.parent.name not in ("locks", "cache")
        }

    before = files()
    rollback(world.repo, "v1")
    snapshot_tag(world.repo, "v2", "tag")
    undo(world.repo)
    after = files()
    assert all(after[name] == data for name, data in before.items())
    assert all("/refs/" in name for name in after.keys() - before.keys())
    assert snapshot_list(world.repo)[0].snapshot == "v3"
