"""The way to a file below a folder of the user's: step by step, along no link, and on one disk."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence

from vstore.disk import durable
from vstore.limits import refuse_limit

_STEP = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LONGEST = 4096  # bytes of a path
ELSEWHERE = "it lies on another disk than its folder, and files are moved within one disk only"


class Unfit(Exception):
    """A row that cannot be carried out. reason: why, for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Gone(Unfit):
    """A row about a file that is not there."""


@contextlib.contextmanager
def refusing(doing: str) -> Iterator[None]:
    """Let an error of the system refuse one row. doing: in words. Raises: Unfit; SystemLimit, which is of no row."""
    try:
        yield
    except OSError as err:
        refuse_limit(err, doing)
        if err.errno == errno.EXDEV:
            raise Unfit(ELSEWHERE) from err
        raise Unfit(f"cannot {doing}: {err.strerror or err}") from err


def split(path: bytes) -> list[bytes]:
    """Split a path below a folder into names. Raises: Unfit for what may lead out of it."""
    names = path.split(b"/")
    if b"\0" in path or len(path) > _LONGEST or any(name in (b"", b".", b"..") for name in names):
        raise Unfit("it is no path below its folder")
    return names


@contextlib.contextmanager
def opened(
    folder: int, names: Sequence[bytes], *, make: Sequence[int] = (), barred: tuple[int, int] | None = None
) -> Iterator[int]:
    """Open a folder below an open one.

    make:   modes of the folders on the way, to make those that are missing with, as far as the umask lets them.
    barred: device and inode of the store, which is not entered.
    Raises: Unfit if it is not there, or a link, or on another disk.
    """
    device = os.fstat(folder).st_dev
    fd = os.dup(folder)
    try:
        for at, name in enumerate(names):
            below = _step(fd, name, make[at] if make else None)
            os.close(fd)
            fd = below
            found = os.fstat(fd)
            if found.st_dev != device:
                raise Unfit(ELSEWHERE)
            if (found.st_dev, found.st_ino) == barred:
                raise Unfit("it belongs to the store")
        yield fd
    finally:
        os.close(fd)


def modes_of(folder: int, names: Sequence[bytes]) -> list[int]:
    """Find the modes that folders like those on a way are made with: their owner may always write into them.

    Raises: Unfit if one is not there, or a link, or on another disk.
    """
    modes = []
    for at in range(len(names)):
        with opened(folder, names[: at + 1]) as fd:
            modes.append(stat.S_IMODE(os.fstat(fd).st_mode) & 0o777 | stat.S_IRWXU)
    return modes


def _step(folder: int, name: bytes, make: int | None) -> int:
    with refusing(f"open the folder {os.fsdecode(name)}"):
        if make is not None:
            with contextlib.suppress(FileExistsError):
                durable.disk.mkdir_at(folder, name, make)
        try:
            return os.open(name, os.O_RDONLY | _STEP, dir_fd=folder)
        except FileNotFoundError:
            raise Gone("it is gone") from None
        except OSError as err:
            found = look(folder, name)
            if found is not None and stat.S_ISLNK(found.st_mode):
                raise Unfit(f"{os.fsdecode(name)} on the way to it is a link") from err
            if found is not None and not stat.S_ISDIR(found.st_mode):
                raise Unfit(f"{os.fsdecode(name)} on the way to it is no folder") from err
            raise


def look(folder: int, name: bytes) -> os.stat_result | None:
    """Look at a name in an open folder; a link is not followed. Returns: None if nobody has it. Raises: Unfit."""
    with refusing("look at it"):
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None


def look_at_file(folder: int, name: bytes) -> os.stat_result | None:
    """Look at a regular file. Returns: None if there is none of this name. Raises: Unfit if it is another thing."""
    found = look(folder, name)
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise Unfit("it is a link" if stat.S_ISLNK(found.st_mode) else "it is no regular file")
    return found


def open_file(folder: int, name: bytes) -> int:
    """Open a regular file, to be read. Raises: Unfit."""
    if look_at_file(folder, name) is None:
        raise Gone("it is gone")
    with refusing("read it"):
        fd = os.open(name, os.O_RDONLY | _FILE, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Unfit("it is no regular file")
    return fd


def moment(found: os.stat_result) -> tuple[int, int, int]:
    """Give what one file has in common that is seen through two mounts, with devices and inodes of their own.

    Copies on two disks do not change in the same nanosecond.
    """
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def seen(found: os.stat_result) -> tuple[int, ...]:
    """Give what changes if a file does, or another takes its name."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
