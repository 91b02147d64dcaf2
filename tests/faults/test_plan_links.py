"""Every call that makes hard links in the place of copies, and takes them back, fails once: no file is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.folders import put
from support.one_failing_call import FAULTS, FaultyDisk, Killed

from vstore.disk import durable
from vstore.errors import VstoreError
from vstore.format.hashing import HASHES
from vstore.plans.linker import link_away
from vstore.plans.mover import Going
from vstore.plans.moves import Head
from vstore.plans.proof import Keeper
from vstore.plans.restore import restore
from vstore.plans.trash_folder import TrashFolder
from vstore.plans.way import Unfit

HASH = HASHES["xxh3_128"]
KEY = HASH.digest(b"one")
PLAN = b"20261130-120000-0123abcd"
HEAD = Head(PLAN.decode(), "store", "p", HASH.name, "2026-11-30T12:00:00Z")
COPIES = ("a.jpg", "sub/deep/b.jpg")


def away(top: Path) -> None:
    with TrashFolder(os.fsencode(top), PLAN, HEAD) as trash:
        try:
            for name in COPIES:
                keepers = [Keeper(trash.root, b"kept.jpg", KEY, HASH.new)]
                with contextlib.suppress(Unfit):
                    link_away(trash, Going(os.fsencode(name), KEY, HASH.new, keepers))
        finally:
            trash.flush()


def back(top: Path) -> None:
    restore(os.fsencode(top) + b"/.vstore-trash/" + PLAN)


def inodes(top: Path) -> dict[str, int]:
    """Find all files, those in the trash by the path that they had after a `trash/`."""
    found = {}
    for path in top.rglob("*"):
        if path.is_file() and path.name != "moves.jsonl":
            name = str(path.relative_to(top)).replace(f".vstore-trash/{PLAN.decode()}", "trash")
            found[name] = path.stat().st_ino
    return found


def linked(before: dict[str, int]) -> dict[str, int]:
    kept = before["kept.jpg"]
    return {"kept.jpg": kept, **dict.fromkeys(COPIES, kept), **{f"trash/{name}": before[name] for name in COPIES}}


@pytest.mark.parametrize("run", [away, back])
def test_whatever_call_fails_no_file_is_lost_and_a_second_run_finishes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Callable[[Path], None]
) -> None:
    top = tmp_path / "run"

    def begin() -> dict[str, int]:
        put(top, dict.fromkeys(("kept.jpg", *COPIES), b"one"))
        before = inodes(top)
        if run is back:
            away(top)
            assert inodes(top) == linked(before)
        return before

    before, well = begin(), FaultyDisk()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "disk", well)
        run(top)
    assert inodes(top) == (linked(before) if run is away else before)
    assert well.calls.count("link" if run is away else "unlink") == len(COPIES)
    count = 0
    for number in range(len(well.calls)):
        for fault in FAULTS:
            if not well.has(number, fault):
                continue
            for last in (away, back):
                count += 1
                shutil.rmtree(top)
                before = begin()
                disk = FaultyDisk(number, fault)
                with pytest.MonkeyPatch.context() as patch, contextlib.suppress(VstoreError, Killed):
                    patch.setattr(durable, "disk", disk)
                    run(top)
                assert len(disk.calls) > number
                now = inodes(top)
                for name in COPIES:
                    assert before[name] in (now.get(name), now.get(f"trash/{name}")), (number, fault, name)
                    assert now.get(name) in (before[name], before["kept.jpg"], None)
                assert now["kept.jpg"] == before["kept.jpg"]
                with contextlib.suppress(VstoreError):  # a way back before anything had its record
                    last(top)
                found = inodes(top)
                if last is away:
                    found.pop("trash/moves.link", None)  # of a way back: the next one takes it away
                assert found == (linked(before) if last is away else before), (number, fault, last)
    with capsys.disabled():
        print(f"\n{run.__name__}: {len(well.calls)} calls, {count} faults", end=" ")
