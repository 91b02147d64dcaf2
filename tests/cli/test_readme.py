"""README runs as written: each command of its tour, in turn, prints what README says that it prints."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TOP = Path(__file__).resolve().parents[2]
# What differs from run to run: moments, durations, ids that hold a moment, and sizes that hold them.
_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)?(e-\d+)? (s|min|h)\b"), "<duration>"),
    (re.compile(r"\b\d+(\.\d+)? (B|KiB|MiB) read"), "<size> read"),
)


def steps(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of the console blocks, with the lines that stand below it."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = step.splitlines()
            yield command, lines


def steady(lines: list[str]) -> list[str]:
    for pattern, name in _VARIES:
        lines = [pattern.sub(name, line) for line in lines]
    return lines


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder as a clone has it, with `vstore` on the path."""
    shutil.copytree(TOP / "examples", tmp_path / "examples")
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "vstore").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "from vstore_cli.main import main; main()" "$@"\n'
    )
    (bin / "vstore").chmod(0o755)
    return tmp_path


def environment(home: Path) -> dict[str, str]:
    paths = os.pathsep.join([str(TOP / "store"), str(TOP / "cli")])
    own = {"PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": paths}
    return {name: value for name, value in os.environ.items() if not name.startswith("VSTORE")} | own


def test_the_tour_prints_what_readme_says(home: Path) -> None:
    at = home
    found = list(steps((TOP / "README.md").read_text()))
    assert len(found) > 10
    for command, lines in found:
        # One shell per command, so that each must leave with 0; where it ends is where the next one begins.
        run = subprocess.run(
            ["sh", "-c", f"{command}\nstatus=$?\npwd\nexit $status"],
            cwd=at,
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        *printed, where = run.stdout.splitlines()
        assert run.returncode == 0, (command, printed)
        assert steady(printed) == steady(lines), command
        at = Path(where)


def test_the_demo_runs(home: Path) -> None:
    run = subprocess.run(
        ["sh", "examples/tour.sh", "demo"],
        cwd=home,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "No problem found" in run.stdout


def test_the_python_of_readme_runs(home: Path) -> None:
    shutil.copytree(home / "examples/pictures", home / "pictures")
    (code,) = re.findall(r"^```python\n(.*?)^```", (TOP / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    for line in ("vstore --store pictures/.vstore init", f"'{sys.executable}' -c '{code}'"):
        run = subprocess.run(
            ["sh", "-c", line], cwd=home, env=environment(home), capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["v1 34 34", "v1 34 "]


def test_what_survives_what_names_commands_that_there_are() -> None:
    section = (TOP / "README.md").read_text().partition("What survives what")[2].partition("\n\n`vstore snapshot")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        command = re.search(r"`pytest ([^`]+)` \|$", row)
        assert command is not None, row
        for file in command[1].split():
            assert re.search(r"^def test_", (TOP / file).read_text(), re.MULTILINE), file


def test_the_sample_pictures_are_what_their_script_draws(tmp_path: Path) -> None:
    drawn = tmp_path / "drawn"
    subprocess.run([sys.executable, str(TOP / "examples/draw_pictures.py"), str(drawn)], check=True)
    there = TOP / "examples/pictures"
    names = sorted(str(path.relative_to(there)) for path in there.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(drawn)) for path in drawn.rglob("*") if path.is_file())
    for name in names:
        # Encoders differ from version to version by a level or two.
        one, other = (np.asarray(Image.open(folder / name).convert("RGB")).astype(int) for folder in (there, drawn))
        assert float(np.abs(one - other).mean()) < 3, name
