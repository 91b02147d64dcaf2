"""The lines of the log: one for each operation."""

from __future__ import annotations

from typing import Any

from vstore.format.log_lines import lines_of
from vstore.format.records import Record


def record(number: int, op: str = "sync", **more: Any) -> Record:
    given = {"changes": {}, **more}
    return Record(number, op, "nonce", f"time {number}", "before", **given)


def told(*records: Record) -> list[tuple[int, str | None, bool]]:
    return [(line.number, line.current, line.undone) for line in lines_of(records)]


def test_a_line_says_what_its_record_says() -> None:
    (line,) = lines_of([record(7, "tag", about="good at v1")])
    assert tuple(line) == (7, "tag", "time 7", "good at v1", None, False)
    assert lines_of([]) == []


def test_current_is_what_changes_and_whole_states_say() -> None:
    first = record(1, whole={"current": "v1"})
    assert told(first, record(2), record(3, changes={"current": "v2"}), record(4, changes={"current": None})) == [
        (1, "v1", False),
        (2, "v1", False),
        (3, "v2", False),
        (4, None, False),
    ]
    assert told(first, record(2, whole={}))[1] == (2, None, False)


def test_an_undo_marks_what_it_takes_back_until_a_redo() -> None:
    undo, redo = record(3, "undo", undoes=2), record(4, "redo", redoes=2)
    assert [line.undone for line in lines_of([record(1), record(2), undo])] == [False, True, False]
    assert [line.undone for line in lines_of([record(1), record(2), undo, redo])] == [False] * 4


def test_the_two_records_of_a_gc_or_a_repair_are_one_line() -> None:
    for op in ("gc", "repair"):
        pair = [record(2, op, whole={}, changes={"current": "v1"}), record(3, op, whole={})]
        assert [line[0] for line in told(record(1), *pair, record(4))] == [1, 3, 4]
        assert [line[0] for line in told(*pair[:1])] == [2], "it was killed between them"
        again = [one._replace(number=one.number + 2) for one in pair]
        assert [line[0] for line in told(*pair, *again)] == [3, 5]


def test_other_records_are_lines_of_their_own() -> None:
    gc = record(2, "gc", whole={})
    for other in (
        record(3, "repair", whole={}),
        record(3, "gc"),  # without the whole state it ends nothing
        record(4, "gc", whole={}),  # one is missing between them
        record(3, "sync", whole={}),
    ):
        assert [line[0] for line in told(gc, other)] == [2, other.number]
