"""README is a front door: short, its demo runs, and what it promises is proved by tests that there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from docs_tools.console import TOP, Session, blocks
from PIL import Image

README = (TOP / "README.md").read_text()


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 250


def test_the_demo_plays_the_tour_of_readme(tmp_path: Path) -> None:
    """`make demo` runs the same commands, but for the folder in which they run."""
    tour = [
        step.command for block in blocks(README) if block.language == "console" and block.runs for step in block.steps()
    ]
    assert tour[0] == "mkdir tour && cp -R examples/pictures tour/pictures && cd tour"
    assert re.findall(r"^run '(.*)'$", (TOP / "examples/tour.sh").read_text(), re.MULTILINE) == tour[1:]
    printed = Session(tmp_path).run("sh examples/tour.sh demo")
    assert any(line.startswith("No problem found") for line in printed)


def test_what_survives_what_names_tests_that_there_are() -> None:
    rows = re.findall(r"^\| .* \| .* \| `pytest ([^`]+)` \|$", README, re.MULTILINE)
    assert len(rows) > 10
    for row in rows:
        for file in row.split():
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
