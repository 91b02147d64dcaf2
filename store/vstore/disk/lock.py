"""The locks of a store, in `locks/`."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from vstore.clock import now
from vstore.disk import durable, inside
from vstore.disk.trouble import trouble
from vstore.errors import DiskTrouble, Interrupted, Locked, LockLost

if TYPE_CHECKING:
    from vstore.progress import Stage

LONGEST = 1 << 12  # bytes of a lock's file, as far as it is read
NOTED = 1.0  # seconds of waiting after which the holder is named
_OFTEN, _SELDOM = 0.01, 0.05  # seconds between two tries
_GLANCE = 0.01  # seconds of tries at least: whoever looks whether a lock is held has it for a moment


class Lock:
    """An advisory lock on a file; the kernel frees it when the process ends, however it ends.

    A child of a fork does not hold the locks of its parent.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        confirm: Callable[[], object] = lambda: None,
        held: dict[str, Lock] | None = None,
    ) -> None:
        """
        confirm: raises if the folder is no longer that of the store; asked before the lock is taken, and after.
        held:    the locks that its owner holds, by name: it stands there while it is held.
        """
        self.name = name
        self.path = folder / name
        self._fd = -1
        self._about: dict[str, object] = {}
        self._confirm = confirm
        self._among = {} if held is None else held

    def acquire(
        self,
        wait: float | None = 0.0,
        command: str = "",
        is_stopped: Callable[[], bool] = lambda: False,
        note: Callable[[str], object] = lambda text: None,
    ) -> None:
        """Take the lock.

        wait:       seconds to wait; None waits until somebody asks to stop.
        command:    the holder's command, for others to read in the lock file.
        is_stopped: tells whether somebody asked to stop.
        note:       is told for whom this waits, if it does so for long.
        Raises:     Locked, naming process, host, command and since when; Interrupted; DiskTrouble, ReadOnly.
        """
        deadline = None if wait is None else time.monotonic() + max(wait, _GLANCE)
        while not self.held:
            self._confirm()
            with trouble(self.path):
                fd = durable.open_or_create(self.path, os.O_RDWR)
            try:
                self._take(fd, deadline, is_stopped, note)
                self._confirm()
            except BaseException:
                durable.disk.close(fd)
                raise
            if _is_named(fd, self.path):
                self._fd = fd
            else:  # its last holder removed the file: others take the one that has its name now
                durable.disk.close(fd)
        _held[id(self)] = self
        self._among[self.name] = self
        self._about = {
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "command": command,
            "since": now(),
        }
        durable.overwrite(fd, json.dumps(self._about).encode())

    def tell(self, stage: Stage) -> None:
        """Write into the file of the lock how far its holder is, for others to see; nothing if it is not held."""
        if self.held:
            done = {"stage": stage.name, "unit": stage.unit, "done": stage.files, "total": stage.files_total}
            durable.overwrite(self._fd, json.dumps({**self._about, **done, "at": now()}).encode())

    def _take(
        self, fd: int, deadline: float | None, is_stopped: Callable[[], bool], note: Callable[[str], object]
    ) -> None:
        pause, noted, began = 0.001, deadline is not None, time.monotonic()
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as err:
                if err.errno not in (errno.EAGAIN, errno.EACCES):
                    raise DiskTrouble(f"cannot lock {self.path}: {err.strerror}", "look at the disk") from err
                if deadline is not None and time.monotonic() >= deadline:
                    raise Locked(*self._refusal()) from None
                if is_stopped():
                    raise Interrupted(
                        "stopped while waiting for another process; nothing was done", "run the command again"
                    ) from None
                if not noted and time.monotonic() - began >= NOTED:
                    noted = True
                    held_by, step = self._held_by()
                    note(f"waiting: {held_by}" + (f"; {step}" if step else ""))
                time.sleep(pause)
                # A lock that is waited for until a deadline is held for moments, perhaps again and again.
                pause = min(pause * 2, _SELDOM if deadline is None else _OFTEN)

    def _refusal(self) -> tuple[str, str]:
        held_by, step = self._held_by()
        later = "run the command again when it is done" + (", or add --wait" if self.name == "ingest" else "")
        return held_by, f"{step}; then run the command again" if step else later

    def _held_by(self) -> tuple[str, str]:
        """Say who holds the lock, and what lets a stopped holder go on; "" where it is not stopped."""
        what, step = "another process is changing this store", ""
        try:
            about = json.loads(durable.read(self.path, LONGEST))
            holder = f"process {about['pid']} on {about['host']} ({about['command']}, since {about['since']})"
            if about["host"] == os.uname().nodename:
                if about["pid"] == os.getpid():
                    what = "another thread of this process is changing this store"
                elif _is_stopped(about["pid"]):
                    what = "another process, which was stopped, is changing this store"
                    step = f"let it go on with kill -CONT {about['pid']}, or end it with kill -KILL {about['pid']}"
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            holder = "an unknown process"
        return f"{what}: {holder} holds the lock {self.name!r}", step

    def release(self) -> None:
        """Free the lock, if it is held."""
        self._among.pop(self.name, None)
        _held.pop(id(self), None)
        if self._fd >= 0:
            durable.overwrite(self._fd, b"")
            with contextlib.suppress(OSError):
                fcntl.flock(self._fd, fcntl.LOCK_UN)  # a child that was forked meanwhile may have it open
            durable.disk.close(self._fd)
            self._fd = -1

    def refuse_lost(self) -> None:
        """Refuse to go on if the file that is locked is no longer the one of its name. Raises: LockLost."""
        if not self.held:
            raise LockLost(
                f"this process was forked while its parent held {self.path}: only the parent may go on",
                "fork before, or after; or open the store in the child",
            )
        if not _is_named(self._fd, self.path):
            raise LockLost(
                f"{self.path} was removed while it was locked, and another process may have changed the store since; "
                "nothing was published",
                "run the command again",
            )

    @property
    def held(self) -> bool:
        return self._fd >= 0

    def forked(self) -> None:
        """Let go of a lock of the parent, in a child of a fork; the parent goes on holding it."""
        with contextlib.suppress(OSError):
            os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_held: dict[int, Lock] = {}  # of this process, by identity


def _forked() -> None:
    for lock in list(_held.values()):
        lock.forked()
    _held.clear()


os.register_at_fork(after_in_child=_forked)


def _is_stopped(pid: object) -> bool:
    """Tell whether a process of this machine was stopped by a signal; False where the system does not tell."""
    try:
        with open(f"/proc/{int(str(pid))}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"T", b"t")
    except (OSError, ValueError, IndexError):
        return False


def _is_named(fd: int, path: Path) -> bool:
    """Tell whether the open file has this name: whoever had it may have removed it."""
    try:
        found, named = os.fstat(fd), inside.look_at_any(path)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (named.st_dev, named.st_ino)
