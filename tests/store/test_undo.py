"""Undo and redo: what they take back, bring back, and stop at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.format.entries import Snapshot
from vstore.format.hashing import store_hash
from vstore.format.listing import Listing
from vstore.format.records import Record
from vstore.format.state import State
from vstore.format.undo import BARRIERS, UNDOABLE, next_redo, next_undo, restoring


def listing(state: State) -> Listing:
    """List the snapshots of a state of format 1, which holds them all."""
    return Listing(state, store_hash("xxh3_128"), lambda digest: pytest.fail("no tree is read"))


def kept(state: State) -> dict[str, bool]:
    return {snapshot.name: snapshot.kept for snapshot in listing(state).every()}


def operations_in_force(records: Iterator[Record]) -> tuple[list[Record], list[Record], Record | None]:
    """Walk the log, oldest first, as FORMAT.md says: two stacks, and the barrier below them."""
    done: list[Record] = []
    undone: list[Record] = []
    barrier: Record | None = None
    for record in records:
        if record.undoes is not None:
            undone += [done.pop()] if done and done[-1].number == record.undoes else []
        elif record.redoes is not None:
            done += [undone.pop()] if undone and undone[-1].number == record.redoes else []
        elif record.op in BARRIERS:
            barrier, done, undone = record, [], []
        elif record.op in UNDOABLE:
            done.append(record)
            undone = []
    return done, undone, barrier


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
        found, barrier = next_undo(reversed(self.records))
        done, _, beneath = operations_in_force(iter(self.records))
        assert (found, barrier) == ((done[-1], None) if done else (None, beneath))
        if found:
            changes = restoring(listing(self.states[-1]), listing(self.states[found.number - 1]))
            self.add("undo", changes, undoes=found.number)
        return found

    def redo(self) -> Record | None:
        found = next_redo(reversed(self.records))
        _, undone, _ = operations_in_force(iter(self.records))
        assert found == (undone[-1] if undone else None)
        if found:
            changes = restoring(listing(self.states[-1]), listing(self.states[found.number]))
            self.add("redo", changes, redoes=found.number)
        return found

    def restored(self) -> tuple[Any, ...]:
        """The parts of the state that undo and redo bring back."""
        state = self.states[-1]
        return state.current, state.hold, state.tags, kept(state)


def snapshot(number: int) -> dict[str, Any]:
    return {f"v{number}": Snapshot(f"v{number}", "0" * 32, b"", "0" * 64, 1, 1, "").to_json()}


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
    assert kept(log.states[-1]) == {"v1": True}
    assert log.states[-1].next_v == 2


def test_undo_brings_back_what_was_forgotten_and_redo_forgets_it_again() -> None:
    log = Log()
    log.add("sync", {"current": "v1", "snapshots": snapshot(1)})
    log.add("forget", {"snapshots": {"v1": {"kept": False}}})
    log.undo()
    assert kept(log.states[-1]) == {"v1": True}
    assert "kept" not in log.states[-1].document["snapshots"]["v1"]
    log.redo()
    assert kept(log.states[-1]) == {"v1": False}


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


def test_what_was_undone_again_after_a_redo_is_not_in_force() -> None:
    log = Log()
    log.add("sync", {"current": "v1"})
    first = log.undo()
    assert first is not None and log.redo() == first and log.undo() == first
    assert log.undo() is None and log.redo() == first


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
        assert next_undo(reversed(log.records[start:]))[0] == (done[-1] if done else None)
        assert next_redo(reversed(log.records[start:])) == (undone[-1] if undone else None)


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


@given(st.lists(OPERATIONS, max_size=30), st.integers(0, 30))
def test_a_log_that_is_cut_gives_the_same_newest_first_as_oldest_first(steps: list[tuple[Any, ...]], cut: int) -> None:
    log = Log()
    log.add("init", {"snapshots": {**snapshot(1), **snapshot(2), **snapshot(3)}})
    for what, *_ in steps:
        if what == "undo":
            log.undo()
        elif what == "redo":
            log.redo()
        else:
            log.add({"current": "sync", "tag": "tag", "hold": "hold"}.get(what, what), {})
    left = log.records[cut:]
    done, undone, barrier = operations_in_force(iter(left))
    assert next_undo(reversed(left)) == ((done[-1], None) if done else (None, barrier))
    assert next_redo(reversed(left)) == (undone[-1] if undone else None)


def test_no_more_of_the_log_is_read_than_is_needed() -> None:
    log = Log()
    for n in range(1, 9):
        log.add("sync", {"current": f"v{n}"})
    log.add("seal", {})
    log.undo()
    log.undo()
    log.redo()
    read: list[int] = []

    def counted() -> Iterator[Record]:
        for record in reversed(log.records):
            read.append(record.number)
            yield record

    found, _ = next_undo(counted())
    assert found is not None and found.number == 7 and read == [12, 11, 10, 9, 8, 7]
    read.clear()
    again = next_redo(counted())
    assert again is not None and again.number == 8 and read == [12, 11, 10, 9, 8]
