"""The benchmark against an older commit: its statistics."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.parametrize(("count", "end"), [(15, 4), (20, 6), (30, 10)])
def test_the_interval_ends_at_the_order_statistics_of_the_tables(
    count: int, end: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import against

    low, _, high = against.interval([float(n) for n in range(count, 0, -1)])
    assert (low, high) == (end, count + 1 - end)  # Conover 1999, table A3


def test_the_base_is_one_commit() -> None:
    assert re.fullmatch(r"[0-9a-f]{40}\n", (BENCHMARKS / "base").read_text())
