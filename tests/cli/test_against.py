"""The benchmark against an older commit: its statistics."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def against(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import against

    return against


@pytest.mark.parametrize(("count", "end"), [(1, 1), (5, 1), (15, 4), (20, 6), (30, 10)])
def test_the_interval_ends_at_the_order_statistics_of_the_tables(count: int, end: int, against: Any) -> None:
    low, _, high = against.interval([float(n) for n in range(count, 0, -1)])
    assert (low, high) == (end, count + 1 - end)  # Conover 1999, table A3


def test_a_command_is_too_slow_if_the_lower_end_of_its_ratio_is(against: Any) -> None:
    """Either measure counts; one slow pair, or a slow median that noise explains, does not."""
    even, slow = against.Cost(1.0, 1.0), against.Cost(1.2, 1.2)
    assert against.report("aa97ee1", {"noisy": [(slow, even)] * 8 + [(even, even)] * 7})
    assert not against.report("aa97ee1", {"fine": [(even, even)] * 15, "slow": [(slow, even)] * 15})
    assert not against.report("aa97ee1", {"slow by its CPU": [(against.Cost(1.0, 1.2), even)] * 15})


def test_both_sides_run_in_turn_and_the_first_round_does_not_count(against: Any) -> None:
    found = against.compare(BENCHMARKS.parent, {"version": lambda side: ["--version"]}, pairs=2)
    assert [len(pairs) for pairs in found.values()] == [2]
    ran: list[str] = []
    names = {name: (lambda: ran.append("now") or 1, lambda: ran.append("base") or 2) for name in ("a", "b")}  # type: ignore[func-returns-value]
    assert against.in_pairs(names, 2) == {"a": [(1, 2)] * 2, "b": [(1, 2)] * 2}
    assert ran == ["base", "now"] * 2 + ["now", "base"] * 2 + ["base", "now"] * 2


def test_a_target_may_be_another_and_every_measure_counts(against: Any, capsys: pytest.CaptureFixture[str]) -> None:
    even, slow = against.Cost(1.0, 1.0), against.Cost(1.04, 1.0)
    assert against.report("many / few", {"sync": [(slow, even)] * 15})
    assert not against.report("many / few", {"sync": [(slow, even)] * 15}, 1.02)
    assert "sync, wall: many / few: 1.040x (95 %: 1.040 to 1.040), 1.04e+03 ms, 15 pairs" in capsys.readouterr().out


def test_each_side_makes_its_store_with_its_own_code(against: Any, tmp_path: Path) -> None:
    for side in ("now", "base"):
        (tmp_path / f"{side} sources" / "benchmarks").mkdir(parents=True)
        code = f"def made(top):\n    (top / {side!r}).touch()\n    print('made')\n"
        (tmp_path / f"{side} sources" / "benchmarks" / "made_by.py").write_text(code)
        against.make(f"import made_by; made_by.made(Path({str(tmp_path)!r}))", tmp_path / f"{side} sources")
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"now", "base"}
    cost, printed = against.run([sys.executable, "-c", "print(7)"], tmp_path)
    assert printed == "7\n" and cost.wall > 0 and cost.cpu > 0
    with pytest.raises(SystemExit, match="exited with 1"):
        against.process([sys.executable, "-c", "import made_by"], tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bench_snapshots.py", "--snapshots", "2", "4", "--pictures", "3"], "4 / 2 snapshots"),
        (["bench_decisions.py", "--decisions", "20", "--pictures", "9"], "with / without 20 decisions"),
    ],
    ids=["snapshots", "decisions"],
)
def test_two_stores_are_made_and_compared(words: list[str], said: str) -> None:
    run = subprocess.run(
        [sys.executable, str(BENCHMARKS / words[0]), *words[1:], "--pairs", "1"],
        capture_output=True,
        text=True,
    )
    assert not run.stderr, run.stderr
    for name in ("status", "search"):
        for measure in ("wall", "cpu"):
            line = rf"^{name}, {measure}: {said}: [\d.]+x .* 1 pairs   target"
            assert re.search(line, run.stdout, re.MULTILINE), run.stdout


def test_the_base_is_one_commit() -> None:
    assert re.fullmatch(r"[0-9a-f]{40}\n", (BENCHMARKS / "base").read_text())
