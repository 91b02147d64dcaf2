"""Checks that read a part of the bytes."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest
from support.failing_disks import Watched
from support.folders import World, trust_young_stats

from vstore.check import objects as check_objects
from vstore.disk import durable
from vstore.disk import read_times as read_times_of
from vstore.errors import UsageError


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    trust_young_stats(monkeypatch)
    world = World(tmp_path)
    for number in range(6):
        world.put({f"{number}.png": number})
        world.sync()
    return world


def verified(world: World) -> dict[str, int]:
    return read_times_of.read_times(world.folder / "cache")


def test_a_part_of_seven_is_always_the_same_and_all_seven_are_everything(world: World) -> None:
    parts = []
    for number in range(1, 8):
        (world.folder / "cache" / "verified").unlink(missing_ok=True)
        report = world.store.check(read_data_subset=f"{number}/7")
        assert report.ok
        parts.append(set(verified(world)) if report.verified else set())
    assert sum(map(len, parts)) == len(set().union(*parts)) == report.files == 13
    world.store.check(read_data=True)
    assert set(verified(world)) == set().union(*parts)


def test_a_percentage_takes_the_longest_unread_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    runs = 0
    now = time.time()
    while len(seen) < 13:
        runs += 1
        monkeypatch.setattr(time, "time", lambda at=now + 100 * runs: at)
        before = verified(world)
        world.store.check(read_data_subset="20%")
        read = {name for name, at in verified(world).items() if before.get(name) != at}
        assert not read & seen or len(read | seen) == 13, "nothing is read twice before all was read once"
        seen |= read
    assert 3 <= runs <= 6


def test_a_check_that_runs_out_of_time_goes_on_where_it_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.store.check(max_duration=3600).verified == 13
    (world.folder / "cache" / "verified").unlink()
    clock = iter(range(1000))
    monkeypatch.setattr(check_objects.time, "monotonic", lambda: float(next(clock)))
    seen: set[str] = set()
    for _ in range(4):
        report = world.store.check(max_duration=4.5)
        assert report.ok
        seen |= set(verified(world))
    assert len(seen) == 13
    assert any("time ran out" in note for note in report.notes)


def test_damage_is_found_only_in_files_that_are_read(world: World) -> None:
    repo = world.repo
    ref = repo.state.segments(repo.snapshot("current").space)[2]
    path = world.folder / "segments" / ref.name
    data = bytearray(path.read_bytes())
    data[85] ^= 1
    path.write_bytes(data)
    part = int(ref.name[:8], 16) % 7 + 1
    other = part % 7 + 1
    assert world.store.check(read_data_subset=f"{other}/7").ok
    report = world.store.check(read_data_subset=f"{part}/7")
    [problem] = report.problems
    assert (problem.file, problem.rows, problem.paths) == (f"segments/{ref.name}", (0, 0), (b"pictures/2.png",))
    assert "vstore repair" in problem.next
    assert ref.name not in verified(world)
    assert not world.store.check(max_duration=60).ok


@pytest.mark.parametrize("part", ["", "0/7", "8/7", "7", "0%", "101%", "-1/7", "ten%"])
def test_an_invalid_part_is_refused(world: World, part: str) -> None:
    with pytest.raises(UsageError):
        world.store.check(read_data_subset=part)


def test_a_store_that_cannot_be_written_is_checked_all_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.folder / "cache" / "verified").unlink(missing_ok=True)
    disk = Watched().fail("open", errno.EROFS)
    monkeypatch.setattr(durable, "disk", disk)
    assert world.store.check(read_data=True).verified == 13
    assert "open" in {call for call, _ in disk.calls}, "it was tried"
    assert verified(world) == {}
