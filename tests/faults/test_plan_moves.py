"""Every call of a move to the trash, and back, fails once: no file is lost or replaced, and a second run finishes."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.folders import put
from support.one_failing_call import FAULTS, FaultyDisk, Killed

from vstore.disk import durable
from vstore.errors import VstoreError
from vstore.format.hashing import HASHES
from vstore.plans.mover import Going, move_away
from vstore.plans.moves import Head
from vstore.plans.proof import Keeper
from vstore.plans.restore import restore
from vstore.plans.trash_folder import TrashFolder
from vstore.plans.way import Unfit

HASH = HASHES["xxh3_128"]
PLAN = b"20261130-120000-0123abcd"
HEAD = Head(PLAN.decode(), "store", "p", HASH.name, "2026-11-30T12:00:00Z")
COPIES = {"a.jpg": b"one", "sub/b.jpg": b"two", "sub/deep/c.jpg": b"one", "sub/deep/d\xff.jpg": b"three"}
KEPT = {"kept/1.jpg": b"one", "kept/2.jpg": b"two", "kept/3.jpg": b"three"}
BEFORE = {name.encode("latin-1"): data for name, data in {**COPIES, **KEPT}.items()}


def make(top: Path) -> None:
    put(top, {os.fsdecode(name): data for name, data in BEFORE.items()})


def where(top: Path) -> dict[bytes, bytes]:
    """Read all files: path -> content; those in the trash have the path that they had, after a `trash/`."""
    found = {}
    for at, _, names in os.walk(os.fsencode(top)):
        for name in names:
            path = os.path.relpath(os.path.join(at, name), os.fsencode(top))
            if name != b"moves.jsonl":
                with open(os.path.join(at, name), "rb") as file:
                    found[path.replace(b".vstore-trash/" + PLAN, b"trash")] = file.read()
    return found


AFTER = {
    (b"" if name.startswith(b"kept/") else b"trash/") + name: data for name, data in BEFORE.items()
}  # where all went


def away(top: Path) -> None:
    """Move all copies, as far as they can be."""
    with TrashFolder(os.fsencode(top), PLAN, HEAD) as trash:
        try:
            for name, data in BEFORE.items():
                if name.startswith(b"kept/"):
                    continue
                key = HASH.digest(data)
                kept = [Keeper(trash.root, b"kept/%d.jpg" % number, key, HASH.new) for number in (1, 2, 3)]
                with contextlib.suppress(Unfit):
                    move_away(trash, Going(name, key, HASH.new, kept))
        finally:
            trash.flush()


def back(top: Path) -> None:
    restore(os.fsencode(top) + b"/.vstore-trash/" + PLAN)


@contextlib.contextmanager
def disk_of(disk: FaultyDisk) -> Iterator[None]:
    before, durable.disk = durable.disk, disk
    try:
        yield
    finally:
        durable.disk = before


def nothing_is_lost(top: Path) -> None:
    """Each file is at its place, or in the trash at its path, once."""
    found = {}
    for path, data in where(top).items():
        own = path.removeprefix(b"trash/")
        assert own not in found, f"{own!r} is there twice"
        found[own] = data
    assert found == BEFORE


@pytest.mark.parametrize(("run", "begin", "end"), [(away, None, AFTER), (back, away, BEFORE)], ids=["away", "back"])
def test_whatever_call_fails_no_file_is_lost_and_a_second_run_finishes(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    run: Callable[[Path], None],
    begin: Callable[[Path], None] | None,
    end: dict[bytes, bytes],
) -> None:
    template = tmp_path / "template"
    make(template)
    if begin is not None:
        begin(template)
    well = FaultyDisk()
    shutil.copytree(template, tmp_path / "well")
    with disk_of(well):
        run(tmp_path / "well")
    assert where(tmp_path / "well") == end
    assert well.calls.count("move") == len(COPIES)
    count = 0
    for number in range(len(well.calls)):
        for fault in FAULTS:
            if not well.has(number, fault):
                continue
            for last in (run, back if begin is None else away):  # the same again, or the way back
                count += 1
                top = tmp_path / "run"
                shutil.copytree(template, top)
                disk = FaultyDisk(number, fault)
                with disk_of(disk), contextlib.suppress(VstoreError, Killed):
                    run(top)
                assert len(disk.calls) > number
                nothing_is_lost(top)
                with contextlib.suppress(VstoreError):  # a way back before anything had its record
                    last(top)
                nothing_is_lost(top)
                assert where(top) == (end if last is run else BEFORE if last is back else AFTER), (number, fault, last)
                shutil.rmtree(top)
    with capsys.disabled():
        print(f"\n{run.__name__}: {len(well.calls)} calls, {count} faults", end=" ")
