"""Checks that compare the store with the pictures: their bytes, and a sample of their vectors."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from support.folders import World, drawn, trust_young_stats


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    trust_young_stats(monkeypatch)
    world = World(tmp_path)
    for number in range(6):
        world.put({f"{number}.png": number})
        world.sync()
    return world


def test_source_finds_a_picture_whose_bytes_changed_behind_its_size_and_times(world: World) -> None:
    report = world.store.check(source=True)
    assert report.ok
    assert any("6 pictures read" in note for note in report.notes)
    path = world.pictures / "3.png"
    found = path.stat()
    data = bytearray(drawn(3))
    data[-20] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    # A ctime cannot be set back: the root says that it means nothing here, as on disks that make it up.
    assert world.store.check(source=True).ok
    path.write_bytes(drawn(3))
    world.sync(ignore_ctime=True)
    found = path.stat()
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    report = world.store.check(source=True)
    [problem] = report.problems
    assert (problem.file, problem.paths) == (str(path), (b"pictures/3.png",))
    assert "vstore sync" in problem.next


def test_source_skips_pictures_that_the_next_sync_will_read(world: World) -> None:
    world.put({"3.png": 33, "new.png": 34})
    (world.pictures / "4.png").unlink()
    report = world.store.check(source=True)
    assert report.ok
    assert "2 files not compared, new or changed of late: the next sync reads them anyway" in report.notes
    assert any("4 pictures read" in note for note in report.notes)


def test_source_notes_missing_folders(world: World) -> None:
    world.pictures.rename(world.top / "elsewhere")
    report = world.store.check(source=True)
    assert report.ok
    assert any("does not exist" in note for note in report.notes)


def test_reembed_compares_with_the_vectors_of_the_model(world: World) -> None:
    calls = world.fake.embedded
    report = world.store.check(reembed=4)
    assert report.ok
    assert world.fake.embedded == calls + 4
    assert world.store.check(reembed=100).ok
    assert world.fake.embedded == calls + 10


def test_reembed_finds_a_vector_of_another_picture(world: World) -> None:
    repo = world.repo
    space = repo.snapshot("current").space
    refs = repo.state.segments(space)
    wrong = repo.segment(refs[1]).rows().copy()
    ref = repo.write_segment(space, repo.segment(refs[4]).key_list(), [np.ascontiguousarray(wrong)])
    with repo.committing("seal"):
        repo.publish("seal", {"segments": repo.state.segments_changed(space, [*refs[:4], ref, *refs[5:]])})
    assert world.another().check(read_data=True).ok
    report = world.another().check(reembed=6)
    [problem] = report.problems
    assert (problem.file, problem.rows, problem.paths) == (f"segments/{ref.name}", (0, 0), (b"pictures/4.png",))
