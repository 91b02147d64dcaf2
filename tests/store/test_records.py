"""Records, the state that they fold to, manifests, and what undo and redo mean. Pure."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.errors import Damage, FormatTooNew
from vstore.format.canonical import canonical, named_path, path_from_json, path_to_json
from vstore.format.entries import FileRef, Root, Snapshot, Space, listed_packs, listed_segments
from vstore.format.hashing import HASHES, store_hash
from vstore.format.layout import FORMAT_VERSION
from vstore.format.manifest import Manifest, content_id
from vstore.format.records import Record
from vstore.format.state import State, merge_patch
from vstore.format.undo import BARRIERS, UNDOABLE, operations_in_force, restoring

HASH = store_hash("xxh3_128")
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
WORDS = st.sampled_from(["a", "b", "c", ""])
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))
OBJECTS = st.dictionaries(WORDS, JSON, max_size=4)


def is_clean(value: Any) -> bool:
    """Whether a document holds no null in an object: a state never does, as null means "take away"."""
    return not isinstance(value, dict) or all(v is not None and is_clean(v) for v in value.values())


STATES = OBJECTS.filter(is_clean)


# JSON


def test_canonical_json_has_one_form() -> None:
    assert canonical({"b": [1, "é"], "a": None}) == b'{"a":null,"b":[1,"\\u00e9"]}'


@given(JSON)
def test_canonical_json_is_read_back_as_it_was(value: Any) -> None:
    data = canonical(value)
    assert data.isascii() and b"\n" not in data and json.loads(data) == value


@given(st.binary())
def test_a_path_is_kept_in_json_whatever_its_bytes(path: bytes) -> None:
    value = json.loads(canonical(path_to_json(path)))
    assert path_from_json(value) == path
    assert isinstance(value, str) or set(value) == {"b64"}


@given(st.binary())
def test_a_path_for_programs_can_always_be_brought_back(path: bytes) -> None:
    import base64

    named = named_path(path)
    found = base64.b64decode(named["path_b64"]) if "path_b64" in named else named["path"].encode()
    assert found == path


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


# Records


def record(**changed: Any) -> Record:
    return Record(7, "sync", "0" * 32, "2026-11-23T20:02:39Z", "ab", {"current": "v1"})._replace(**changed)


@pytest.mark.parametrize("name", HASHES)
@given(
    changes=OBJECTS,
    whole=st.none() | OBJECTS,
    undoes=st.none() | st.integers(1, 9),
    redoes=st.none() | st.integers(1, 9),
    about=st.text(max_size=5),
)
def test_a_record_is_read_back_as_it_was_written(
    name: str, changes: Any, whole: Any, undoes: int | None, redoes: int | None, about: str
) -> None:
    hash = store_hash(name)
    written = record(changes=changes, whole=whole, undoes=undoes, redoes=redoes, about=about)
    data = written.to_bytes(hash)
    line, digest, rest = data.split(b"\n")
    assert digest.decode() == hash.digest(line + b"\n").hex() and rest == b""
    assert Record.from_bytes(data, hash, "x") == written._replace(digest=digest.decode(), size=len(data))


@given(st.data())
def test_a_record_of_which_one_bit_is_another_is_damage_that_names_it(data: st.DataObject) -> None:
    written = bytearray(record(whole={"current": "v1"}).to_bytes(HASH))
    at = data.draw(st.integers(0, len(written) * 8 - 1))
    written[at // 8] ^= 1 << at % 8
    with pytest.raises(Damage, match=r"refs/000000000007\.json is damaged"):
        Record.from_bytes(bytes(written), HASH, "000000000007.json")


@given(st.data())
def test_a_record_that_was_cut_or_has_more_at_its_end_is_damage(data: st.DataObject) -> None:
    written = record().to_bytes(HASH)
    cut = data.draw(st.integers(0, len(written) - 1))
    for wrong in (written[:cut], written + b"\n", written + written, bytes(len(written))):
        with pytest.raises(Damage):
            Record.from_bytes(wrong, HASH, "x")


def signed(line: bytes) -> bytes:
    return line + b"\n" + HASH.digest(line + b"\n").hex().encode() + b"\n"


@given(st.binary().filter(lambda line: b"\n" not in line) | JSON.map(canonical) | OBJECTS.map(canonical))
def test_garbage_with_a_right_digest_is_damage_too(line: bytes) -> None:
    with pytest.raises(Damage):
        Record.from_bytes(signed(line), HASH, "x")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("changes", []),
        ("changes", None),
        ("state", "x"),
        ("number", "7"),
        ("number", True),
        ("before", None),
        ("op", 1),
        ("time", None),
        ("undoes", "3"),
        ("vstore", "1"),
    ],
)
def test_a_field_of_another_type_is_damage(field: str, value: Any) -> None:
    document = json.loads(record(whole={}, undoes=3).to_bytes(HASH).partition(b"\n")[0])
    with pytest.raises(Damage):
        Record.from_bytes(signed(canonical({**document, field: value})), HASH, "x")


def test_nesting_without_end_is_damage() -> None:
    with pytest.raises(Damage):
        Record.from_bytes(signed(b'{"a":' * 100_000), HASH, "x")


def test_a_record_of_a_later_format_is_refused_by_its_version() -> None:
    document = json.loads(record().to_bytes(HASH).partition(b"\n")[0])
    later = signed(canonical({"vstore": FORMAT_VERSION + 1, "other": document}))
    with pytest.raises(FormatTooNew, match=f"format {FORMAT_VERSION + 1}") as caught:
        Record.from_bytes(later, HASH, "x")
    assert caught.value.exit_code == 12


# What stands in the state


def test_what_is_listed_in_the_state_is_read_back_as_it_was() -> None:
    ref = FileRef("a.faiss", 10, "ff" * 8, 3)
    space = Space("s" * 64, "fake", "verified", b"\1" * 16, 8)
    root = Root("r", b"\xff/r", True, {"exclude": ["x"]})
    odd = json.loads(canonical({os.fsdecode(b"\xffr"): root.to_json()}))
    assert {os.fsencode(label): Root.from_json("r", value) for label, value in odd.items()} == {b"\xffr": root}
    small = Snapshot("v1", "id", b"\2" * 16, space.id, 3, 2, "2026-11-23T20:02:39Z")
    full = small._replace(message="m", parent="v0", partial=True, kept=False, degraded=True)
    state = State(json.loads(canonical({"segments": {"s": listed_segments([ref])}, "packs": listed_packs([ref])})))
    assert (state.segments("s"), state.packs) == ([ref], [ref._replace(rows=0)])
    assert Space.from_json(space.id, json.loads(canonical(space.to_json()))) == space
    assert Root.from_json("r", json.loads(canonical(root.to_json()))) == root
    for snapshot in (small, full):
        assert Snapshot.from_json("v1", json.loads(canonical(snapshot.to_json()))) == snapshot
    assert set(small.to_json()) == {"id", "manifest", "space", "paths", "images", "time"}


def test_an_empty_state_says_that_there_is_nothing() -> None:
    state = State({})
    assert (state.current, state.next_v, state.start_space, state.hold) == (None, 1, None, None)
    assert (state.tags, state.absorbed, state.roots, state.spaces, state.packs) == ({}, {}, {}, {}, [])
    assert (state.segments("x"), state.snapshot("v1"), state.snapshots(), state.kept()) == ([], None, [], {})


def test_snapshots_come_newest_first_by_their_number_and_forgotten_ones_do_not() -> None:
    listed = {f"v{n}": Snapshot(f"v{n}", "id", b"", "s", 1, 1, "", kept=n != 9).to_json() for n in (1, 2, 9, 10, 11)}
    state = State({"snapshots": listed})
    assert [s.name for s in state.snapshots()] == ["v11", "v10", "v2", "v1"]
    assert state.kept()["v9"] is False
    assert state.snapshot("v9") is not None


MANIFEST = Manifest("v1", "ab" * 32, b"\7" * 16, 3, 2, "2026-11-23T20:02:39Z", "words", None, False)


@given(st.text(max_size=9), st.none() | st.just("v7"), st.booleans())
def test_a_manifest_is_read_back_as_it_was_written(message: str, parent: str | None, partial: bool) -> None:
    manifest = MANIFEST._replace(message=message, parent=parent, partial=partial)
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


@given(st.binary() | JSON.map(canonical) | OBJECTS.map(canonical))
def test_what_is_no_manifest_is_damage(data: bytes) -> None:
    with pytest.raises(Damage):
        Manifest.from_bytes(data)


def test_the_id_of_a_snapshot_is_that_of_its_content_alone() -> None:
    other = MANIFEST._replace(name="v9", message="other", parent="v8", partial=True, time="", paths=9, images=9)
    assert other.content_id(HASH) == MANIFEST.content_id(HASH) == content_id(HASH, MANIFEST.space, MANIFEST.tree)
    parts = b'[1,"xxh3_128","%s","%s"]' % (b"ab" * 32, b"07" * 16)
    assert MANIFEST.content_id(HASH) == HASH.digest(parts).hex()
    assert MANIFEST.content_id(store_hash("sha256")) != MANIFEST.content_id(HASH)
    assert MANIFEST._replace(space="cd" * 32).content_id(HASH) != MANIFEST.content_id(HASH)
    assert MANIFEST._replace(tree=b"\6" * 16).content_id(HASH) != MANIFEST.content_id(HASH)


# Undo and redo


class Log:
    """A log in memory: operations, undo and redo as the store appends them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.states: list[State] = [State({})]

    def add(self, op: str, changes: Any, **options: Any) -> Record:
        added = Record(len(self.records) + 1, op, "", "", "", changes, **options)
        self.records.append(added)
        self.states.append(self.states[-1].after(changes))
        return added

    def undo(self) -> Record | None:
        done, _, _ = operations_in_force(iter(self.records))
        if done:
            changes = restoring(self.states[-1], self.states[done[-1].number - 1])
            self.add("undo", changes, undoes=done[-1].number)
        return done[-1] if done else None

    def redo(self) -> Record | None:
        _, undone, _ = operations_in_force(iter(self.records))
        if undone:
            changes = restoring(self.states[-1], self.states[undone[-1].number])
            self.add("redo", changes, redoes=undone[-1].number)
        return undone[-1] if undone else None

    def restored(self) -> tuple[Any, ...]:
        """What undo and redo bring back."""
        state = self.states[-1]
        return state.current, state.hold, state.tags, state.kept()


