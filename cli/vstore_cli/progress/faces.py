"""Faces of progress: rows on a terminal, a line every 30 s elsewhere, or JSON lines for programs."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from vstore_cli.output import shown
from vstore_cli.progress.rows import line, rows
from vstore_cli.progress.view import View

SOON = 0.5  # seconds of a command before a terminal shows its progress
EVERY = 30.0  # seconds between two lines
STILL = 1.0  # seconds after which a program hears of a stage in which nothing happened


class Face:
    """A way to show progress. This one shows none, but lines."""

    def __init__(self, out: Callable[[bytes], None]) -> None:
        self._out = out

    def begin(self, view: View) -> None:
        """Show that a stage begins, or goes on."""

    def look(self, view: View) -> None:
        """Show how far a stage is; called every moment."""

    def end(self, view: View) -> None:
        """Show that a stage ends, or is left for another one."""

    def rest(self) -> None:
        """Leave nothing behind: no stage goes on."""

    def say(self, text: str, about: str = "") -> None:
        """Show a line. about: the picture or the model that a line of a library is about."""
        self._out((_named(text, about) + "\n").encode(encoding(), "backslashreplace"))


class Lines(Face):
    """A line every half minute, for a log."""

    def __init__(self, out: Callable[[bytes], None]) -> None:
        super().__init__(out)
        self._next = EVERY

    def begin(self, view: View) -> None:
        self._next = view.seconds + EVERY

    def look(self, view: View) -> None:
        if view.seconds >= self._next:
            self._next = view.seconds + EVERY
            self.say(line(view))


class Rows(Face):
    """Rows at the foot of a terminal.

    half: tells of a line that a library has not ended, such as a bar that it draws.
    """

    def __init__(self, fd: int) -> None:
        from vstore_cli.progress.screen import Screen  # elsewhere there is none

        self._screen = Screen(fd, encoding())
        self._plain = not _can_show("…█░", encoding())
        self._began = time.monotonic()
        self.half: Callable[[], str] = str

    def look(self, view: View) -> None:
        if time.monotonic() - self._began >= SOON and self._screen.is_ours:
            columns, lines = self._screen.size
            drawn = view._replace(file=shown(self.half()) or view.file)
            self._screen.draw(rows(drawn, columns - 1, lines, plain=self._plain))

    def say(self, text: str, about: str = "") -> None:
        from vstore_cli.terminal.wrapping import wrapped  # most runs say nothing amid their progress

        lines = wrapped(_named(text, about), self._screen.size[0], unbroken=[about] if about else ())
        self._screen.write(lines.replace("\n", "\r\n"))

    def rest(self) -> None:
        self._screen.clear()
        self._began = time.monotonic()


class Documents(Face):
    """A JSON document a line, for programs. docs/reference/json.md says what they hold."""

    def __init__(self, out: Callable[[bytes], None]) -> None:
        super().__init__(out)
        self._told: tuple[object, ...] = ()
        self._due = 0.0

    def begin(self, view: View) -> None:
        self._tell("begin", view)

    def look(self, view: View) -> None:
        if time.monotonic() >= self._due or (view.files, view.size, view.path) != self._told:
            self._tell("running", view)

    def end(self, view: View) -> None:
        self._tell("end", view)

    def _tell(self, event: str, view: View) -> None:
        self._told = (view.files, view.size, view.path)
        self._due = time.monotonic() + STILL
        document: dict[str, Any] = {
            "event": event,
            "stage": view.stage,
            "unit": view.unit,
            "files": view.files,
            "files_total": view.files_total,
            "bytes": view.size,
            "bytes_total": view.size_total,
            "failed": view.failed,
            "seconds": round(view.seconds, 3),
            "eta": None if view.left is None else round(view.left, 1),
            "about": view.about or None,
            "file": None if view.path is None else os.path.abspath(view.path).decode("utf-8", "replace"),
        }
        if view.path is not None and not _is_utf_8(view.path):
            import base64  # most names are UTF-8

            document["file_b64"] = base64.b64encode(os.path.abspath(view.path)).decode()
        self._write({"progress": document})

    def say(self, text: str, about: str = "") -> None:
        self._write({"note": {"text": text, "about": about or None}})

    def _write(self, document: dict[str, Any]) -> None:
        # ASCII only: a name that is not UTF-8 cannot break the line.
        self._out(json.dumps(document).encode() + b"\n")


def face_of(how: str, fd: int, out: Callable[[bytes], None]) -> Face:
    """Choose a face: `bar`, `lines`, `json` or `none`. fd: of the terminal. out: where the others write."""
    if how == "bar":
        return Rows(fd)
    return {"lines": Lines, "json": Documents, "none": Face}[how](out)


def encoding() -> str:
    """Tell in which encoding standard error takes texts."""
    return getattr(sys.stderr, "encoding", None) or "utf-8"


def _can_show(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeError:
        return False
    return True


def _is_utf_8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def _named(text: str, about: str) -> str:
    return f"{about}: {text}" if about else text
