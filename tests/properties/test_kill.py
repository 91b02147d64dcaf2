"""Real sync processes are killed with -9 at random moments; a clean run then embeds only what was not kept."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.folders import ENVIRONMENT, put
from support.killed import Fatal, Nursery

from vstore.disk.durable import Disk
from vstore.disk.journal import Journal, journals
from vstore.embed.load import load_embedder
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation
from vstore.store import Store
from vstore.testing import FakeEmbedder

KILLS = int(os.environ.get("VSTORE_EXAMPLES", "20"))
PICTURES = 50  # of the runs that are killed at a call: four batches
REAL = 120  # of those that are killed at some time


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kill") / "pictures"
    put(folder, {f"{number % 3}/{number:03d}.png": number for number in range(PICTURES)})
    return folder


def kept(store: Path) -> int:
    """How many vectors a store holds, in segments and in journals that nobody sealed yet."""
    with Store(store) as opened:
        repo = opened._repo
        found = {key for space in repo.state.spaces for ref in repo.state.segments(space)
                 for key in repo.segment(ref).key_list()}  # fmt: skip
        for path in journals(repo.layout.journal):
            try:
                found.update(key for _, key in Journal(path).frames())
            except ValueError:
                assert path.stat().st_size < 72, "killed while its head was written"
        return len(found)


def holds_all(store: Path, pictures: Path, count: int) -> None:
    """Every picture has one vector, its own; what lies in the store is whole, and nothing is left half-done."""
    with Store(store) as opened:
        repo = opened._repo
        snapshot = repo.snapshot("current")
        rows: dict[bytes, np.ndarray] = {}
        for ref in repo.state.segments(snapshot.space):
            segment = repo.segment(ref)
            segment.verify()
            assert not rows.keys() & set(segment.key_list()), "no picture is embedded and stored twice"
            rows |= dict(zip(segment.key_list(), segment.rows().astype(np.float32), strict=True))
        assert (len(rows), snapshot.paths, snapshot.partial) == (count, count, False)
        recipe = repo.recipe(snapshot.space)
        embedder = FakeEmbedder() if recipe["family"] == "fake" else load_embedder(recipe)
        for path, key in list(repo.tree(snapshot))[:: max(1, count // 12)]:
            data = (pictures / os.fsdecode(path).partition("/")[2]).read_bytes()
            assert repo.hash.digest(data) == key
            expected = embedder.embed_images([prepare(data, Preparation())[0]])[0]
            assert float(rows[key] @ expected) > 0.999
        report = opened.check(read_data=True)
        assert report.ok, report.problems
        assert not journals(repo.layout.journal)
        assert not [path for path in store.rglob("*") if path.name.startswith(".tmp-ingest")]


def is_whole(store: Path) -> None:
    with Store(store) as opened:
        report = opened.check(read_data=True)
        assert report.ok, report.problems


@pytest.fixture(scope="module")
def calls(nursery: Nursery, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many calls to the disk a sync of all pictures makes, partial snapshots included."""
    store = tmp_path_factory.mktemp("calls") / "store"
    Store.init(store, recipe=FakeEmbedder().recipe)
    report = nursery.run(store, pictures)
    assert report is not None
    assert (report["embedded"], report["snapshot"]) == (PICTURES, "v4")
    return int(report["calls"])


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_sync_killed_at_any_call_to_the_disk_loses_nothing_that_was_kept(
    nursery: Nursery, pictures: Path, calls: int, tmp_path: Path, seed: int
) -> None:
    store = tmp_path / "store"
    Store.init(store, recipe=FakeEmbedder().recipe)
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 3)):
        had = kept(store)
        at, how = chance.randint(1, calls + 5), chance.choice(["before", "after", "amid"])
        report = nursery.run(store, pictures, at, how)
        assert kept(store) >= had
        is_whole(store)
        assert report is None or report["embedded"] == PICTURES - had, f"{at} {how}"
    had = kept(store)
    report = nursery.run(store, pictures)
    assert report is not None
    assert report["embedded"] == PICTURES - had, "only what was not kept is embedded"
    holds_all(store, pictures, PICTURES)
    again = nursery.run(store, pictures)
    assert again is not None
    assert (again["snapshot"], again["embedded"], again["paths"]) == (None, 0, PICTURES)


def sync(store: Path, pictures: Path) -> list[str]:
    return [sys.executable, "-m", "vstore_cli", "--store", str(store), "sync", str(pictures), "--json"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs") / "pictures"
    folder.mkdir()
    for number in range(REAL):
        small = np.random.default_rng(number).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((400, 300)).save(folder / f"{number:03d}.jpg")
    return folder


@pytest.mark.parametrize("seed", range(2))
def test_the_real_command_killed_at_some_time_loses_nothing_that_was_kept(
    photographs: Path, tmp_path: Path, seed: int
) -> None:
    store = tmp_path / "store"
    Store.init(store)
    chance = random.Random(seed)
    for _ in range(2):
        process = subprocess.Popen(sync(store, photographs), stdout=subprocess.DEVNULL, env=ENVIRONMENT)
        # It begins to embed when its journal appears; how long that takes depends on the machine.
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until and not journals(store / "journal"):
            time.sleep(0.002)
        time.sleep(chance.uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        is_whole(store)
    had = kept(store)
    done = subprocess.run(sync(store, photographs), capture_output=True, env=ENVIRONMENT, check=True)
    assert json.loads(done.stdout)["embedded"] == REAL - had
    holds_all(store, photographs, REAL)


def test_the_calls_at_which_syncs_are_killed_are_all_that_change_the_disk() -> None:
    public = {name for name in vars(Disk) if not name.startswith("_")}
    assert public - set(vars(Fatal)) == {"read", "pread", "readinto", "map", "close"}