def snapshot(number: int) -> dict[str, Any]:
    return {f"v{number}": Snapshot(f"v{number}", "id", b"", "s", 1, 1, "").to_json()}


def test_undo_undo_redo() -> None:
    log = Log()
    log.add("sync", {"current": "v1", "snapshots": snapshot(1), "next_v": 2})
    log.add("sync", {"current": "v2", "snapshots": snapshot(2), "next_v": 3})
    log.add("tag", {"tags": {"good": "v2"}})
    log.undo()
    assert log.restored()[:3] == ("v2", None, {})
    log.undo()
    assert log.restored()[:3] == ("v1", None, {})
    log.redo()
    assert log.restored()[:3] == ("v2", None, {})
    log.redo()
    assert log.restored()[:3] == ("v2", None, {"good": "v2"})
    assert log.redo() is None


def test_what_an_undone_sync_wrote_stays_listed_and_its_number_stays_taken() -> None:
    log = Log()
    log.add("sync", {"current": "v1", "snapshots": snapshot(1), "next_v": 2})
    log.undo()
    assert log.states[-1].current is None
    assert [s.name for s in log.states[-1].snapshots()] == ["v1"]
    assert log.states[-1].next_v == 2


def test_undo_brings_back_what_was_forgotten_and_redo_forgets_it_again() -> None:
    log = Log()
    log.add("sync", {"current": "v1", "snapshots": snapshot(1)})
    log.add("forget", {"snapshots": {"v1": {"kept": False}}})
    log.undo()
    assert log.states[-1].kept() == {"v1": True}
    assert "kept" not in log.states[-1].document["snapshots"]["v1"]
    log.redo()
    assert log.states[-1].kept() == {"v1": False}


