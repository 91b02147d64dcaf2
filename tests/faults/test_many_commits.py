"""Many tiny commits: the files of a store grow with what changed, and opening it does not grow with its log."""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path
from statistics import mean

import pytest
from support.folders import drawn
from support.stores import FAKE, opened, quick_folder

from vstore.disk import durable
from vstore.format.small_files import TOO_MANY
from vstore.repository.repository import Repository
from vstore.store import Store

EACH = 5 << 10  # bytes of records and packs that a commit of one changed path may cost
CYCLE = TOO_MANY + 1  # commits after which their packs are merged


def metadata(top: Path) -> int:
    return sum(path.stat().st_size for folder in ("refs", "packs") for path in (top / ".vstore" / folder).iterdir())


class Counting(durable.Disk):
    def __init__(self) -> None:
        self.bytes = 0

    def read(self, path: str, longest: int) -> bytes:
        data = super().read(path, longest)
        self.bytes += len(data)
        return data


def opening(top: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int, float]:
    """Open the store. Returns: bytes read, bytes of its state, seconds."""
    disk = Counting()
    with monkeypatch.context() as patch:
        patch.setattr(durable, "disk", disk)
        began = time.perf_counter()
        repo = Repository(top / ".vstore")
        took = time.perf_counter() - began
    from vstore.format.canonical import canonical

    return disk.bytes, len(canonical(repo.state.document)), took


def many(count: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Commit many times; each time one picture gets another name."""
    with quick_folder() as top:
        pictures = top / "pictures"
        pictures.mkdir()
        for number in range(20):
            (pictures / f"p{number}.png").write_bytes(drawn(number))
        (pictures / "0.png").write_bytes(drawn(99))
        Store.init(top / ".vstore", recipe=FAKE.recipe)
        sizes = []
        with opened(top) as store:
            store.sync([pictures])
            for number in range(1, count):
                os.rename(pictures / f"{number - 1}.png", pictures / f"{number}.png")
                if number % CYCLE == 1:
                    sizes.append(metadata(top))
                assert store.sync().snapshot is not None
        steps = [(after - before) // CYCLE for before, after in pairwise(sizes)]
        read, state, took = opening(top, monkeypatch)
        again = opening(top, monkeypatch)[2]
        with capsys.disabled():
            print(
                f"\n{count} commits: {metadata(top) / count:.0f} bytes of metadata each, by cycles {steps}; "
                f"opening reads {read:,} bytes, state {state:,}: {took * 1000:.1f} ms, again {again * 1000:.1f}",
                end=" ",
            )
        # Not cycle by cycle: one in which a whole state or a large merged pack falls costs more than one without.
        half = len(steps) // 2
        assert mean(steps) < EACH and mean(steps[half:]) < 1.6 * mean(steps[:half]), "they cost what the first ones did"
        assert read < 3 * state + (1 << 16)
        with opened(top) as store:
            store.snapshot_forget(keep_last=10)
            store.gc()
        assert metadata(top) < 50_000 + 16 * count, "the rest, and the names of the deleted snapshots"
        assert opening(top, monkeypatch)[0] < 40_000
        with opened(top) as store:
            assert store.check(read_data=True).ok


def test_five_hundred_commits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    many(16 * CYCLE, monkeypatch, capsys)


@pytest.mark.long
def test_ten_thousand_commits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    many(10_000, monkeypatch, capsys)
