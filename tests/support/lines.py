"""Command lines for tests: called in this process, or run as a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from support.folders import put

from vstore_cli.main import run, vstore
from vstore_cli.settings.options import command_of

TOP = Path(__file__).resolve().parents[2]
PATHS = os.pathsep.join([str(TOP / "store"), str(TOP / "cli")])
CALL = "from vstore_cli.main import main; main()"
COMMAND = [sys.executable, "-c", CALL]


def found(words: tuple[str, ...]) -> click.Command:
    """Find the command that some words call."""
    return command_of(vstore, words)


@dataclass(frozen=True)
class Ran:
    """The output and exit code of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Read the one document on stdout."""
        assert self.out.endswith("\n") and self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """Read the error document at the end of stderr; stdout must be empty."""
        assert self.out == ""
        document = json.loads(self.err.splitlines()[-1])
        assert list(document) == ["error"]
        error: dict[str, Any] = document["error"]
        assert list(error) == ["code", "exit", "message", "next"]
        assert error["exit"] == self.code
        return error

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Line:
    """A working folder, and `vstore` called in it, in this process. The exit code is checked, by default for 0."""

    def __init__(self, home: Path, capture: pytest.CaptureFixture[bytes]) -> None:
        self.home = home
        self._capture = capture

    def __call__(self, *words: str | Path, code: int = 0) -> Ran:
        self._capture.readouterr()
        found = run([str(word) for word in words])
        out, err = self._capture.readouterr()
        ran = Ran(found, out.decode(), err.decode())
        assert ran.code == code, (words, ran)
        return ran

    def put(self, files: Mapping[str, int | bytes]) -> None:
        """Write pictures by seed, or files by content."""
        put(self.home, files)

    @property
    def store(self) -> Path:
        return self.home / ".vstore"

    def current(self) -> str | None:
        for row in self("snapshot", "list", "--json").json:
            if row["current"]:
                return str(row["snapshot"])
        return None

    def paths(self, snapshot: str = "current") -> list[str]:
        """List the paths of a snapshot."""
        self("snapshot", "export", snapshot, "paths.jsonl")
        entries = [json.loads(line) for line in (self.home / "paths.jsonl").read_text().splitlines()]
        (self.home / "paths.jsonl").unlink()
        return sorted(path for entry in entries for path in entry["paths"])


def environment(**more: str) -> dict[str, str]:
    """Copy the environment of this process, without variables that change a command's behaviour."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VSTORE", "PYTHON"))}
    return {**kept, "PYTHONPATH": PATHS, **more}


def process(*words: str | Path, cwd: Path, before: str = "", env: Mapping[str, str] | None = None) -> Ran:
    """Run a command as a process of its own. before: Python that runs in it first."""
    done = subprocess.run(
        [sys.executable, "-c", f"{before}\n{CALL}", *map(str, words)],
        cwd=cwd,
        env=env or environment(),
        capture_output=True,
        text=True,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


# Permissions mean nothing to root; without its capabilities they do.
POWERLESS = """
import ctypes, os, struct
if not os.getuid():
    assert ctypes.CDLL(None).capset(struct.pack("Ii", 0x20080522, 0), bytes(24)) == 0
"""
