"""The base of the benchmarks of scale: vectors in blocks, and a store of them that a killed run goes on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vstore import Operand, Store
from vstore.repository.repository import Repository

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
ROWS, DIM, SNAPSHOTS = 2_000, 16, 5


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import embedding_like
    import large_store

    monkeypatch.setattr(embedding_like, "BLOCK", 256)
    monkeypatch.setattr(large_store, "BLOCK", 256)
    monkeypatch.setattr(large_store, "SEAL", 512 * 2 * DIM)
    return large_store


def test_rows_are_the_same_whatever_is_made_beside_them(large: Any) -> None:
    cloud = large.Cloud(DIM)
    every = cloud.rows(0, 1000)
    assert np.array_equal(every[250:600], cloud.rows(250, 600))
    assert np.allclose(np.linalg.norm(every, axis=1), 1, atol=1e-5)
    assert not np.array_equal(every, large.Cloud(DIM, seed=1).rows(0, 1000))


def test_neighbours_are_nearer_than_others_and_some_are_copies(large: Any) -> None:
    from embedding_like import spread_of

    cloud = large.Cloud(DIM)
    spread = spread_of(cloud.blocks(0, ROWS), cloud.rows(0, 50))
    assert 1 > spread.near[0] > spread.near[1] > spread.near[2] > spread.random > 0.1
    rows = cloud.rows(0, ROWS)
    assert ((rows @ rows.T > 0.99).sum(axis=1) > 1).mean() > 0.02


def test_a_killed_run_goes_on_where_it_was(large: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = large.LargeStore(tmp_path / "whole", ROWS, DIM, SNAPSHOTS)
    whole.build()
    killed = large.LargeStore(tmp_path / "killed", ROWS, DIM, SNAPSHOTS)
    commits: list[int] = []

    def dying(self: Any, repo: Repository, number: int) -> None:
        commits.append(number)
        if number == 3:
            raise KeyboardInterrupt
        commit(self, repo, number)

    commit = large.LargeStore._commit
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(large.LargeStore, "_commit", dying)
        killed.build()
    killed.build()
    assert commits == [1, 2, 3]
    repos = [Repository(made.folder) for made in (whole, killed)]
    ids = [[repo.snapshot(f"v{n}").id for n in range(1, SNAPSHOTS + 1)] for repo in repos]
    rows = [[ref.rows for ref in repo.state.segments(whole.space)] for repo in repos]
    for repo in repos:
        repo.close()
    assert ids[0] == ids[1] and len(set(ids[0])) == SNAPSHOTS
    assert rows[0] == rows[1] and sum(rows[0]) == ROWS and rows[0][0] == 512


def test_the_store_is_sound_and_knows_its_picture(large: Any, tmp_path: Path) -> None:
    made = large.LargeStore(tmp_path, ROWS, DIM, SNAPSHOTS)
    made.build()
    with Store(made.folder) as store:
        assert not store.check(read_data=True).problems
        report = store.search(Operand(1.0, image=bytes(made.query)), k=3)
        assert report.hits[0].paths == (b"pictures/query.jpg",) and report.hits[0].score == pytest.approx(1, abs=1e-3)
        counts = [row.images for row in store.snapshot_list()]
    assert sorted(counts) == [made.end(number) - (number - 1) for number in range(1, SNAPSHOTS + 1)]
