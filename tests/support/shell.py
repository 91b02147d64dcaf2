"""`vstore` as it is typed, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.folders import put

from vstore_cli.main import run


class Shell:
    """A working directory with pictures, and `vstore` in it."""

    def __init__(self, top: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.top = top
        self._capsys = capsys
        put(top / "pictures", {f"{i}.png": i for i in range(4)})

    def __call__(self, *words: str | Path) -> tuple[int, str, str]:
        code = run([str(word) for word in words])
        out, err = self._capsys.readouterr()
        return code, out, err

    def good(self, *words: str | Path) -> str:
        code, out, err = self(*words)
        assert code == 0, err
        return out

    def json(self, *words: str | Path) -> Any:
        return json.loads(self.good(*words, "--json"))

    def bad(self, exit_code: int, *words: str | Path) -> str:
        """The error as a program gets it: one message and one next step, stdout empty."""
        code, out, err = self(*words, "--json")
        assert (code, out) == (exit_code, ""), err
        error = json.loads(err.splitlines()[-1])["error"]
        assert error["exit"] == exit_code
        assert error["next"], "it says what to do next"
        assert "\n" not in error["message"].strip()
        return f"{error['message']}; {error['next']}"
