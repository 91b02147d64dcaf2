"""What a sync holds in memory while it takes in pictures, by Python's own account."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.folders import ENVIRONMENT, TOP

FEW, MANY = 1_000, 3_000


def held(top: Path, count: int, seal_bytes: int) -> int:
    """Bytes that Python holds once a sync has embedded so many pictures."""
    top.mkdir()
    words = [sys.executable, str(TOP / "tests/support/traced_sync.py"), str(top), str(count), str(seal_bytes)]
    done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(
    ("seal_bytes", "most"),
    [
        pytest.param(1 << 12, 170, id="listed"),  # names, stats and keys alone: 70 bytes, and what is waiting
        pytest.param(1 << 26, 550, id="waiting"),  # the facts, too, that wait for the next record
    ],
)
def test_pictures_taken_in_leave_little_in_memory(tmp_path: Path, seal_bytes: int, most: int) -> None:
    few, many = (held(tmp_path / str(count), count, seal_bytes) for count in (FEW, MANY))
    assert (many - few) / (MANY - FEW) < most
