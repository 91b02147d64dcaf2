"""A terminal: rows at its foot that change, and lines above them that stay."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence

from vstore_cli.terminal.cells import cells
from vstore_cli.terminal.outlets import send

COLUMNS, LINES = 80, 24  # of a terminal that does not know its size, as in some containers
_CLEAR_BELOW = "\x1b[J"
_CLEAR_RIGHT = "\x1b[K"


class Screen:
    """The terminal behind a file descriptor. Its methods may be called in any thread.

    The cursor rests at the beginning of the last row: what is typed there, ^C above all, folds no row.

    encoding: of its texts.
    """

    def __init__(self, fd: int, encoding: str = "utf-8") -> None:
        self.encoding = encoding
        self._fd = fd
        self._lock = threading.Lock()
        self._rows: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """The columns and lines of the terminal now."""
        with contextlib.suppress(OSError, ValueError):
            found = os.get_terminal_size(self._fd)
            return found.columns or COLUMNS, found.lines or LINES
        return COLUMNS, LINES

    @property
    def is_ours(self) -> bool:
        """True unless the process is in the background, whose rows would be drawn over the prompt of a shell."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:  # the terminal is not the one that controls the process
            return True

    def draw(self, rows: Sequence[str]) -> None:
        """Show rows at the foot, in the place of those before. Each must be narrower than the terminal."""
        with self._lock:
            if tuple(rows) != self._rows:
                self._send(self._top() + _joined(rows) + _CLEAR_BELOW + "\r")
                self._rows = tuple(rows)

    def write(self, line: str) -> None:
        """Write a line above the rows."""
        with self._lock:
            clear, below = (_CLEAR_BELOW, _joined(self._rows) + "\r") if self._rows else ("", "")
            self._send(f"{self._top()}{clear}{line}\r\n{below}")

    def clear(self) -> None:
        """Take the rows away."""
        with self._lock:
            if self._rows:
                self._send(self._top() + _CLEAR_BELOW)
                self._rows = ()

    def _top(self) -> str:
        """Go to the beginning of the first row. In a terminal that was made narrower the rows are folded by now."""
        if not self._rows:
            return ""
        columns = self.size[0]
        folded = sum(max(1, -(-cells(row) // columns)) for row in self._rows)
        return "\r" + (f"\x1b[{folded - 1}A" if folded > 1 else "")

    def _send(self, text: str) -> None:
        send(self._fd, text.encode(self.encoding, "backslashreplace"))


def _joined(rows: Sequence[str]) -> str:
    return f"{_CLEAR_RIGHT}\r\n".join(rows) + _CLEAR_RIGHT
