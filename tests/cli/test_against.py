"""The benchmark against an older commit: its statistics."""

from __future__ import annotations

import re
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


def test_the_base_is_one_commit() -> None:
    assert re.fullmatch(r"[0-9a-f]{40}\n", (BENCHMARKS / "base").read_text())
