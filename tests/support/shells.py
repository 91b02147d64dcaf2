"""Shells in a terminal of their own, at which somebody types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path

from support.lines import CALL, environment

STARTS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
# Completion as each shell's documentation says, and a prompt that no output has.
SETS_UP = {
    "bash": "PS1='ready''> '; eval \"$(vstore completion bash)\"",
    "zsh": "PS1='ready''> '; autoload -U compinit; compinit -u -D; eval \"$(vstore completion zsh)\"",
    "fish": "function fish_prompt; echo -n ready'> '; end; vstore completion fish | source",
}
_PATIENCE = 120  # seconds


def is_there(shell: str) -> bool:
    return shutil.which(shell) is not None


def _lead() -> None:
    """Make the terminal on standard input that of a session of its own."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Shell:
    """An interactive shell that completes `vstore`."""

    def __init__(self, shell: str, home: Path, cwd: Path) -> None:
        bin = home / "bin"
        bin.mkdir(parents=True, exist_ok=True)
        (bin / "vstore").write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{CALL}" "$@"\n')
        (bin / "vstore").chmod(0o755)
        self.name = shell
        path = f"{bin}{os.pathsep}{os.environ['PATH']}"
        env = environment(HOME=str(home), PATH=path, TERM="xterm", HISTFILE="", COLUMNS="200", LINES="50")
        self._terminal, inner = pty.openpty()
        self._process = subprocess.Popen(
            STARTS[shell], cwd=cwd, env=env, stdin=inner, stdout=inner, stderr=inner, preexec_fn=_lead
        )
        os.close(inner)
        self._type(SETS_UP[shell] + "\r")
        self._until("ready> ")

    def _type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def _until(self, text: str) -> str:
        """Read until a text has come. Returns: all that came, without the escapes of the terminal."""
        got = b""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if select.select([self._terminal], [], [], 0.1)[0]:
                got += os.read(self._terminal, 65536)
            seen = re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z]|\][^\x07]*\x07|[=>()].?)", "", got.decode(errors="replace"))
            if text in seen:
                return seen
        raise AssertionError(f"{text!r} did not come: {got!r}")

    def words(self, line: str, more: str = "") -> list[str]:
        """Type the beginning of a command line, TAB and more. Returns: its words then, as the shell reads them."""
        self._type(f"{line}\t")
        time.sleep(1.0)
        self._type(more)
        # What stands there is given to printf instead: home, its words, end, return.
        self._type("\x01printf '%s|' begin. \x05 end.\r")
        seen = self._until("|end.|")
        if "ready> " not in seen.rpartition("|end.|")[2]:
            self._until("ready> ")
        return seen.rpartition("begin.|")[2].partition("|end.|")[0].split("|")

    def listed(self, line: str) -> list[str]:
        """Type the beginning of a command line and TAB twice. Returns: the words that bash lists, in rows."""
        self._type("bind 'set completion-display-width 0'; bind 'set page-completions off'\r")
        self._until("ready> ")
        self._type(f"{line}\t\t")
        seen = self._until(f"ready> {line}")  # it is shown again below the list
        self._type("\x15\r")
        self._until("ready> ")
        return seen.split()

    def close(self) -> None:
        os.close(self._terminal)
        self._process.kill()
        self._process.wait()
