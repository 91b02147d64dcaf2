"""Every call of a plan that is carried out fails once: it is decided first, nothing is lost, and run again it ends."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.folders import drawn, put
from support.one_failing_call import FAULTS, FaultyDisk, Killed
from support.plans import files
from support.stores import load

from vstore.disk import durable
from vstore.errors import VstoreError
from vstore.repository.decisions import newest_decisions
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore.testing import FakeEmbedder

PICTURES: dict[str, int | bytes] = {"a.png": 1, "b.png": 2, "copy/a.png": 1, "copy/b.png": 2, "copy/b.xmp": b"stars"}


def make(top: Path) -> None:
    """Make a store with a plan of copies, one of which only looks like the picture that stays."""
    put(top / "pictures", PICTURES)
    put(top / "pictures", {"near.png": drawn(2) + b"more"})
    Store.init(top / ".vstore", recipe=FakeEmbedder().recipe)
    with Store(top / ".vstore", load_embedder=load) as store:
        store.sync([top / "pictures"])
        store.dupes_plan(top / "plan.json", near=0.999)


def apply(top: Path) -> Any:
    with Store(top / ".vstore", load_embedder=load) as store:
        return store.dupes_apply(top / "plan.json")


def pictures(top: Path) -> dict[str, bytes]:
    """Read all files: those in the trash have the path that they had, after a `trash/`."""
    found = {}
    for path, data in files(top / "pictures").items():
        names = path.split(os.sep)
        found["/".join(["trash", *names[2:]] if names[0] == ".vstore-trash" else names)] = data
    return found


def test_whatever_call_fails_it_is_decided_first_and_a_second_run_finishes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = tmp_path / "template"
    template.mkdir()
    make(template)
    shutil.rmtree(template / ".vstore" / "catalogue")
    before = pictures(template)
    shutil.copytree(template, tmp_path / "well")
    well = FaultyDisk()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "disk", well)
        report = apply(tmp_path / "well")
    assert (len(report.moved), report.decided, report.refused) == (4, 1, ())
    after = pictures(tmp_path / "well")
    assert {path.removeprefix("trash/"): data for path, data in after.items()} == before
    assert well.calls.count("move") == 4
    count = 0
    for number in range(len(well.calls)):
        for fault in FAULTS:
            if not well.has(number, fault):
                continue
            count += 1
            top = tmp_path / "run"
            shutil.copytree(template, top)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(durable, "disk", FaultyDisk(number, fault))
                with contextlib.suppress(VstoreError, Killed):
                    apply(top)
            now = pictures(top)
            assert {path.removeprefix("trash/"): data for path, data in now.items()} == before
            assert len(now) == len(before)
            made = list(newest_decisions(Repository(top / ".vstore")))
            assert made or now == before, "nothing goes before it is decided"
            apply(top)
            assert pictures(top) == after, (number, fault)
            assert len(list(newest_decisions(Repository(top / ".vstore")))) == 1, (number, fault)
            with Store(top / ".vstore", load_embedder=load) as store:
                assert store.sync([top / "pictures"]).removed == 3
                assert store.check(read_data=True).ok
            (trash,) = (top / "pictures" / ".vstore-trash").iterdir()
            Store.dupes_restore(trash)
            assert pictures(top) == before
            shutil.rmtree(top)
    with capsys.disabled():
        print(f"\napply: {len(well.calls)} calls, {count} faults", end=" ")