def test_what_is_no_operation_is_passed_over() -> None:
    log = Log()
    log.add("sync", {"current": "v1"})
    log.add("seal", {"segments": {"s": {"0": ["a", 1, "", 1]}}})
    log.add("merge", {"packs": {"b": [1, ""]}})
    log.add("model add", {"spaces": {}})
    log.add("roots", {"roots": {}})
    undone = log.undo()
    assert undone is not None and undone.op == "sync"
    assert log.states[-1].segments("s"), "what was sealed stays"


@pytest.mark.parametrize("op", sorted(BARRIERS))
def test_nothing_is_undone_beyond_a_barrier(op: str) -> None:
    log = Log()
    log.add("sync", {"current": "v1"})
    log.add("sync", {"current": "v2"})
    log.undo()
    barrier = log.add(op, {})
    done, undone, found = operations_in_force(iter(log.records))
    assert (done, undone, found) == ([], [], barrier)
    assert log.undo() is None and log.redo() is None


def test_a_new_operation_ends_redo() -> None:
    log = Log()
    log.add("sync", {"current": "v1"})
    log.undo()
    log.add("tag", {"tags": {"a": "v1"}})
    assert log.redo() is None


def test_undo_of_what_the_log_does_not_hold_any_more_is_passed_over() -> None:
    # gc was killed between two of the records that it removed: the log begins in the midst of things.
    log = Log()
    for n in (1, 2):
        log.add("sync", {"current": f"v{n}"})
    log.undo()
    log.undo()
    log.redo()
    for start in range(len(log.records)):
        done, undone, _ = operations_in_force(iter(log.records[start:]))
        assert {r.number for r in (*done, *undone)} <= {r.number for r in log.records[start:]}


