"""A migration that ends at any call to the disk, killed, cut off or refused, is a whole store, and goes on."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.format_1 import many_snapshots
from support.killed import Nursery
from support.one_failing_call import FAULTS, FaultyDisk, Killed
from support.power import Model, RecordingDisk, digest
from support.small_disk import PAGE, fill, small_disk
from support.stores import quick_folder

from vstore.check.findings import Findings
from vstore.check.listing import check_listing
from vstore.check.objects import Objects
from vstore.disk import durable
from vstore.disk.durable import Disk
from vstore.errors import NothingToUndo, VstoreError
from vstore.progress import Stages
from vstore.repository.form import read_form
from vstore.repository.newest import is_newest
from vstore.repository.repository import Repository
from vstore.store import Store

OLD = Path(__file__).parents[1] / "store/data/format-1/store"
WRITTEN_ONCE = ("refs", "segments", "packs", "reserve")


class Case(NamedTuple):
    """A store of format 1.

    name: its name.
    make: makes it in a folder.
    deep: the aliases of all snapshots are read each time, and every byte is checked.
    once: the kinds of states that are so checked when they are first met; of any store, what is listed always is.
    """

    name: str
    make: Callable[[Path], object]
    deep: bool
    once: tuple[str, ...] = ()


OLD_ONE, LOOSE = "FORMAT 1, record 1", "FORMAT 1, record 1, an unlisted pack"
BETWEEN, BETWEEN_LOOSE, DONE = "FORMAT 2, record 1", "FORMAT 2, record 1, an unlisted pack", "FORMAT 2, record 2"
FIXTURE = Case("fixture", lambda folder: shutil.copytree(OLD, folder), True)
MANY = Case("many snapshots", lambda folder: many_snapshots(folder, 140, 20), False, (LOOSE, BETWEEN_LOOSE, DONE))
# To check a hundred thousand paths of 320 snapshots takes minutes.
LARGE = Case("100,000 paths", lambda folder: many_snapshots(folder, 320, 100_000), False, (BETWEEN_LOOSE,))
CASES = [FIXTURE, MANY, pytest.param(LARGE, marks=pytest.mark.long)]


def copy(template: Path, folder: Path) -> None:
    """Copy a store. What is written once is linked."""

    def one(source: str, target: str) -> None:
        below = os.path.relpath(source, template).split("/")[0]
        (os.link if below in WRITTEN_ONCE else shutil.copy2)(source, target)

    shutil.copytree(template, folder, copy_function=one)


def told(folder: Path, *, deep: bool) -> Any:
    """Say what a store tells: every snapshot, tag and name, and the aliases of the current one, or (deep) of each."""
    repo = Repository(folder)
    state = repo.state
    assert repo.tip.complaint is None
    snapshots = list(repo.listing.every())
    names = [*state.tags, "current", "latest", "@{1}", "current~1", snapshots[0].id[:12], snapshots[-1].id[:12]]
    meant = {name: repo.snapshot(name) for name in names}
    opened = snapshots if deep else [repo.snapshot("current")]
    aliases = {snapshot.name: list(repo.tree(snapshot)) for snapshot in opened if snapshot.kept}
    rest = {name: value for name, value in state.document.items() if name not in ("snapshots", "packs", "trees")}
    rest.pop("listed", None)
    repo.close()
    return snapshots, meant, aliases, rest


def checked(folder: Path, *, deep: bool) -> None:
    """Check a store with every byte, or (not deep) all of it but the aliases of its snapshots."""
    with Store(folder) as store:
        if deep:
            report = store.check(read_data=True)
            assert report.ok, report.problems
            return
        repo = store._repo
        findings = Findings()
        objects = Objects(repo, repo.state, findings, read_whole=True, stages=Stages())
        objects.check_packs()
        objects.check_spaces()
        objects.check_segments()
        check_listing(repo.hash, repo.state, objects.blob, findings)
        objects.close()
        assert findings.problems == []


def kind(folder: Path) -> str:
    """Name the state of a store on its way."""
    repo = Repository(folder)
    loose = {path.name for path in repo.layout.packs.glob("*.pack")} - {ref.name for ref in repo.state.packs}
    written = f"FORMAT {read_form(folder).format}, record {repo.tip.format}"
    return f"{written}, an unlisted pack" if loose else written


class Judge:
    """A judge of stores that a migration left."""

    def __init__(self, case: Case, template: Path) -> None:
        self.case = case
        self.template = template
        self.expected = told(template, deep=case.deep)
        self.kinds: Counter[str] = Counter()

    def judge(self, folder: Path, *, done: bool | None = None) -> None:
        """Hold a store against what it was, migrate it again, and hold it once more. done: it was reported as done."""
        found = kind(folder)
        self.kinds[found] += 1
        deep = self.case.deep or (self.kinds[found] == 1 and found in self.case.once)
        assert told(folder, deep=self.case.deep) == self.expected, found
        if done:
            assert found == DONE
        checked(folder, deep=deep)
        barred(folder, is_newest(Repository(folder)))
        with Store(folder) as store:
            left = store.migrate(dry_run=True).steps
            assert store.migrate().steps == left
            assert store.migrate().steps == ()
        assert bool(left) is not found.startswith(DONE)
        assert told(folder, deep=self.case.deep) == self.expected
        checked(folder, deep=deep)
        barred(folder, True)


def barred(folder: Path, is_barred: bool) -> None:
    """Hold the next undo against the barrier, in a copy."""
    with quick_folder() as spare:
        copy(folder, spare / "copy")
        with Store(spare / "copy") as store:
            if is_barred:
                with pytest.raises(NothingToUndo, match="migrate"):
                    store.undo()
            else:
                store._repo.reload()
                before = store._repo.tip
                assert store.redo().changed  # the newest operation of each of the stores is an undo
                assert store._repo.tip.number == before.number + 1


@contextmanager
def disk_of(disk: Disk) -> Iterator[None]:
    before, durable.disk = durable.disk, disk
    try:
        yield
    finally:
        durable.disk = before


@contextmanager
def made(case: Case) -> Iterator[tuple[Path, Judge]]:
    with quick_folder() as top:
        case.make(top / "template")
        shutil.rmtree(top / "template/catalogue", ignore_errors=True)
        yield top, Judge(case, top / "template")


def migrated(folder: Path) -> None:
    with Store(folder) as store:
        store.migrate()


def size(folder: Path) -> int:
    return sum(path.stat().st_size for name in ("refs", "packs", "FORMAT") for path in files(folder / name))


def files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_whatever_call_fails_it_is_a_whole_store_and_goes_on(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.perf_counter()
    with made(case) as (top, judge):
        copy(top / "template", top / "well")
        before = size(top / "well")
        well = FaultyDisk()
        at = time.perf_counter()
        with disk_of(well):
            migrated(top / "well")
        took = time.perf_counter() - at
        after = size(top / "well")
        count = 0
        for number in range(len(well.calls)):
            for fault in (fault for fault in FAULTS if well.has(number, fault)):
                count += 1
                folder = top / "run"
                copy(top / "template", folder)
                error: BaseException | None = None
                disk = FaultyDisk(number, fault)
                with disk_of(disk):
                    try:
                        migrated(folder)
                    except (VstoreError, Killed) as err:
                        error = err
                try:
                    if fault == "EIO" and disk.calls[number : number + 1] == ["fsync"]:
                        assert error is not None
                    assert not isinstance(error, VstoreError) or error.next_step
                    judge.judge(folder, done=error is None)
                except Exception as problem:
                    where = f"{fault} at call {number} ({well.calls[number]}): {error!r}"
                    raise AssertionError(where) from problem
                finally:
                    shutil.rmtree(folder)
    writes = Counter(well.calls)
    with capsys.disabled():
        print(
            f"\n{case.name}: migrated in {took * 1000:.0f} ms, refs, packs and FORMAT {before:,} -> {after:,} bytes; "
            f"{len(well.calls)} calls ({writes['write']} writes, {writes['fsync']} fsyncs), {count} faults, "
            f"{dict(judge.kinds)}, {time.perf_counter() - began:.0f} s",
            end=" ",
        )
    few = {OLD_ONE, BETWEEN, DONE}  # the fixture has so few snapshots that they need no pack
    assert set(judge.kinds) == (few if case is FIXTURE else {OLD_ONE, LOOSE, BETWEEN_LOOSE, DONE})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_wherever_the_power_is_cut_it_is_a_whole_store_and_goes_on(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, seen, states = random.Random(20261129), set(), 0
    with made(case) as (top, judge):
        folder = top / "recorded"
        copy(top / "template", folder)
        model = Model(folder)
        disk = RecordingDisk(folder)
        with disk_of(disk):
            migrated(folder)
        disk.ack("done")
        at_once = {
            f"{base}/{name}" if base else name: inode
            for base in model.names
            for name, inode in model.names[base].items()
        }
        acked = False
        for event in disk.events:
            if event.what == "ack":
                acked = True
            else:
                model.apply(event)
            for tree in model.states(chance, 12 if case.deep else 4):
                states += 1
                name = digest({path: data for path, data in tree.items() if not same(at_once, path, data)})
                if (name, acked) in seen:
                    continue
                seen.add((name, acked))
                lay_over(tree, at_once, top / "template", top / "run")
                judge.judge(top / "run", done=acked)
                shutil.rmtree(top / "run")
    with capsys.disabled():
        print(
            f"\n{case.name}: {len(disk.events)} calls, {states} cuts, {len(seen)} states, {dict(judge.kinds)}", end=" "
        )
    assert len(judge.kinds) >= 3


def same(known: dict[str, Any], path: str, data: bytes) -> bool:
    """Tell whether a file is one of the store as it was, unchanged."""
    return path in known and (known[path].data is data or known[path].data == data)


def lay_over(tree: dict[str, bytes], known: dict[str, Any], template: Path, folder: Path) -> None:
    """Write a tree to a folder. What is as it was is linked."""
    for name in ("refs", "segments", "packs", "journal", "cache", "locks", "quarantine"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for path, data in tree.items():
        if same(known, path, data) and path.split("/")[0] in WRITTEN_ONCE:
            os.link(template / path, folder / path)
        else:
            (folder / path).write_bytes(data)


def test_killed_with_9_at_every_call_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Real processes: what the kernel has is there, and their locks are free."""
    nursery = Nursery()
    killed = 0
    try:
        with made(MANY) as (top, judge):
            copy(top / "template", top / "well")
            well = nursery.migrate(top / "well")
            assert well is not None
            for at in range(1, well["calls"] + 1):
                for how in ("before", "amid", "after"):
                    copy(top / "template", top / "run")
                    if nursery.migrate(top / "run", at, how) is None:
                        killed += 1
                    judge.judge(top / "run")
                    shutil.rmtree(top / "run")
    finally:
        nursery.close()
    with capsys.disabled():
        print(f"\n{killed} migrations killed at {well['calls']} calls: {dict(judge.kinds)}", end=" ")
    assert killed >= 2 * well["calls"]
    assert len(judge.kinds) >= 4


