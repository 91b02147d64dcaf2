"""Stores that a stranger forged, with right checksums: refused or answered, at once, within a memory, and plainly.

By hand: `pytest -m long tests/store/test_forged_stores.py`, or more cases with VSTORE_FORGED.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FIRST = 0
SHORT, LONG = 60, int(os.environ.get("VSTORE_FORGED", "3000"))


@pytest.mark.parametrize("count", [SHORT, pytest.param(LONG, marks=pytest.mark.long)])
def test_a_forged_store_is_refused_or_answered(tmp_path: Path, count: int) -> None:
    """In a process of its own: a case may end it, or take all of its memory."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", "from support.forged_stores import main; main()", str(home), str(FIRST), str(count)],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60 * count,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.startswith(f"{count} cases")
