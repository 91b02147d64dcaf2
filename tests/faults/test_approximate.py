"""Whatever call to the disk fails while an approximate index is built or kept up, answers stay as they are."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.builder import Builder, key, unit_vectors
from support.one_failing_call import FAULTS, FaultyDisk, Killed

from vstore import Store
from vstore.approximate import build as build_module
from vstore.approximate.build import keep_up
from vstore.approximate.opened import open_approximate
from vstore.disk import durable
from vstore.disk.index_parts import part_files, unfinished_parts
from vstore.errors import VstoreError
from vstore.repository.repository import Repository

EACH, SEGMENTS, DIM = 12, 5, 16
ROWS = unit_vectors(EACH * SEGMENTS, DIM, seed=9)


@contextlib.contextmanager
def disk_of(disk: FaultyDisk) -> Iterator[None]:
    before, durable.disk = durable.disk, disk
    try:
        yield
    finally:
        durable.disk = before


def add(builder: Builder, first: int, end: int) -> None:
    for number in range(first, end):
        here = range(number * EACH, (number + 1) * EACH)
        builder.add_segment([key(one) for one in here], ROWS[here.start : here.stop])


def built(folder: Path) -> None:
    with Store(folder) as store:
        store.index_build(exact_below=0)


def kept_up(folder: Path) -> None:
    with contextlib.closing(Repository(folder)) as repo, repo.lock("ingest") as lock:
        lock.acquire(0.0, "sync")
        (space,) = repo.state.spaces
        keep_up(repo, space)


def collected(folder: Path) -> None:
    with Store(folder) as store:
        store.gc(drop_unnamed=True)


def prepare(folder: Path, job: Callable[[Path], None]) -> None:
    builder = Builder(folder, recipe={"family": "fake", "name": "fake-1", "dim": DIM})
    add(builder, 0, SEGMENTS if job is built else 2)
    builder.add_snapshot({b"p/%d.jpg" % number: key(number) for number in range(EACH * SEGMENTS)})
    if job is not built:
        built(folder)
        for number in range(2, SEGMENTS):  # parts of one segment each; the last one makes four of them one
            builder.repo.reload()
            add(builder, number, number + 1)
            if number < SEGMENTS - 1 or job is collected:
                kept_up(folder)
    if job is collected:
        builder.repo.reload()
        builder.add_snapshot({b"p/%d.jpg" % number: key(number) for number in range(EACH - 2, EACH * SEGMENTS)})
        with Store(folder) as store:
            store.snapshot_forget(["v1"])
    builder.repo.close()


def answers(folder: Path, *, exact: bool) -> list[list[tuple[bytes, float]]]:
    """Ask for ten of so few rows that an index looks at all of them."""
    with Store(folder) as store, store.view() as view:
        asked = [view.search(key(number), k=10, exact=exact) for number in range(EACH, EACH * SEGMENTS, 17)]
    return [[(hit.key, hit.score) for hit in one.hits] for one in asked]


def covered(folder: Path) -> list[bool]:
    with contextlib.closing(Repository(folder)) as repo:
        (space,) = repo.state.spaces
        index = open_approximate(repo, space, repo.state.segments(space))
        return [] if index is None else index.covered


@pytest.mark.parametrize("job", [built, kept_up, collected])
def test_answers_stay_and_the_next_run_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(build_module, "TAIL", 0)
    template = tmp_path / "template"
    prepare(template, job)
    exact = answers(template, exact=True)
    shutil.copytree(template, tmp_path / "well")
    well = FaultyDisk()
    with disk_of(well):
        job(tmp_path / "well")
    assert set(covered(tmp_path / "well")) == {True}
    count = 0
    for number in range(len(well.calls)):
        faults = [fault for fault in FAULTS if well.has(number, fault)]
        if well.calls[number] in ("look", "read", "pread", "map") and number % 7:
            continue
        fault = faults[number % len(faults)]
        where = f"{fault} at call {number} ({well.calls[number]})"
        folder = tmp_path / f"run-{number}"
        shutil.copytree(template, folder)
        with disk_of(FaultyDisk(number, fault)), contextlib.suppress(VstoreError, Killed):
            job(folder)
        assert answers(folder, exact=False) == exact, where
        (built if job is built else kept_up)(folder)
        if job is collected:
            collected(folder)
        (indexes,) = (folder / "indexes").iterdir()
        assert answers(folder, exact=False) == exact, where
        if covered(folder) != [True] * len(covered(folder)) or not covered(folder):
            assert job is not built, where
            built(folder)  # a kill between the record of a gc and its end may cost the lists, and no more
        assert set(covered(folder)) == {True}, where
        assert not unfinished_parts(indexes) or job is not built, where
        assert len(part_files(indexes)) >= 3, where
        shutil.rmtree(folder)
        count += 1
    assert count > 20