def test_on_a_full_disk_nothing_is_lost_and_it_goes_on_when_there_is_room(capsys: pytest.CaptureFixture[str]) -> None:
    failed = done = 0
    with small_disk("32m") as disk, made(MANY) as (top, judge):
        for pages in range(40):
            shutil.copytree(top / "template", disk / "store")
            shutil.rmtree(disk / "store/cache", ignore_errors=True)
            filler = fill(disk, pages * PAGE)
            try:
                migrated(disk / "store")
                done += 1
            except VstoreError as err:
                assert err.exit_code == 1
                assert "free some space" in err.next_step
                failed += 1
            assert told(disk / "store", deep=False) == judge.expected
            shutil.copytree(disk / "store", top / "run")
            judge.judge(top / "run")
            filler.unlink()
            migrated(disk / "store")
            assert is_newest(Repository(disk / "store"))
            assert told(disk / "store", deep=False) == judge.expected
            shutil.rmtree(top / "run")
            shutil.rmtree(disk / "store")
    assert failed > 5
    assert done > 1
    with capsys.disabled():
        print(f"\nfull disk: {failed} migrations failed, {done} went well: {dict(judge.kinds)}", end=" ")


def test_the_judge_would_see_a_format_that_is_not_flushed() -> None:
    """A migration whose record comes before FORMAT is on disk leaves what the old program takes for its own."""
    with made(MANY) as (top, _):
        folder = top / "recorded"
        copy(top / "template", folder)
        model = Model(folder)
        disk = RecordingDisk(folder)
        with disk_of(disk):
            migrated(folder)
        events = [event for event in disk.events if not (event.what == "syncdir" and event.path == "")]
        assert len(events) < len(disk.events)
        found = set()
        for event in events:
            model.apply(event)
            for tree in model.states(random.Random(1), 4):
                now = {path: data for path, data in tree.items() if path == "FORMAT" or path.startswith("refs/")}
                newest = max(path for path in now if path.startswith("refs/") and not path.startswith("refs/.tmp"))
                found.add((b'"format":2' in now["FORMAT"], b'"op":"migrate"' in now[newest]))
        assert (False, True) in found
