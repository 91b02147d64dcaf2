"""The benchmarks of the approximate index, at a size that takes seconds: what they compare, and what they print."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
ROWS, DIM, SNAPSHOTS = 4_000, 32, 3


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import bench_index

    return bench_index


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store with an index that lies there for all tests."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from bench_index import ready

        return ready(tmp_path_factory.mktemp("bench"), ROWS, DIM, SNAPSHOTS)
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_queries_are_compared_with_exact_answers(bench: Any, kept: Any, capsys: pytest.CaptureFixture[str]) -> None:
    queries = bench.queries_of(kept, 20)
    bench.warm(kept, queries, 1)
    told = capsys.readouterr().out
    found = re.search(r"recall at 10: ([\d.]+) of 20 queries, in a batch ([\d.]+)", told)
    assert found is not None and float(found[1]) >= 0.9 and abs(float(found[1]) - float(found[2])) < 0.05
    assert "exact / index: wall" in told and "CPU" in told
    exact = bench.exact_answers(kept, queries, "current")
    assert bench.recall(exact, exact) == 1 and bench.recall(exact, exact[::-1]) < 0.5


def test_the_oldest_snapshot_stands_beside_the_newest(
    bench: Any, kept: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.snapshots(kept, bench.queries_of(kept, 5), 1)
    assert f"v1 of 2,000 pictures / v3 of {ROWS - 2:,}: wall" in capsys.readouterr().out


def test_a_process_stands_beside_its_imports(bench: Any, kept: Any, capsys: pytest.CaptureFixture[str]) -> None:
    bench.process(kept, 1)
    assert "CPU: beyond imports" in capsys.readouterr().out
    names = bench.modules_of([sys.executable, "-c", "import json"])
    assert "json.decoder" in names and "numpy" not in names


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="no /proc")
def test_memory_is_told_from_pages_of_segments(bench: Any, kept: Any, capsys: pytest.CaptureFixture[str]) -> None:
    bench.memory(kept, bench.queries_of(kept, 5))
    found = re.search(r"queries: (\d+) MiB beside (\d+) MiB of segments", capsys.readouterr().out)
    assert found is not None and 20 < int(found[1]) < 2000 and int(found[2]) <= 1


def test_a_commit_is_of_new_pictures_alone(bench: Any, kept: Any, tmp_path: Path) -> None:
    from bench_index_commit import Copy

    before = {path.name for path in (kept.folder / "segments").iterdir()}
    copy = Copy(kept, tmp_path / "copy", 50)
    first, second = copy.add(), copy.add()
    for commit in (first, second):
        assert commit.seconds > 0 and 50 * (2 * DIM + 16) < commit.written["segments"] < 3 * 50 * (2 * DIM + 16)
        assert commit.written["refs"] and commit.written["packs"]
    assert {path.name for path in (kept.folder / "segments").iterdir()} == before
    shutil.rmtree(tmp_path / "copy")


def test_pairs_stand_beside_neighbours(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import bench_index_edges

    monkeypatch.setattr(bench_index_edges, "DELTA", 20)
    monkeypatch.setattr(sys, "argv", ["bench", "--rows", "1000", "--dim", str(DIM), "--at", str(tmp_path), "--exact"])
    bench_index_edges.main()
    told = capsys.readouterr().out
    assert "all pairs / neighbours of all: wall" in told and "a delta of 20: " in told
    assert told.count("chosen by the index") == 4 and told.count("all compared") == 1
