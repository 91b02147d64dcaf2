"""Every I/O call of every operation fails once: killed there, EIO, a full disk, a short write."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.kind_operations import KIND_OPERATIONS
from support.one_failing_call import FAULTS, FaultyDisk, Killed
from support.stores import OPERATIONS, Operation, contents, is_sealed, quick_folder, told, vectors

from vstore.disk import durable
from vstore.errors import VstoreError
from vstore.repository.repository import Repository
from vstore.store import Store

FIGURES: Counter[str] = Counter()
EVERY_OPERATION = [*OPERATIONS, *KIND_OPERATIONS]
FEW = 16  # calls that fail in the short form of an operation that says so
REPAIRS = ("repair", "every kind: repair")


@contextmanager
def disk_of(disk: FaultyDisk) -> Iterator[None]:
    before, durable.disk = durable.disk, disk
    try:
        yield
    finally:
        durable.disk = before


def fresh(template: Path, top: Path) -> None:
    shutil.copytree(template, top)


def proved(top: Path) -> None:
    with Store(top / ".vstore") as store:
        report = store.check(read_data=True)
        assert report.ok, report.problems


@pytest.mark.parametrize("operation", EVERY_OPERATION, ids=lambda operation: operation.name)
def test_whatever_call_fails_nothing_acknowledged_is_lost_and_a_second_run_completes(
    operation: Operation, capsys: pytest.CaptureFixture[str]
) -> None:
    run_with_faults(operation, capsys, in_turn=operation.turns, few=operation.few)


@pytest.mark.long
@pytest.mark.parametrize("operation", [one for one in EVERY_OPERATION if one.turns], ids=lambda one: one.name)
def test_whatever_call_fails_in_every_way_nothing_acknowledged_is_lost_and_a_second_run_completes(
    operation: Operation, capsys: pytest.CaptureFixture[str]
) -> None:
    run_with_faults(operation, capsys, in_turn=False, few=False)


def run_with_faults(operation: Operation, capsys: pytest.CaptureFixture[str], *, in_turn: bool, few: bool) -> None:
    """Let every call of an operation fail in every possible way, or (in_turn) each call in one of them.

    few: let only some of the calls fail.
    """
    with quick_folder() as folder, operation.set():
        template = folder / "template"
        template.mkdir()
        operation.prepare(template)
        shutil.rmtree(template / ".vstore" / "catalogue", ignore_errors=True)  # a copied one is rebuilt anyway
        before = None
        if operation.name not in ("init", "found", *REPAIRS):
            repo = Repository(template / ".vstore")
            before, kept, known = contents(repo), vectors(repo), told(repo)
        fresh(template, folder / "well")
        well = FaultyDisk()
        with disk_of(well):
            operation.run(folder / "well")
        repo = Repository(folder / "well" / ".vstore")
        after = contents(repo)
        rows = vectors(repo)
        if before is None:
            before, kept, known = after, {}, set()
        proved(folder / "well")
        count = 0
        turns: Counter[str] = Counter()  # by the name of the call, so that each kind fails in all of its ways
        for number in range(0, len(well.calls), -(-len(well.calls) // FEW) if few else 1):
            faults = [fault for fault in FAULTS if well.has(number, fault)]
            turn = turns[well.calls[number]]
            turns[well.calls[number]] += 1
            for fault in faults if not in_turn else [faults[turn % len(faults)]]:
                count += 1
                top = folder / "run"
                fresh(template, top)
                disk = FaultyDisk(number, fault)
                error: BaseException | None = None
                with disk_of(disk):
                    try:
                        operation.run(top)
                    except (VstoreError, OSError, Killed) as err:
                        error = err
                where = f"{operation.name}: {fault} at call {number} ({well.calls[number]}): {error!r}"
                try:
                    assert not isinstance(error, OSError), "an error that does not say what to do next"
                    if fault == "EIO" and disk.calls[number : number + 1] == ["fsync"]:
                        assert error is not None, "a flush that failed is no success"
                    outcome = look(top, operation)
                    if outcome is not None:
                        now, found = outcome
                        assert now in (before, after) or is_between(now, before, after)
                        assert all(found[name] == row for name, row in kept.items() if name in found)
                        assert now == after or error is not None
                    if outcome is None or operation.again or before == outcome[0] != after:
                        operation.run(top)
                    repo = Repository(top / ".vstore")
                    assert contents(repo) == after or is_later(contents(repo), after)
                    assert told(repo) >= known
                    again = vectors(repo)
                    assert again.keys() == rows.keys()
                    assert all(again[name] == row for name, row in kept.items() if name in again)
                    proved(top)
                except Exception as problem:
                    raise AssertionError(where) from problem
                finally:
                    shutil.rmtree(top)
        FIGURES[operation.name] = count
    with capsys.disabled():
        print(f"\n{operation.name}: {len(well.calls)} calls, {count} faults", end=" ")


def look(top: Path, operation: Operation) -> Any:
    """Read the contents after the fault; None if there is no store yet, or it needs a repair."""
    folder = top / ".vstore"
    if operation.name in ("init", "found") and not list((folder / "refs").glob("*.json")):
        return None
    repo = Repository(folder)
    if repo.tip.complaint:
        assert operation.name in REPAIRS
        return None
    if operation.name in REPAIRS:
        return None
    return contents(repo), vectors(repo)


def is_between(now: Any, before: Any, after: Any) -> bool:
    """Accept a run that ended between two of its records: each snapshot is one that was acknowledged."""
    kept = all(now.snapshots.get(name) == version for name, version in before.snapshots.items())
    return (kept and len(now.snapshots) > len(before.snapshots)) or is_sealed(now, before, after)


def is_later(now: Any, after: Any) -> bool:
    """Accept one more snapshot after a run that ended between two commits, if the current content is the same."""
    same = now.snapshots[now.current][0] == after.snapshots[after.current][0]
    return same and now[2:] == after[2:]
