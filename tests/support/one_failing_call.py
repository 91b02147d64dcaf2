"""Disks that fail: put in the place of `vstore.disk.durable.disk`."""

from __future__ import annotations

import errno
import mmap
import os
from typing import Any

from vstore.disk.durable import Disk

CHANGES = frozenset({"open", "write", "fsync", "link", "rename", "unlink", "mkdir", "rmdir", "move"})
GROWS = frozenset({"open", "write", "fsync", "link", "rename", "mkdir", "move"})  # calls that a full disk refuses
READS = frozenset({"look", "read", "pread", "readinto", "map"})  # calls that change nothing; look: opens to read
FAULTS = ("kill", "EIO", "ENOSPC", "short")


class Killed(BaseException):
    """The end of a process: nothing that it does afterwards reaches the disk."""


class FaultyDisk(Disk):
    """A disk that counts its calls, and lets one of them fail.

    Calls to the configuration of the user are passed on: a sync does without it, and makes it once.

    at:    the number of the call that fails, from 0; None lets all succeed.
    calls: their names, in order.
    """

    def __init__(self, at: int | None = None, fault: str = "kill") -> None:
        self.at = at
        self.fault = fault
        self.calls: list[str] = []
        self.dead = False
        self._home = os.environ["HOME"] + os.sep
        self._theirs: set[int] = set()  # descriptors of files of the user

    def _call(self, name: str, *args: Any) -> Any:
        if self.dead:
            raise Killed
        if args[0] in self._theirs or (isinstance(args[0], str) and args[0].startswith(self._home)):
            return self._done(name, *args)
        number = len(self.calls)
        self.calls.append(name)
        if number == self.at:
            if self.fault == "kill":
                self.dead = True
                if name == "write":
                    os.write(args[0], memoryview(args[1]).cast("B")[: len(memoryview(args[1]).cast("B")) // 2])
                raise Killed
            if self.fault == "short":
                if name not in ("pread", "write", "readinto"):  # the numbers of calls differ a little from run to run
                    return self._done(name, *args)
                if name == "pread":
                    return super().pread(args[0], max(1, args[1] // 2), args[2])
                data = memoryview(args[1]).cast("B")[: max(1, len(memoryview(args[1]).cast("B")) // 2)]
                return os.write(args[0], data) if name == "write" else super().readinto(args[0], data)
            code = errno.EIO if self.fault == "EIO" else errno.ENOSPC
            raise OSError(code, os.strerror(code), args[0] if isinstance(args[0], str) else None)
        return self._done(name, *args)

    def _done(self, name: str, *args: Any) -> Any:
        at = isinstance(args[0], int) and name in ("open", "look", "mkdir", "link", "unlink")
        return getattr(super(), ("open" if name == "look" else name) + "_at" * at)(*args)

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        fd = int(self._call("open" if flags & os.O_CREAT else "look", path, flags, mode))
        if path.startswith(self._home):
            self._theirs.add(fd)
        return fd

    def write(self, fd: int, data: Any) -> int:
        return int(self._call("write", fd, data))

    def fsync(self, fd: int) -> None:
        self._call("fsync", fd)

    def close(self, fd: int) -> None:
        self._theirs.discard(fd)
        os.close(fd)  # the kernel closes what the dead leave open

    def link(self, old: str, new: str) -> None:
        self._call("link", old, new)

    def rename(self, old: str, new: str) -> None:
        self._call("rename", old, new)

    def unlink(self, path: str) -> None:
        self._call("unlink", path)

    def mkdir(self, path: str) -> None:
        self._call("mkdir", path)

    def rmdir(self, path: str) -> None:
        self._call("rmdir", path)

    def open_at(self, folder: int, name: bytes, flags: int) -> int:
        return int(self._call("open" if flags & os.O_CREAT else "look", folder, name, flags))

    def mkdir_at(self, folder: int, name: bytes, mode: int) -> None:
        self._call("mkdir", folder, name, mode)

    def move(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        self._call("move", folder, name, to, new)

    def link_at(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        self._call("link", folder, name, to, new)

    def unlink_at(self, folder: int, name: bytes) -> None:
        self._call("unlink", folder, name)

    def read(self, path: str, longest: int) -> bytes:
        return bytes(self._call("read", path, longest))

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        return bytes(self._call("pread", fd, size, offset))

    def readinto(self, fd: int, buffer: memoryview) -> int:
        return int(self._call("readinto", fd, buffer))

    def map(self, fd: int) -> mmap.mmap:
        mapped: mmap.mmap = self._call("map", fd)
        return mapped

    def has(self, number: int, fault: str) -> bool:
        """Tell whether this call, of a run that went well, can fail in this way."""
        name = self.calls[number]
        return {
            "kill": name not in READS,  # else the disk is as if it had been killed at its next change
            "EIO": True,
            "ENOSPC": name in GROWS,
            "short": name in ("write", "pread", "readinto"),
        }[fault]
