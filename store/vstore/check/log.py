"""Checks the log: its records, their chain, and the names in their state."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import NamedTuple

from vstore.check.findings import Findings
from vstore.disk.oplog import Oplog
from vstore.errors import VstoreError
from vstore.format.records import Record, beginning, ends_the_log
from vstore.format.state import State


class CheckedLog(NamedTuple):
    """The log after its check.

    state:   the newest usable state, for the next checks.
    records: records checked.
    """

    state: State
    records: int


def check_log(log: Oplog, findings: Findings) -> CheckedLog:
    """Check every record, and its link to the one before."""
    first = _first_number(log)
    numbers = [number for number in log.numbers() if number >= first]
    findings.notes += [
        f"record {number} is no longer part of the log (gc deletes it)" for number in log.numbers() if number < first
    ]
    before: tuple[int, str] | None = None

    def one(number: int) -> None:
        nonlocal before
        record = log.read(number)
        findings.bytes_read += record.size
        if before is not None and record.before != before[1]:
            raise VstoreError(f"it does not follow record {before[0]}")
        if before is None and record.before and record.whole is None:
            raise VstoreError("the records before it are missing, and it does not hold a complete state")
        if number == numbers[0] and record.before and not ends_the_log(record):
            what = "the records before it are missing: their operations can no longer be undone"
            findings.wrong(_file(number), what)
        before = (number, record.digest)

    for number in numbers:
        if not findings.attempt(_file(number), lambda number=number: one(number)):  # type: ignore[misc]
            before = None
    return CheckedLog(_loaded(log, findings), len(numbers))


def _file(number: int) -> str:
    return f"refs/{number:012d}.json"


def _first_number(log: Oplog) -> int:
    """The number of the oldest record in force."""
    found: dict[int, Record | None] = {}
    for number in log.numbers():
        found[number] = None
        with contextlib.suppress(VstoreError, OSError):
            found[number] = log.read(number)
    return beginning(found)


def _loaded(log: Oplog, findings: Findings) -> State:
    states: list[State] = []

    def load() -> None:
        tip = log.load()
        states.append(tip.state)
        if tip.complaint:
            findings.wrong("refs", f"the newest record cannot be used: {tip.complaint}")

    findings.attempt("refs", load)
    return states[0] if states else State({})


def check_names(state: State, listed: Collection[str], findings: Findings) -> None:
    """Check that the current, tagged and held snapshots exist, and that every space with segments is known.

    listed: the names of all snapshots that are not forgotten.
    """
    named = [
        ("current", state.current),
        ("the hold", state.hold),
        *((f"the tag {t}", v) for t, v in state.tags.items()),
    ]
    for what, name in named:
        if name is not None and name not in listed:
            findings.wrong("refs", f"{what} is {name}, but there is no such snapshot")
    for space, refs in state.segment_lists().items():
        if space not in state.spaces and refs:
            findings.wrong("refs", f"it lists segments of an unknown space: {space}")
