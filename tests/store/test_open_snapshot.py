"""A snapshot that was opened for searches: its rows, also by the delta, and the numbers of its pictures."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.builder import Builder, unit_vectors

from vstore.format.hashing import store_hash
from vstore.repository.repository import Repository
from vstore.search import bitmaps, numbers
from vstore.search.bitmaps import bitmaps_of
from vstore.search.open_snapshot import OpenSnapshot

HASH = store_hash("xxh3_128")
KEYS = [HASH.digest(bytes([number])) for number in range(200)]


class World:
    """A store whose snapshots name random pictures; each new picture gets a row, in a segment of its snapshot."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.builder = Builder(folder / ".vstore")
        self.random = random.Random(seed)
        self.paths: dict[bytes, int] = {}
        self.stored: set[int] = set()

    def step(self, change: int) -> None:
        """Publish a snapshot in which some paths are gone, and others have pictures that may be known."""
        for path in self.random.sample(sorted(self.paths), min(len(self.paths), change // 2)):
            del self.paths[path]
        for _ in range(change):
            self.paths[b"p/%03d" % self.random.randrange(300)] = self.random.randrange(len(KEYS))
        new = sorted({*self.paths.values()} - self.stored)
        again = self.random.sample(sorted(self.stored), min(3, len(self.stored)))  # rows that stand twice
        if new:
            self.builder.add_segment(
                [KEYS[n] for n in new + again], unit_vectors(len(new + again), seed=len(self.stored))
            )
        self.stored.update(new)
        self.builder.add_snapshot({path: KEYS[number] for path, number in self.paths.items()})

    def open(self, at: str = "current") -> OpenSnapshot:
        return OpenSnapshot(Repository(self.builder.repo.layout.folder), at)

    def expected(self) -> list[bytes]:
        repo = self.builder.repo
        segments = [repo.segment(ref) for ref in repo.state.segments(repo.snapshot("current").space)]
        return bitmaps_of(segments, {KEYS[number] for number in self.paths.values()})


def refuse(*args: Any) -> Any:
    raise AssertionError("all keys are looked through")


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_rows_by_the_delta_are_those_of_all_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, few: int
) -> None:
    monkeypatch.setattr(bitmaps, "_FEW", few)
    world = World(tmp_path, seed)
    world.step(100)
    world.open()
    monkeypatch.setattr(bitmaps, "bitmaps_of", refuse)
    for step in range(12):
        world.step(world.random.choice([0, 1, 5, 60]))
        if step % 3:  # now and then nobody searches a snapshot
            assert world.open().rows._bitmaps == world.expected()


def test_rows_are_looked_for_in_all_keys_where_the_segments_have_another_order(tmp_path: Path) -> None:
    world = World(tmp_path, 1)
    world.step(60)
    world.step(10)
    world.open()
    repo = world.builder.repo
    world.builder.list_segments(repo.state.segments(repo.snapshot("current").space)[::-1])
    assert world.open().rows._bitmaps == world.expected()


def test_an_older_snapshot_with_wrong_rows_is_not_begun_with(tmp_path: Path) -> None:
    world = World(tmp_path, 2)
    world.step(60)
    world.open()
    (file,) = [path for path in world.builder.repo.layout.cache.iterdir() if path.name.startswith("rows-")]
    bitmaps.write_cache(file.parent, file.name, bytes(file.stat().st_size - 8))
    world.step(5)
    assert world.open().rows._bitmaps == world.expected()


@pytest.mark.parametrize("few", [0, 1000])
def test_each_picture_has_its_number_and_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(numbers, "_FEW", few)
    world = World(tmp_path, 3)
    world.step(80)
    world.step(40)
    opened = world.open()
    keys = sorted({KEYS[number] for number in world.paths.values()})
    assert [opened.rows.key(int(row)) for row in opened.row_of] == keys
    some = [*keys[::3], *(key for key in KEYS if key not in keys)]
    found = numbers.numbers_of(opened.paths, some)
    assert found.dtype == np.int64
    assert [keys[number] for number in found] == keys[::3]
    part = opened.narrowed(found)
    assert [part.key(int(row)) for row in sorted(part.marked_rows(), key=part.key)] == keys[::3]
    assert opened.rows.count == len(keys)  # as it was


@pytest.mark.parametrize("few", [0, 1000])
def test_keys_that_begin_alike_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(numbers, "_FEW", few)
    builder = Builder(tmp_path / ".vstore")
    keys = [bytes(8) + number.to_bytes(8, "big") for number in range(40)]
    builder.add_segment(keys[::-1], unit_vectors(40))
    builder.add_snapshot({b"p/%d" % number: key for number, key in enumerate(keys)})
    opened = OpenSnapshot(Repository(builder.repo.layout.folder), "current")
    assert [opened.rows.key(int(row)) for row in opened.row_of] == keys
    absent = [bytes(8) + b"\xff" * 8, b"\xff" * 16, b"\1" * 16]
    assert numbers.numbers_of(opened.paths, keys[5:30] + absent).tolist() == list(range(5, 30))
