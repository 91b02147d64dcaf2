"""The other process of a shared scan, as the one that started it sees it."""

from __future__ import annotations

import contextlib
import marshal
import os
import struct
import threading
from typing import TYPE_CHECKING, Any

from vstore.pictures.folder import Folder, Trouble
from vstore.quick_tuple import NamedTuple
from vstore.stop import refuse_stopped

if TYPE_CHECKING:
    import subprocess

# What it loads stays, and so does what it finds: collecting among that is wasted.
_SERVE = "import gc; gc.disable(); from vstore.pictures.shared_scan import serve; serve()"
_LOOK = 0.2  # seconds between two looks whether the run was asked to stop
_SIZE = struct.Struct("<Q")  # of an answer, before it
_MOST = 16  # folders given at once: of a hundred files each, they take some milliseconds
_AHEAD = 2  # times that folders are given before anything is found in the first ones
_LONGEST = 1000  # bytes of a path that is given: a pipe that nobody reads holds them all
_PIPE = 1 << 20  # bytes that the other process can be ahead, where the system permits them
_PIPE_SIZE = 1031  # F_SETPIPE_SZ of Linux


class Found(NamedTuple):
    """The answers of the other process. left: paths of folders that it leaves to this one."""

    folders: list[Folder]
    troubles: list[Trouble]
    left: list[bytes]


class Other:
    """The other process. It gets a few folders at a time, once it is there.

    So neither waits for the other one, however long that takes to start and however large the folders are.
    """

    def __init__(self, task: tuple[Any, ...], stop: threading.Event | None) -> None:
        """
        task: what `shared_scan.serve` reads first.
        stop: set by another thread, ends the wait.
        """
        import select
        import subprocess  # most scans need no other process

        from vstore.child_python import command

        self._stop = stop
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._given: list[list[bytes]] = []  # without an answer
        self._answers = select.poll()
        try:
            self._process = subprocess.Popen(
                command(_SERVE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:
            return
        assert self._process.stdout is not None
        self._out = self._process.stdout.fileno()
        with contextlib.suppress(OSError, ImportError):
            import fcntl

            fcntl.fcntl(self._out, _PIPE_SIZE, _PIPE)
        self._answers.register(self._out, select.POLLIN)
        self._send(task)

    def give(self, waiting: list[bytes]) -> None:
        """Move some folders to it from the beginning of a list, if it is free to list them."""
        count = min(_MOST, (len(waiting) + 2) // 4)
        if self._process is None or not self._ready or not count or len(self._given) >= _AHEAD:
            return
        folders = waiting[:count]
        if max(map(len, folders)) <= _LONGEST:
            del waiting[:count]
            self._given.append(folders)
            self._send(folders)

    def found(self) -> Found:
        """Take what it found since."""
        found = Found([], [], [])
        while self._process is not None and self._answers.poll(0):
            answer = self._answer()
            if answer is None:
                self.end()
            elif not self._ready:
                self._ready = True
            else:
                folders, troubles, left = answer
                self._given.pop(0)
                found.folders.extend(
                    Folder(path, heads, count, ignored, troubles=tuple(Trouble(*one) for one in below), passed=passed)
                    for path, heads, count, ignored, below, passed in folders
                )
                found.troubles.extend(Trouble(*trouble) for trouble in troubles)
                found.left.extend(left)
        if self._process is None:
            for folders in self._given:
                found.left.extend(folders)
            self._given.clear()
        return found

    def wait(self) -> bool:
        """Wait until it found something. Returns: False if it has nothing to do. Raises: Interrupted."""
        while self._given and self._process is not None and not self._answers.poll(_LOOK * 1000):
            refuse_stopped(self._stop)
        return bool(self._given)

    def end(self) -> None:
        """End it. Of what it has begun nothing comes back: it may be listing a folder without end."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        if self._given or not self._ready:
            process.kill()
        with contextlib.suppress(OSError):  # it may be dead
            process.stdin.close()
        process.wait()
        process.stdout.close()

    def _send(self, message: tuple[Any, ...] | list[bytes]) -> None:
        """Send a message. If it dies before it has read all of it, `found` finds that it failed."""
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(marshal.dumps(message))
            self._process.stdin.flush()

    def _answer(self) -> tuple[Any, ...] | None:
        """Read one answer. Returns: None if it failed. Raises: Interrupted."""
        size = self._read(_SIZE.size)
        data = self._read(*_SIZE.unpack(size)) if size else b""
        try:
            answer = marshal.loads(data)
        except (EOFError, ValueError, TypeError):
            return None
        return answer if isinstance(answer, tuple) and len(answer) == 3 else None

    def _read(self, size: int) -> bytes:
        """Read so many bytes. Returns: none if it ends before."""
        data = bytearray()
        while len(data) < size:
            refuse_stopped(self._stop)
            if self._answers.poll(_LOOK * 1000):
                part = os.read(self._out, min(size - len(data), _PIPE))
                if not part:
                    return b""
                data += part
        return bytes(data)


def framed(answer: tuple[Any, ...]) -> bytes:
    """Pack an answer for `Other.found`; the first one says that the process is there."""
    data = marshal.dumps(answer)
    return _SIZE.pack(len(data)) + data
