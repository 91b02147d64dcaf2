"""Commands in a terminal of their own: a pseudo-terminal is their standard input, output and error."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from support.lines import COMMAND, environment

Typist = Callable[[int, bytes, "subprocess.Popen[bytes]"], None]


def in_terminal(
    words: Sequence[str | Path],
    cwd: Path,
    *,
    columns: int = 80,
    lines: int = 24,
    typist: Typist | None = None,
    **env: str,
) -> tuple[int, str]:
    """Run a command in a terminal.

    typist:  is called with the terminal, what it got so far and the process, after each piece of output.
    env:     variables of the command besides; TERM is xterm.
    Returns: exit code, what the terminal got.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def lead() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    given = {name: value for name, value in environment().items() if name not in ("LESS", "PAGER", "LV", "NO_COLOR")}
    running = subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env={**given, "TERM": "xterm", **env},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        preexec_fn=lead,
    )
    os.close(slave)
    got = b""
    end = time.monotonic() + 180
    while time.monotonic() < end:
        try:
            part = os.read(master, 65536)
        except OSError:  # on Linux, how a terminal says that nobody holds its other end
            break
        if not part:
            break
        got += part
        if typist is not None:
            typist(master, got, running)
    os.close(master)
    return running.wait(60), got.decode(errors="replace")


def plain(got: str) -> list[str]:
    """Give the lines that a terminal got, without their colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", got).split("\r\n")
