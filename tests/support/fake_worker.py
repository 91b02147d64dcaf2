"""A worker process whose model is a fake, so that it starts without torch and does what its pictures say.

The process is a real one, with its real pipes; it takes the fake from a `sitecustomize` that PYTHONPATH names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL.Image import Image

from vstore.embed.hf.batches import Limits
from vstore.embed.hf.digests import Remembered
from vstore.embed.hf.identity import Known
from vstore.embed.model_words import Settings, Words
from vstore.embed.workers.desk import Care
from vstore.embed.workers.pool import Workers
from vstore.embed.workers.worker import Job, Worker

TOP = Path(__file__).resolve().parents[2]
RECIPE = {"family": "fake", "dim": 8, "text": None}

HOOK = """
import os, signal, subprocess, sys, threading, time
import vstore.embed.workers.process as process

class Fake:
    in_flight = 1
    environment = {"device": "fake"}

    def start(self, inputs):
        import numpy as np
        from vstore.errors import ModelError
        for one in inputs:
            time.sleep(float(one.get("sleep", 0)))
            print("a library says something")
            if one.get("do") == "fail":
                raise ModelError("the model is tired", "let it rest")
            if one.get("do") == "fault":
                raise ZeroDivisionError("of no use")
            if one.get("do") == "die":
                print("its last words", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGSEGV)
            if one.get("do") == "leave a child":
                one["row"][0] = subprocess.Popen(["sleep", "60"]).pid
            if one.get("do") == "let a thread fail":
                failing = threading.Thread(target=lambda: 1 / 0)
                failing.start()
                failing.join()
            if one.get("do") == "starve":
                def receive(file):
                    raise MemoryError
                process.receive = receive
        return lambda: np.stack([one["row"] for one in inputs])

process._load = lambda job: Fake()
"""


def use(hook: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let worker processes run some Python before they begin."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(hook)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(TOP / "store")]))


class FakeFamily:
    """A family that prepares nothing: its input stands for a prepared picture."""

    recipe = RECIPE

    def prepare(self, picture: Image) -> Any:
        return picture

    def weight(self, one: Any) -> int:
        return 0


def fake_workers(count: int, admit: Any = lambda load: load(), **care: Any) -> Workers:
    family: Any = FakeFamily()

    def start(device: str) -> Worker:
        return Worker(family, Job(RECIPE, Words(), Settings(device), Remembered({}, {}), Known(RECIPE), count))

    return Workers(family, Limits(4, None), [f"fake:{number}" for number in range(count)], start, Care(admit, **care))


def pictures(*seeds: int, **more: Any) -> list[dict[str, Any]]:
    """Make prepared pictures. more: what the first one makes the worker do."""
    found = [{"row": np.random.default_rng(seed).standard_normal(8).astype(np.float32)} for seed in seeds]
    found[0].update(more)
    return found


def running(of: int | None = None) -> list[psutil.Process]:
    """List the worker processes of a process; of this one by default."""
    found = []
    for one in psutil.Process(of).children(recursive=True):
        try:
            if one.status() != psutil.STATUS_ZOMBIE and "vstore.embed.workers.process" in " ".join(one.cmdline()):
                found.append(one)
        except psutil.NoSuchProcess:
            continue
    return found