OPERATIONS = st.one_of(
    st.tuples(st.just("current"), st.sampled_from(["v1", "v2", "v3"])),
    st.tuples(st.just("tag"), st.sampled_from(["a", "b"]), st.sampled_from(["v1", "v2", None])),
    st.tuples(st.just("hold"), st.sampled_from(["v1", None])),
    st.tuples(st.just("forget"), st.sampled_from(["v1", "v2", "v3"])),
    st.tuples(st.just("seal")),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
    st.tuples(st.just("gc")),
)


@given(st.lists(OPERATIONS, max_size=30))
def test_undo_and_redo_are_those_of_an_editor(steps: list[tuple[Any, ...]]) -> None:
    log = Log()
    log.add("init", {"snapshots": {**snapshot(1), **snapshot(2), **snapshot(3)}})
    past: list[tuple[Any, ...]] = []
    future: list[tuple[Any, ...]] = []
    for what, *words in steps:
        before = log.restored()
        if what == "undo":
            assert (log.undo() is not None) == bool(past)
            if past:
                future.append(before)
                assert log.restored() == past.pop()
        elif what == "redo":
            assert (log.redo() is not None) == bool(future)
            if future:
                past.append(before)
                assert log.restored() == future.pop()
        elif what in ("seal", "gc"):
            log.add(what, {"packs": {"b": [1, ""]}})
            if what == "gc":
                past, future = [], []
        else:
            changes: dict[str, Any] = {
                "current": lambda to: {"current": to},
                "tag": lambda name, to: {"tags": {name: to}},
                "hold": lambda at: {"hold": at},
                "forget": lambda name: {"snapshots": {name: {"kept": False}}},
            }[what](*words)
            op = {"current": "rollback", "tag": "tag", "hold": "hold", "forget": "forget"}[what]
            assert op in UNDOABLE
            log.add(op, changes)
            past.append(before)
            future = []


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


def test_changes_name_only_the_packs_that_came_or_went() -> None:
    a, b, c = (FileRef(name, 1, "") for name in "abc")
    state = State({}).after({"packs": State({}).packs_changed([a, b], [])})
    changes = state.packs_changed([c], [a])
    assert changes == {"c": [1, ""], "a": None}
    assert set(state.after({"packs": changes}).packs) == {b, c}
