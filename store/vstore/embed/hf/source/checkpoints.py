"""The checkpoints of a training run, as trainers write them: one folder a step, named by its number."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

_STEP = re.compile(r"checkpoint-(\d+)")
_HOLDS = ("adapter_config.json", "config.json")


class Checkpoints(NamedTuple):
    """The checkpoints of a run.

    steps: those that hold an adapter or a model, by number.
    best:  the one that its trainer found best, or None.
    """

    steps: list[Path]
    best: Path | None

    @property
    def newest(self) -> Path:
        return self.steps[-1]


def checkpoints_in(folder: Path) -> Checkpoints | None:
    """Find the checkpoints in a folder; else in the folder of the latest run in it, as ms-swift writes them."""
    runs = [folder] if _steps(folder) else [inner for inner in _folders(folder) if _steps(inner)]
    if not runs:
        return None
    run = max(runs, key=lambda run: (_steps(run)[-1].stat().st_mtime, run))
    steps = _steps(run)
    return Checkpoints(steps, _best(steps))


def _steps(folder: Path) -> list[Path]:
    found = [
        (int(step[1]), inner)
        for inner in _folders(folder)
        if (step := _STEP.fullmatch(inner.name)) and any((inner / name).is_file() for name in _HOLDS)
    ]
    return [inner for _, inner in sorted(found)]


def _best(steps: list[Path]) -> Path | None:
    """Find the best checkpoint by the state of the newest: its path may be of another machine, its name is not."""
    for step in reversed(steps):
        try:
            state = json.loads((step / "trainer_state.json").read_bytes())
            name = Path(state["best_model_checkpoint"]).name
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return next((one for one in steps if one.name == name), None)
    return None


def _folders(folder: Path) -> list[Path]:
    return sorted(inner for inner in folder.iterdir() if inner.is_dir())
