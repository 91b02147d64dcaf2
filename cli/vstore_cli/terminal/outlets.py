"""Writes to standard output and error that hold up no end: whoever reads them may have stopped to.

A full pipe, or a terminal that was halted by Ctrl-S, lets a writer wait. That is as it should be, until the command is
asked to end: then it waits for `PATIENCE` seconds at most, and what nobody takes is dropped.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

PATIENCE = 0.5  # seconds
_STEP = 100  # milliseconds between two looks at whether the command is to end


class _Hurry:
    """The hurry of this process. is_on: it was asked to end. left: descriptors that nobody reads any more."""

    def __init__(self) -> None:
        self.is_on = False
        self.left: set[int] = set()


_hurry = _Hurry()


def hurry() -> None:
    """Wait for no reader from now on, as this process was asked to end. Handlers of signals may call it."""
    _hurry.is_on = True


def take_time() -> None:
    """Wait for readers again."""
    _hurry.is_on = False
    _hurry.left.clear()


def send(fd: int, data: bytes) -> None:
    """Write all of some bytes; none if nobody reads them any more: that must end no run."""
    with contextlib.suppress(OSError):
        while data:
            data = data[_write(fd, data) :]


@contextlib.contextmanager
def outlets() -> Iterator[None]:
    """Let what is written to `sys.stdout` and `sys.stderr` hold up no end."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_outlet(stream, number) for number, stream in enumerate(before, 1))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _outlet(stream: TextIO, number: int) -> TextIO:
    """Replace a stream, if it is the one behind a descriptor."""
    try:
        stream.flush()
        if stream.fileno() != number:
            return stream
    except (AttributeError, OSError, ValueError):  # such as that of a test
        return stream
    raw = io.BufferedWriter(_Descriptor(number))
    # The end of a line is written at once on standard error: nobody flushes after a traceback.
    return io.TextIOWrapper(
        raw, encoding=stream.encoding, errors=stream.errors, write_through=True, line_buffering=number == 2
    )


class _Descriptor(io.RawIOBase):
    """A descriptor to write to."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        return _write(self._fd, bytes(data))


def _write(fd: int, data: bytes) -> int:
    """Write some bytes once there is room for them. Returns: how many; all of them if they are dropped."""
    if fd in _hurry.left:
        return len(data)
    import select  # most commands never write so

    if not _has_room(fd):
        _hurry.left.add(fd)  # what comes later would begin in the middle of a line
        return len(data)
    return os.write(fd, data[: select.PIPE_BUF])  # so much never waits where there is room


def _has_room(fd: int) -> bool:
    """Wait for room. Returns: False if the command is to end, and nobody made room for a while."""
    import select

    poll, since = select.poll(), time.monotonic()
    poll.register(fd, select.POLLOUT)
    while not poll.poll(_STEP):
        if _hurry.is_on and time.monotonic() - since > PATIENCE:
            return False
    return True


def leave_terminal() -> None:
    """Let output to a terminal go nowhere: one that is closed refuses it, and the run is to finish its batch."""
    for number in (1, 2):
        if os.isatty(number) or _refuses(number):
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _refuses(number: int) -> bool:
    try:
        os.write(number, b"")
    except OSError:
        return True
    return False
