"""The locks of a store, in `locks/`."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from vstore.clock import now
from vstore.disk import durable, inside
from vstore.disk.trouble import trouble
from vstore.errors import DiskTrouble, Interrupted, Locked


class Lock:
    """An advisory lock on a file; the kernel frees it when the process ends, however it ends."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.path = folder / name
        self._fd = -1

    def acquire(
        self, wait: float | None = 0.0, command: str = "", is_stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """Take the lock.

        wait:       seconds to wait; None waits until somebody asks to stop.
        command:    the holder's command, for others to read in the lock file.
        is_stopped: tells whether somebody asked to stop.
        Raises:     Locked, naming process, host, command and since when; Interrupted; DiskTrouble, ReadOnly.
        """
        with trouble(self.path):
            fd = durable.open_or_create(self.path, os.O_RDWR)
        try:
            self._take(fd, None if wait is None else time.monotonic() + wait, is_stopped)
        except BaseException:
            durable.disk.close(fd)
            raise
        self._fd = fd
        about = {
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "command": command,
            "since": now(),
        }
        durable.overwrite(fd, json.dumps(about).encode())

    def _take(self, fd: int, deadline: float | None, is_stopped: Callable[[], bool]) -> None:
        pause = 0.001
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as err:
                if err.errno not in (errno.EAGAIN, errno.EACCES):
                    raise DiskTrouble(f"cannot lock {self.path}: {err.strerror}", "look at the disk") from err
                if deadline is not None and time.monotonic() >= deadline:
                    raise Locked(*self._held_by()) from None
                if is_stopped():
                    raise Interrupted(
                        "stopped while waiting for another process; nothing was done", "run the command again"
                    ) from None
                time.sleep(pause)
                pause = min(pause * 2, 0.05)

    def _held_by(self) -> tuple[str, str]:
        what = "another process is changing this store"
        try:
            about = json.loads(durable.read(self.path))
            holder = f"process {about['pid']} on {about['host']} ({about['command']}, since {about['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            holder = "an unknown process"
        step = "run the command again when it is done" + (", or add --wait" if self.name == "ingest" else "")
        return f"{what}: {holder} holds the lock {self.name!r}", step

    def release(self) -> None:
        """Free the lock, if it is held."""
        if self._fd >= 0:
            durable.overwrite(self._fd, b"")
            durable.disk.close(self._fd)
            self._fd = -1

    @property
    def is_named(self) -> bool:
        """True if the file that is locked still has its name: its holder may have removed it before it freed it."""
        try:
            found, named = os.fstat(self._fd), inside.look_at_any(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (named.st_dev, named.st_ino)

    @property
    def held(self) -> bool:
        return self._fd >= 0

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
