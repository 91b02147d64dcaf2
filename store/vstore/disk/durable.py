"""The one door to the disk: every write, flush, publication, removal, read and lock of a store goes through here.

What has a name under a store has its final content: it is written under a temporary name, flushed, published, and
the folder flushed after. Temporary names bear the lock that they were written under (`.tmp-ingest-…`), so that only
the next holder of that lock may remove them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import mmap
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from vstore.errors import Damage, DiskTrouble, Interrupted, Locked, ReadOnly, VstoreError

if TYPE_CHECKING:
    from typing_extensions import Buffer

TEMPORARY = ".tmp-"
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
FULL = {errno.ENOSPC, errno.EDQUOT}
# What a disk says that does not give back what was written to it: a bad block, a file system whose checksum fails.
LOST = {errno.EIO, errno.ENXIO, errno.EBADMSG, errno.ENODATA, getattr(errno, "EUCLEAN", errno.EIO)}
_NO_FULL_FLUSH = {errno.ENOTSUP, errno.EINVAL, errno.ENOTTY}  # on macOS: disks that know no F_FULLFSYNC


class Disk:
    """The calls that make, change, flush, name, read or remove a file. Tests put another one in its place."""

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def write(self, fd: int, data: Buffer) -> int:
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        if sys.platform == "darwin":
            try:
                fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
                return
            except OSError as err:
                if err.errno not in _NO_FULL_FLUSH:
                    raise
        os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def link(self, old: str, new: str) -> None:
        os.link(old, new)

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def mkdir(self, path: str) -> None:
        os.mkdir(path)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)

    def read(self, path: str) -> bytes:
        with open(path, "rb", buffering=0) as file:
            return file.readall()

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        return os.pread(fd, size, offset)

    def readinto(self, fd: int, buffer: memoryview) -> int:
        return os.readv(fd, [buffer])

    def map(self, fd: int) -> mmap.mmap:
        return mmap.mmap(fd, 0, prot=mmap.PROT_READ)


disk = Disk()


def nonce() -> str:
    """Thirty-two hex digits that nobody chose before."""
    return os.urandom(16).hex()


def read(path: Path) -> bytes:
    """Read a whole file. Raises: FileNotFoundError where there is none."""
    return disk.read(str(path))


class File:
    """A file of the store that is open to be read, here and there or front to back.

    Raises: FileNotFoundError where there is none; Damage, naming it, where the disk does not give its bytes back.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _lost(path):
            self._fd = disk.open(str(path), os.O_RDONLY)

    @property
    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def pread(self, size: int, offset: int) -> bytes:
        """So many bytes from there on; fewer only where the file ends."""
        with _lost(self.path):
            data = disk.pread(self._fd, size, offset)
            while len(data) < size and (more := disk.pread(self._fd, size - len(data), offset + len(data))):
                data += more
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer, from where the last such reading ended. Returns: its bytes, fewer only where the file ends."""
        done = 0
        with _lost(self.path):
            while done < len(buffer) and (got := disk.readinto(self._fd, buffer[done:])):
                done += got
        return done

    def map(self) -> mmap.mmap:
        """The file, mapped to be read; it stays so when this is closed."""
        with _lost(self.path):
            return disk.map(self._fd)

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        if self._fd >= 0:
            disk.close(self._fd)
            self._fd = -1

    def __enter__(self) -> File:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def make_folder(path: Path) -> None:
    """Make a folder and flush its name, unless it is there. Whoever relies on one that was there flushes its parent."""
    with trouble(path):
        try:
            disk.mkdir(str(path))
        except FileExistsError:
            return
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Flush the names that a folder holds."""
    fd = disk.open(str(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        disk.fsync(fd)
    finally:
        disk.close(fd)


def write_durably(path: Path, parts: Iterable[Buffer], lock: str) -> None:
    """Write a file that nobody else can be writing, and publish it: it is whole and flushed when its name appears.

    lock: the lock under which this is done; it stands in the temporary name.
    Raises: DiskTrouble, ReadOnly. What stands under `path` then, if anything does, is whole.
    """
    temporary = _temporary(path, lock)
    with trouble(path), _removed_on_error(temporary):
        _write_flushed(temporary, parts)
        disk.rename(str(temporary), str(path))
        sync_folder(path.parent)


def publish(path: Path, data: bytes, lock: str) -> bool:
    """Publish a record: flushed under a temporary name, then linked, which fails where the name is taken.

    Returns: False if another file has that name. An error in the link is looked into: where the name holds these bytes
    (they bear a nonce), the record is published whatever the call reported.
    Raises: DiskTrouble, ReadOnly. The record is not published then, unless the error says that it is: its folder could
    not be flushed, which is no commit that may be reported as done, and none that may be taken back.
    """
    temporary = _temporary(path, lock)
    with trouble(path):
        try:
            _write_flushed(temporary, [data])
            published = _link(temporary, path)
        except OSError:
            published = _holds(path, data)
            if not published:
                raise
        finally:
            with contextlib.suppress(OSError):
                disk.unlink(str(temporary))
        if not published and not _holds(path, data):
            return False
    try:
        sync_folder(path.parent)
    except OSError as err:
        raise DiskTrouble(
            f"{path} is published, but a power cut may undo it: its folder cannot be flushed ({err.strerror or err})",
            "look at the disk, then run the command again",
        ) from err
    return True


def write_unflushed(path: Path, data: Buffer) -> bool:
    """Write a file that may be lost or torn without harm: no flush, and no error where the store is read-only."""
    temporary = _temporary(path, "cache")
    try:
        with _removed_on_error(temporary):
            fd = _create(temporary, os.O_WRONLY | os.O_EXCL)
            try:
                _write_all(fd, data)
            finally:
                disk.close(fd)
            disk.rename(str(temporary), str(path))
    except OSError:
        return False
    return True


def allocate(path: Path, size: int) -> None:
    """See to it that a file has `size` bytes and the disk holds room for each; what stands in it stays.

    Where a file that is mapped has a hole, a full disk kills the process that writes there. Raises: DiskTrouble.
    """
    with trouble(path):
        fd = disk.open(str(path), os.O_RDWR | os.O_CREAT)
        try:
            found = os.fstat(fd)
            if found.st_blocks * 512 >= size:
                return
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, size)
            elif found.st_size < size:
                os.pwrite(fd, bytes(size - found.st_size), found.st_size)
        finally:
            disk.close(fd)


def remove(path: Path) -> None:
    """Remove a file, if it is there. The folder is not flushed: what is removed is no longer named by anything."""
    with trouble(path), contextlib.suppress(FileNotFoundError):
        disk.unlink(str(path))


def remove_tree(path: Path) -> None:
    """Remove a file, or a folder with all that it holds: only what can be made again, or was never named."""
    if not path.is_dir() or path.is_symlink():
        remove(path)
        return
    with trouble(path):
        for folder, folders, names in os.walk(path, topdown=False):
            for name in names:
                remove(Path(folder, name))
            for name in folders:
                disk.rmdir(os.path.join(folder, name))
        disk.rmdir(str(path))


def is_full(err: VstoreError) -> bool:
    """Whether an error says that the disk, or a quota, is full."""
    cause = err.__cause__
    return isinstance(cause, OSError) and cause.errno in FULL


def set_aside(path: Path, folder: Path) -> Path:
    """Move a file that cannot be used to a folder where nothing looks for it. Returns: where it lies now."""
    make_folder(folder)
    kept = folder / path.name
    if kept.exists():
        kept = folder / f"{path.name}.{nonce()}"
    with trouble(path):
        disk.rename(str(path), str(kept))
        sync_folder(folder)
        sync_folder(path.parent)
    return kept


def sweep(folder: Path, lock: str) -> None:
    """Remove what earlier holders of a lock left half-written. The caller holds that lock."""
    prefix = f"{TEMPORARY}{lock}-"
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if not name.startswith(prefix):
                continue
            if (folder / name).is_dir():
                import shutil  # every command would pay for it

                shutil.rmtree(folder / name, ignore_errors=True)  # a catalogue in the making: it holds facts alone
            else:
                remove(folder / name)


class Appender:
    """A file that grows at its end, flushed when its writer says so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with trouble(path):
            self._fd = _create(path, os.O_WRONLY | os.O_EXCL | os.O_APPEND)

    def append(self, data: Buffer) -> None:
        with trouble(self.path):
            _write_all(self._fd, data)

    def sync(self) -> None:
        with trouble(self.path):
            disk.fsync(self._fd)

    def sync_name(self) -> None:
        with trouble(self.path):
            sync_folder(self.path.parent)

    def close(self) -> None:
        if self._fd >= 0:
            disk.close(self._fd)
            self._fd = -1


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

        wait:   seconds to wait for it; None waits for ever, or until somebody asks to stop.
        Raises: Locked, naming process, host, command and since when; Interrupted.
        """
        with trouble(self.path):
            fd = _create(self.path, os.O_RDWR)
        try:
            self._take(fd, None if wait is None else time.monotonic() + wait, is_stopped)
        except BaseException:
            disk.close(fd)
            raise
        self._fd = fd
        about = {
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "command": command,
            "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        with contextlib.suppress(OSError):  # who holds it is a courtesy; holding it is the kernel's word
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps(about).encode(), 0)

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
            about = json.loads(self.path.read_bytes())
            holder = f"process {about['pid']} on {about['host']} ({about['command']}, since {about['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            holder = "a process that did not say who it is"
        step = "run the command again when it is done" + (", or add --wait" if self.name == "ingest" else "")
        return f"{what}: {holder} holds the lock {self.name!r}", step

    def release(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
            disk.close(self._fd)
            self._fd = -1

    @property
    def held(self) -> bool:
        return self._fd >= 0

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _temporary(path: Path, lock: str) -> Path:
    return path.with_name(f"{TEMPORARY}{lock}-{nonce()}")


def _create(path: Path, flags: int) -> int:
    try:
        return disk.open(str(path), flags | os.O_CREAT)
    except FileNotFoundError:
        # Copies leave out folders that were empty, and cache/ may be deleted at any time.
        with contextlib.suppress(FileExistsError):
            disk.mkdir(str(path.parent))
        sync_folder(path.parent.parent)
        return disk.open(str(path), flags | os.O_CREAT)


def _write_flushed(path: Path, parts: Iterable[Buffer]) -> None:
    fd = _create(path, os.O_WRONLY | os.O_EXCL)
    try:
        for part in parts:
            _write_all(fd, part)
        disk.fsync(fd)
    finally:
        disk.close(fd)


def _write_all(fd: int, data: Buffer) -> None:
    view = memoryview(data).cast("B")
    while view:
        # A short write is no error: what is left is written next, or raises.
        view = view[disk.write(fd, view) :]


def _link(old: Path, new: Path) -> bool:
    try:
        disk.link(str(old), str(new))
    except FileExistsError:
        return False
    except OSError as err:
        if err.errno not in _NO_LINKS:
            raise
        if new.exists():
            return False
        # No hard links here (exFAT, some FUSE). The holder of the lock is the only one who publishes, so nobody can
        # take the name between the look and the rename.
        disk.rename(str(old), str(new))
    return True


def _holds(path: Path, data: bytes) -> bool:
    try:
        return disk.read(str(path)) == data
    except OSError:
        return False


@contextlib.contextmanager
def _removed_on_error(temporary: Path) -> Iterator[None]:
    """Take our own unpublished temporary away again. Nothing that has a name is ever removed on an error path."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            disk.unlink(str(temporary))
        raise


@contextlib.contextmanager
def _lost(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        if err.errno not in LOST:
            raise
        raise Damage(
            f"{path.parent.name}/{path.name} cannot be read: {err.strerror or err}",
            "look at the disk, then run: vstore check --read-data",
        ) from err


@contextlib.contextmanager
def trouble(path: Path) -> Iterator[None]:
    """Say of an error of the system what happened and what to do. Raises: DiskTrouble, ReadOnly."""
    try:
        yield
    except OSError as err:
        reason = err.strerror or str(err)
        if err.errno in FULL:
            raise DiskTrouble(
                f"cannot write {path}: {reason}",
                "free some space and run the command again; all that was finished before is kept",
            ) from err
        if err.errno in _READ_ONLY:
            raise ReadOnly(
                f"cannot write {path}: {reason}", "make the store writable; searching and listing work as it is"
            ) from err
        raise DiskTrouble(f"cannot write {path}: {reason}", "look at the disk, then run the command again") from err
