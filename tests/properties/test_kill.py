"""A real sync process is killed with -9 at random moments; a clean run then embeds only what was not kept."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vstore.embed import load_embedder
from vstore.images import Preparation, prepare
from vstore.store import Store

TOP = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TOP / "store"), str(TOP / "cli")])}
PICTURES = 120


def sync(store: Path, pictures: Path) -> list[str]:
    return [sys.executable, "-m", "vstore_cli", "--store", str(store), "sync", str(pictures), "--json"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kill") / "pictures"
    folder.mkdir()
    for number in range(PICTURES):
        small = np.random.default_rng(number).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((400, 300)).save(folder / f"{number:03d}.jpg")
    return folder


@pytest.mark.parametrize("seed", range(6))
def test_a_killed_sync_loses_no_kept_vector_and_leaves_a_store_that_works(
    pictures: Path, tmp_path: Path, seed: int
) -> None:
    store = tmp_path / "store"
    Store.init(store)
    chance = random.Random(seed)
    for _ in range(3):
        process = subprocess.Popen(sync(store, pictures), stdout=subprocess.DEVNULL, env=ENVIRONMENT)
        time.sleep(chance.uniform(0.15, 1.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Store(store) as opened:
            report = opened.check(read_data=True)
            assert report.ok, report.problems
    done = subprocess.run(sync(store, pictures), capture_output=True, env=ENVIRONMENT, check=True)
    report = json.loads(done.stdout)
    with Store(store) as opened:
        repo = opened._repo
        snapshot = repo.snapshot("current")
        refs = repo.state.segments(snapshot.space)
        rows: dict[bytes, np.ndarray] = {}
        for ref in refs:
            segment = repo.segment(ref)
            segment.verify()
            assert not rows.keys() & set(segment.key_list()), "no picture is embedded and stored twice"
            rows |= dict(zip(segment.key_list(), segment.rows().astype(np.float32), strict=True))
        assert len(rows) == PICTURES == report["paths"]
        embedder = load_embedder(repo.recipe(snapshot.space))
        for path, key in list(repo.tree(snapshot))[:: PICTURES // 12]:
            data = (pictures / os.fsdecode(path).partition("/")[2]).read_bytes()
            assert repo.hash.digest(data) == key
            expected = embedder.embed_images([prepare(data, Preparation())[0]])[0]
            assert float(rows[key] @ expected) > 0.999
        assert opened.check(read_data=True).ok
    again = subprocess.run(sync(store, pictures), capture_output=True, env=ENVIRONMENT, check=True)
    assert json.loads(again.stdout)["snapshot"] is None
    assert not [path for path in store.rglob("*") if path.name.startswith(".tmp-ingest")]


def test_what_a_killed_run_had_journaled_is_not_embedded_again(pictures: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    Store.init(store)
    process = subprocess.Popen(sync(store, pictures), stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    journal = store / "journal"
    until = time.monotonic() + 30
    while time.monotonic() < until and sum(path.stat().st_size for path in journal.iterdir()) < 20_000:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if not list(journal.iterdir()):
        pytest.skip("the run was over before it could be killed")
    done = subprocess.run(sync(store, pictures), capture_output=True, env=ENVIRONMENT, check=True)
    report = json.loads(done.stdout)
    assert report["recovered"] > 0
    assert report["embedded"] + report["recovered"] == PICTURES
