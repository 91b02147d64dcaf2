"""The example that adopts an old index, and the founding case in small, run as they are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from support.lines import TOP, environment


def test_the_example_adopts_an_old_index(tmp_path: Path) -> None:
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "vstore").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vstore_cli "$@"\n')
    (bin / "vstore").chmod(0o755)
    env = environment(PATH=f"{bin}{os.pathsep}{os.environ['PATH']}", PYTHON=sys.executable)
    words = ["sh", str(TOP / "examples" / "adopt.sh"), str(tmp_path / "adopted")]
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert "32  matched" in done.stdout
    assert "The space builtin-1 is verified." in done.stdout
    assert "Embedded 1 picture in" in done.stdout


def test_the_founding_case_comes_out_right_in_small() -> None:
    words = [sys.executable, str(TOP / "benchmarks" / "bench_founding_case.py"), "--pictures", "600"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"key and vector are right +600 of 600", done.stdout)
