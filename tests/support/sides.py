"""Processes of the tests that run other libraries beside a stub of torchvision, which would change this process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]


def run_side(module: str, *words: str | Path) -> None:
    """Run a module of `support` as a program. A library that is missing fails the test: `make test` installs it."""
    path = os.pathsep.join([str(_TESTS), str(_TESTS.parent / "store"), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, "-m", f"support.{module}", *words],
        env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ran.returncode == 0, f"support.{module} ended with {ran.returncode}:\n{ran.stdout[-3000:]}"
