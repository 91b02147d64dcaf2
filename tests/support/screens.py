"""Commands on an emulated terminal: each screen that a person would have seen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyte
from support.lines import CALL, environment

Seen = Callable[["Terminal"], None]
# Shows all from the first moment.
EAGER = "from vstore_cli.progress import bar, faces\nfaces.SOON = 0.0\nbar.TICK = 0.02\n"


class Shown(NamedTuple):
    """The screens of a command.

    code:    exit code.
    screens: the different screens, one after another; each is its lines, without those that are empty.
    """

    code: int
    screens: list[tuple[str, ...]]

    @property
    def last(self) -> tuple[str, ...]:
        return self.screens[-1]

    def rows(self, word: str) -> list[str]:
        """List the lines of all screens with a word in them, each once."""
        return list(dict.fromkeys(row for screen in self.screens for row in screen if word in row))


class Terminal:
    """A terminal with a running command. lines: of its screen, without those that are empty."""

    def __init__(self, process: subprocess.Popen[bytes], master: int, columns: int, lines: int) -> None:
        self.process = process
        self._master = master
        self._screen = pyte.HistoryScreen(columns or 80, lines or 24, history=10_000)
        self._stream = pyte.ByteStream(self._screen)

    def take(self, data: bytes) -> None:
        self._stream.feed(data)

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(line.rstrip() for line in self._screen.display if line.strip())

    @property
    def everything(self) -> tuple[str, ...]:
        """All lines, those included that were scrolled away."""
        past: list[Any] = list(self._screen.history.top)
        width = self._screen.columns
        gone = ("".join(line[at].data for at in range(width)).rstrip() for line in past)
        return (*(line for line in gone if line), *self.lines)

    def resize(self, columns: int, lines: int = 24) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._screen.resize(lines, columns)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())


def screens(
    words: Sequence[str | Path],
    cwd: Path,
    *,
    columns: int = 80,
    lines: int = 24,
    before: str = "",
    seen: Seen | None = None,
    **env: str,
) -> Shown:
    """Run a command on a terminal, and look at it all the while.

    before: Python that runs first in the process of the command.
    seen:   is called after each piece of output.
    env:    variables of the command besides.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines if columns else 0, columns, 0, 0))

    def lead() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-c", f"{before}\n{CALL}", *map(str, words)],
        cwd=cwd,
        env={**environment(), "TERM": "xterm", **env},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        preexec_fn=lead,
    )
    os.close(slave)
    terminal = Terminal(process, master, columns, lines)
    found: list[tuple[str, ...]] = []
    end = time.monotonic() + 180
    while time.monotonic() < end:
        if not select.select([master], [], [], 1.0)[0]:
            continue
        try:
            part = os.read(master, 65536)
        except OSError:  # on Linux, how a terminal says that nobody holds its other end
            break
        terminal.take(part)
        if not found or found[-1] != terminal.lines:
            found.append(terminal.lines)
        if seen is not None:
            seen(terminal)
    found.append(terminal.everything)
    os.close(master)
    return Shown(process.wait(60), found)
