"""The guard played against a plain model: what is refused follows from sets of pictures alone."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.folders import World, put, trust_young_stats
from support.guarded import pixel

from vstore.errors import Refused

PARTS = ("", "a/", "b/", "b/c/")
Files = dict[str, int]  # path -> number of the picture


class Guarded(RuleBasedStateMachine):
    """A folder of about a hundred pictures, its index, and the snapshots that count.

    disk:     the files now.
    index:    the files of the current snapshot.
    counted:  the files of each snapshot since the last sync that was allowed to lose many, oldest first.
    emptied:  subfolders that were replaced by an empty folder since the last sync.
    """

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        trust_young_stats(self.patch)
        self.world = World(self.top)
        self.numbers = iter(range(1, 1_000_000))
        self.disk: Files = {}
        self.index: Files = {}
        self.counted: list[Files] = []
        self.emptied: set[str] = set()

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.top)

    def write(self, files: Files) -> None:
        put(self.world.pictures, {name: pixel(number) for name, number in files.items()})
        self.disk |= files

    @initialize()
    def begin(self) -> None:
        self.write({f"{part}{at}.bmp": next(self.numbers) for part in PARTS for at in range(25)})
        assert self.comes_through(allowed=False)

    @rule(part=st.sampled_from(PARTS), count=st.integers(1, 30))
    def add(self, part: str, count: int) -> None:
        new = [next(self.numbers) for _ in range(count)]
        self.write({f"{part}{number}.bmp": number for number in new})

    def some(self, seed: int, count: int) -> list[str]:
        names = sorted(self.disk)
        return [names[(seed + step) % len(names)] for step in range(min(count, len(names) - 1))]

    @rule(seed=st.integers(0, 200), count=st.integers(1, 45))
    def delete(self, seed: int, count: int) -> None:
        for name in self.some(seed, count):
            (self.world.pictures / name).unlink()
            del self.disk[name]

    @rule(seed=st.integers(0, 200), count=st.integers(1, 40))
    def rename(self, seed: int, count: int) -> None:
        for name in self.some(seed, count):
            to = f"renamed {next(self.numbers)}.bmp"
            (self.world.pictures / name).rename(self.world.pictures / to)
            self.disk[to] = self.disk.pop(name)

    @rule(seed=st.integers(0, 200), count=st.integers(1, 40))
    def edit(self, seed: int, count: int) -> None:
        self.write({name: next(self.numbers) for name in self.some(seed, count)})

    @rule(part=st.sampled_from(["a/", "b/", "b/c/"]))
    def unmount(self, part: str) -> None:
        place = self.world.pictures / part
        if place.exists() and any(not name.startswith(part) for name in self.disk):
            place.rename(self.top / f"away {next(self.numbers)}")
            place.mkdir()
            self.disk = {name: number for name, number in self.disk.items() if not name.startswith(part)}
            self.emptied.add(part)

    @rule()
    def sync(self) -> None:
        expected = self.is_accident()
        assert self.comes_through(allowed=False) != expected

    @rule()
    def sync_allowed(self) -> None:
        assert self.comes_through(allowed=True)

    def comes_through(self, *, allowed: bool) -> bool:
        """Sync, and follow in the model. Returns: whether the sync was not refused."""
        try:
            report = self.world.sync(allow_mass_delete=allowed)
        except Refused:
            return False
        if report.snapshot is not None:
            if allowed and any(name not in self.disk for name in self.index):
                self.counted.clear()
            self.counted.append(dict(self.disk))
        self.index = dict(self.disk)
        self.emptied.clear()
        return True

    def lost(self, before: Files) -> set[int]:
        """Find the pictures that no file has any more, and at whose path is none."""
        there = set(self.disk.values())
        return {number for name, number in before.items() if name not in self.disk and number not in there}

    def is_accident(self) -> bool:
        now = self.lost(self.index)
        if len(now) > 20:
            if 100 * len(now) > 30 * len(set(self.index.values())):
                return True
            for part in self.emptied:
                below = {name: number for name, number in self.index.items() if name.startswith(part)}
                if len(self.lost(below)) > 20 and not any(name.startswith(part) for name in self.disk):
                    return True
        if not now:
            return False
        fullest = max(reversed(self.counted), key=len)
        week = self.lost(fullest)
        return len(week) > 20 and 100 * len(week) > 50 * len(set(fullest.values()))

    @invariant()
    def the_index_is_what_the_last_sync_saw(self) -> None:
        if self.index:
            assert {path.removeprefix("pictures/") for path in self.world.paths()} == set(self.index)


Guarded.TestCase.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)
TestGuarded = Guarded.TestCase
