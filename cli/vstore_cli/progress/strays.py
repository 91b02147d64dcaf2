"""Stray lines: what libraries write to standard error while a command runs.

Each is caught, named after the picture or the model that it is about, and passed on as a whole line; of those that
come again and again only the first is, and the rest are counted.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TextIO

KINDS = 1000  # of lines that are told apart; later ones are passed on as they come
_MOST = 4 << 20  # bytes that are kept of what was read already


class Strays:
    """The stray lines of one command.

    says:  receives each line, and the name of what it is about, or an empty one.
    about: names what a thread is about, by its number; None asks for what any thread may be about.
    """

    def __init__(self, says: Callable[[str, str], None], about: Callable[[int | None], str]) -> None:
        self._says = says
        self._about = about
        self._again: dict[str, list[object]] = {}  # kind of line -> how often it came again, its first text
        self._lock = threading.Lock()

    def take(self, text: str, about: str) -> None:
        """Pass a line on, or count it."""
        text = text.rstrip()
        if not text:
            return
        kind = re.sub(r"\d+", "0", text)
        with self._lock:
            if kind in self._again:
                self._again[kind][0] += 1  # type: ignore[operator]
                return
            if len(self._again) < KINDS:
                self._again[kind] = [0, text]
        self._says(text, about)

    def of_thread(self, text: str) -> None:
        """Take a line that this thread wrote."""
        self.take(text, self._about(threading.get_ident()))

    def of_any(self, text: str, about: str = "") -> None:
        """Take a line that some thread wrote. about: what is known of it."""
        self.take(text, about or self._about(None))

    def end(self) -> None:
        """Say how often lines came again."""
        with self._lock:
            again = [(count, text) for count, text in self._again.values() if count]
            self._again.clear()
        for count, text in again:
            self._says(f"{count:,} more {'line' if count == 1 else 'lines'} as: {text}", "")


class Stderr:
    """A stand-in for `sys.stderr`: whole lines of libraries are strays, those of click are our own.

    half: a line that has not ended, such as a bar that a library draws.
    """

    def __init__(self, real: TextIO, strays: Strays, own: Callable[[str], None]) -> None:
        self.half = ""
        self._real = real
        self._strays = strays
        self._own = own

    def write(self, text: str) -> int:
        if sys._getframe(1).f_globals.get("__name__") == "click.utils":
            self._own(text.removesuffix("\n"))
            return len(text)
        *whole, self.half = (self.half + text).split("\n")
        for line in whole:
            self._strays.of_thread(line.rpartition("\r")[2])
        self.half = self.half.rpartition("\r")[2]
        return len(text)

    def flush(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Descriptor:
    """A stand-in for file descriptor 2: a file without a name, for what compiled code writes.

    A file, not a pipe: nobody has to read it for the writer to go on.
    """

    def __init__(self) -> None:
        self.real = os.dup(2)
        self._file = _nameless_file()
        self._read = 0
        self._half = b""
        self._lock = threading.Lock()
        os.dup2(self._file, 2)

    def lines(self) -> list[str]:
        """Read what was written since the last time, as far as its lines have ended."""
        if os.fstat(self._file).st_size == self._read:
            return []
        with self._lock:
            data = self._half
            while part := os.pread(self._file, 65536, self._read):
                data += part
                self._read += len(part)
            if self._read > _MOST:
                os.ftruncate(self._file, 0)
                self._read = 0
            *whole, self._half = data.split(b"\n")
            return [line.decode("utf-8", "backslashreplace") for line in whole]

    def give_back(self) -> None:
        """Let descriptor 2 be what it was; nothing if that refuses all output, as a closed terminal does."""
        real = self.real
        try:
            os.write(real, b"")
        except OSError:
            real = os.open(os.devnull, os.O_WRONLY)
        os.dup2(real, 2)

    def close(self) -> list[str]:
        """Give the descriptor back. Returns: what was not read yet."""
        self.give_back()
        rest = self.lines()
        os.close(self._file)
        return [*rest, self._half.decode("utf-8", "backslashreplace")]


def _nameless_file() -> int:
    """Make a file that several processes can add to."""
    import fcntl

    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("vstore-stderr")
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)
    return fd


@contextlib.contextmanager
def warned(strays: Strays) -> Iterator[None]:
    """Take warnings as strays, without the line of source that Python shows with them."""
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        strays.of_thread(f"{category.__name__}: {' '.join(str(message).split())}")

    warnings.showwarning = show
    try:
        yield
    finally:
        if warnings.showwarning is show:
            warnings.showwarning = before


@contextlib.contextmanager
def crashes_to(fd: int) -> Iterator[None]:
    """Let a crash of compiled code say where it was on a descriptor: its own last words end in the nameless file."""
    import faulthandler

    if faulthandler.is_enabled():
        yield
        return
    faulthandler.enable(fd)
    try:
        yield
    finally:
        faulthandler.disable()
