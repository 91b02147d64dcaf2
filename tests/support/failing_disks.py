"""Disks that go wrong, for `disk.durable.disk`: they count every call, and let some fail."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from vstore.disk import durable
from vstore.disk.durable import Disk

if TYPE_CHECKING:
    from typing_extensions import Buffer

EVERY = int(os.environ.get("VSTORE_EVERY", "13"))  # of the calls that may go wrong, one in so many is tried


class Watched(Disk):
    """A disk that notes each call as (call, path), and lets chosen calls fail.

    To open a file to read it is a `look`. A path is noted without its folder, a temporary name without its nonce.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self._names: dict[int, str] = {}
        self._rules: list[tuple[str, str, int, bool]] = []
        self.most = 1 << 30  # bytes that one write takes

    def fail(self, call: str, error: int, on: str = "", *, after: bool = False) -> Watched:
        """Let a call fail, on paths whose noted name holds `on`. after: only once it has done its work."""
        self._rules.append((call, on, error, after))
        return self

    def heal(self) -> None:
        self._rules.clear()

    def named(self, call: str) -> list[str]:
        return [path for name, path in self.calls if name == call]

    @contextmanager
    def _doing(self, call: str, path: str) -> Iterator[None]:
        name = os.path.basename(path)
        if name.startswith(durable.TEMPORARY):
            name = name.rpartition("-")[0]
        self.calls.append((call, name))
        errors = [(error, after) for rule, on, error, after in self._rules if rule == call and on in name]
        for error, after in errors:
            if not after:
                raise OSError(error, os.strerror(error), path)
        yield
        for error, _ in errors:
            raise OSError(error, os.strerror(error), path)

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        with self._doing("open" if flags & (os.O_CREAT | os.O_DIRECTORY) else "look", path):
            fd = super().open(path, flags, mode)
        self._names[fd] = path
        return fd

    def write(self, fd: int, data: Buffer) -> int:
        with self._doing("write", self._names[fd]):
            return super().write(fd, memoryview(data)[: self.most])

    def fsync(self, fd: int) -> None:
        with self._doing("fsync", self._names.get(fd, "")):
            super().fsync(fd)

    def close(self, fd: int) -> None:
        self._names.pop(fd, None)
        super().close(fd)

    def link(self, old: str, new: str) -> None:
        with self._doing("link", new):
            super().link(old, new)

    def rename(self, old: str, new: str) -> None:
        with self._doing("rename", new):
            super().rename(old, new)

    def unlink(self, path: str) -> None:
        with self._doing("unlink", path):
            super().unlink(path)

    def mkdir(self, path: str) -> None:
        with self._doing("mkdir", path):
            super().mkdir(path)

    def open_at(self, folder: int, name: bytes, flags: int) -> int:
        with self._doing("open" if flags & os.O_CREAT else "look", os.fsdecode(name)):
            fd = super().open_at(folder, name, flags)
        self._names[fd] = os.fsdecode(name)
        return fd

    def mkdir_at(self, folder: int, name: bytes, mode: int) -> None:
        with self._doing("mkdir", os.fsdecode(name)):
            super().mkdir_at(folder, name, mode)

    def move(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        with self._doing("move", os.fsdecode(new)):
            super().move(folder, name, to, new)

    def link_at(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        with self._doing("link", os.fsdecode(new)):
            super().link_at(folder, name, to, new)

    def unlink_at(self, folder: int, name: bytes) -> None:
        with self._doing("unlink", os.fsdecode(name)):
            super().unlink_at(folder, name)

    def read(self, path: str, longest: int) -> bytes:
        with self._doing("read", path):
            return super().read(path, longest)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        with self._doing("pread", self._names[fd]):
            return super().pread(fd, size, offset)

    def readinto(self, fd: int, buffer: memoryview) -> int:
        with self._doing("readinto", self._names[fd]):
            return super().readinto(fd, buffer)

    def map(self, fd: int) -> mmap.mmap:
        with self._doing("map", self._names[fd]):
            return super().map(fd)


class Hesitating(Disk):
    """A disk that counts reading calls, and lets one of them fail once: the one of this number."""

    def __init__(self, at: int | None = None) -> None:
        self._at = at
        self.reads = 0

    def _read(self) -> None:
        self.reads += 1
        if self.reads - 1 == self._at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        if not flags & (os.O_CREAT | os.O_DIRECTORY):
            self._read()
        return super().open(path, flags, mode)

    def read(self, path: str, longest: int) -> bytes:
        self._read()
        return super().read(path, longest)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        self._read()
        return super().pread(fd, size, offset)

    def readinto(self, fd: int, buffer: memoryview) -> int:
        self._read()
        return super().readinto(fd, buffer)

    def map(self, fd: int) -> mmap.mmap:
        self._read()
        return super().map(fd)


class Acting(Disk):
    """A disk that does something once, just before the first call on a path for which `when` is true."""

    def __init__(self, call: str, when: Callable[[str], bool], act: Callable[[], None]) -> None:
        self._call = call
        self._when = when
        self._act: Callable[[], None] | None = act

    def _maybe(self, call: str, path: str) -> None:
        if self._act is not None and call == self._call and self._when(path):
            act, self._act = self._act, None
            act()

    def read(self, path: str, longest: int) -> bytes:
        self._maybe("read", path)
        return super().read(path, longest)

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        self._maybe("open", path)
        return super().open(path, flags, mode)

    def link(self, old: str, new: str) -> None:
        self._maybe("link", new)
        super().link(old, new)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched()
    monkeypatch.setattr(durable, "disk", watched)
    return watched


NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


class Killed(BaseException):
    """What a process sees that is killed: nothing more."""


class Failing(Watched):
    """One call fails, or ends the process before or after it is done."""

    def __init__(self, at: int, how: str) -> None:
        super().__init__()
        self._at = at
        self._how = how
        self._dead = False

    @contextmanager
    def _doing(self, call: str, path: str) -> Iterator[None]:
        if self._dead:
            raise Killed
        self.calls.append((call, os.path.basename(path)))
        if len(self.calls) != self._at + 1:
            yield
            return
        if self._how in ("reports an error and yet succeeds", "killed after"):
            yield
        if self._how.startswith("killed"):
            self._dead = True
            raise Killed
        full = self._how == "disk full" and call not in ("look", "read", "pread", "readinto", "map")
        error = errno.ENOSPC if full else errno.EIO
        raise OSError(error, os.strerror(error), path)
