"""The program that knows format 1 alone: the code of the commit in `benchmarks/base`, run as a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from support.folders import ENVIRONMENT, TOP

COMMIT = (TOP / "benchmarks/base").read_text().strip()
_BEGIN = """
import json, os, sys
from pathlib import Path
from vstore.store import Store
from vstore.testing import FakeEmbedder
FAKES = {name: FakeEmbedder(name, dim) for name, dim in json.loads(os.environ["FAKES"]).items()}
def opened(folder):
    return Store(folder, load_embedder=lambda recipe: FAKES[recipe["name"]])
"""
_FAKES = {"fake-1": 8, "fake-2": 12, "fake-3": 8, "fake-4": 4}


class OldProgram:
    """The old sources, in a folder."""

    def __init__(self, sources: Path) -> None:
        """Skips the test where git lacks the commit."""
        words = ["git", "-C", str(TOP), "archive", COMMIT, "store/vstore", "cli/vstore_cli"]
        done = subprocess.run(words, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"this clone does not have the commit {COMMIT}")
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(sources, filter="data")
        paths = os.pathsep.join([str(sources / "store"), str(sources / "cli")])
        self._environment = {**ENVIRONMENT, "PYTHONPATH": paths, "FAKES": json.dumps(_FAKES)}

    def run(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a store."""
        command = [sys.executable, "-m", "vstore_cli", "--store", str(folder), *words]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)

    def refused(self, folder: Path, *words: str) -> bool:
        """Run a command on a store. Returns: whether it said that the format is too new, with its exit code."""
        done = self.run(folder, *words)
        return done.returncode == 12 and not done.stdout and "upgrade vstore" in done.stderr

    def start(self, script: str, *args: Path | str) -> subprocess.Popen[str]:
        """Start a script with pipes. It finds `Store`, `FAKES` and `opened`; its arguments are in `sys.argv`."""
        command = [sys.executable, "-c", _BEGIN + script, *map(str, args)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self._environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def answer(self, script: str, *args: Path | str) -> Any:
        """Run a script. Returns: the JSON document that it printed in its last line."""
        process = self.start(script, *args)
        out, err = process.communicate()
        assert process.returncode == 0, err
        return json.loads(out.splitlines()[-1])
