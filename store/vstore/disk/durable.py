"""The one door to the disk: every write, flush, publication and removal of a file of a store goes through here.

A name under a store means final content: a file is written under a temporary name, flushed, published, and its folder
flushed after. A temporary name holds the lock that it was written under (`.tmp-ingest-…`): only the next holder of that
lock may remove the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.disk import inside
from vstore.disk.trouble import trouble
from vstore.errors import DiskTrouble

if TYPE_CHECKING:
    import mmap

    from typing_extensions import Buffer

TEMPORARY = ".tmp-"
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_NO_FULL_FLUSH = {errno.ENOTSUP, errno.EINVAL, errno.ENOTTY}  # on macOS: disks that know no F_FULLFSYNC


class Disk:
    """The calls to make, change, flush, name, read or remove a file, along no link of a store. Tests replace it."""

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        return inside.open_file(path, flags, mode)

    def write(self, fd: int, data: Buffer) -> int:
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        if sys.platform == "darwin":
            import fcntl

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
        inside.link(old, new)

    def rename(self, old: str, new: str) -> None:
        inside.rename(old, new)

    def unlink(self, path: str) -> None:
        inside.unlink(path)

    def mkdir(self, path: str) -> None:
        inside.mkdir(path)

    def rmdir(self, path: str) -> None:
        inside.rmdir(path)

    def open_at(self, folder: int, name: bytes, flags: int) -> int:
        """Open, or make, a file in an open folder of the user's. A link there is not followed."""
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666, dir_fd=folder)

    def mkdir_at(self, folder: int, name: bytes, mode: int) -> None:
        """Make a folder in an open folder of the user's."""
        os.mkdir(name, mode, dir_fd=folder)

    def move(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        """Move a file of the user's from one open folder to another; no file is ever replaced."""
        from vstore.disk.moving import rename_new

        rename_new(folder, name, to, new)

    def link_at(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        """Give a file of the user's another name, in an open folder; no file is ever replaced."""
        os.link(name, new, src_dir_fd=folder, dst_dir_fd=to, follow_symlinks=False)

    def unlink_at(self, folder: int, name: bytes) -> None:
        """Take a name away from a file of the user's that has others."""
        os.unlink(name, dir_fd=folder)

    def read(self, path: str, longest: int) -> bytes:
        return inside.read(path, longest)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        return os.pread(fd, size, offset)

    def readinto(self, fd: int, buffer: memoryview) -> int:
        return os.readv(fd, [buffer])

    def map(self, fd: int) -> mmap.mmap:
        import mmap  # few commands map a file

        return mmap.mmap(fd, 0, prot=mmap.PROT_READ)


disk = Disk()


def nonce() -> str:
    """Make thirty-two random hex digits."""
    return os.urandom(16).hex()


def read(path: Path, longest: int) -> bytes:
    """Read a whole file.

    longest: bytes that a file of its kind has at most.
    Raises:  FileNotFoundError if there is none; OSError with EFBIG if it is longer, before any byte is read; Damage.
    """
    return disk.read(str(path), longest)


def make_folder(path: Path) -> None:
    """Make a folder and flush its name, unless it exists. A caller relying on an existing folder flushes its parent.

    Raises: DiskTrouble, ReadOnly.
    """
    with trouble(path):
        try:
            disk.mkdir(str(path))
        except FileExistsError:
            return
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Flush the names in a folder. Raises: OSError."""
    fd = disk.open(str(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        disk.fsync(fd)
    finally:
        disk.close(fd)


def write_durably(path: Path, parts: Iterable[Buffer], lock: str) -> None:
    """Write a file of this process alone, and publish it: it is whole and flushed when its name appears.

    lock:   the lock held; it stands in the temporary name.
    Raises: DiskTrouble, ReadOnly. A file under `path`, if there is one then, is whole.
    """
    temporary = _temporary(path, lock)
    with trouble(path), _removed_on_error(temporary):
        _write_flushed(temporary, parts)
        disk.rename(str(temporary), str(path))
        sync_folder(path.parent)


def publish(path: Path, data: bytes, lock: str) -> bool:
    """Publish a record: flush it under a temporary name, then link it; the link fails if the name is taken.

    After an error in the link, the name is read: if it holds these bytes (they contain a nonce), the record is
    published in spite of the error.
    Returns: False if another file has that name.
    Raises:  DiskTrouble, ReadOnly. The record is not published then, unless the error says that it is: its folder could
             not be flushed, and the commit may be neither reported as done nor taken back.
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


def write_unflushed(path: Path, parts: Iterable[Buffer], lock: str = "cache") -> bool:
    """Write a file whose loss does no harm: no flush, and no error.

    lock:    stands in the temporary name: whoever holds `commit` removes unfinished cache files.
    Returns: False if nothing was written.
    """
    temporary = _temporary(path, lock)
    try:
        with _removed_on_error(temporary):
            fd = open_or_create(temporary, os.O_WRONLY | os.O_EXCL)
            try:
                for part in parts:
                    _write_all(fd, part)
            finally:
                disk.close(fd)
            disk.rename(str(temporary), str(path))
    except OSError:
        return False
    return True


def allocate(path: Path, size: int) -> None:
    """Give a file `size` bytes, with room on the disk for each. Its content stays.

    A full disk kills a process that writes to a hole of a mapped file. Raises: DiskTrouble, ReadOnly.
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


def overwrite(fd: int, data: bytes) -> None:
    """Replace the content of an open file in place: no flush, and no error, as the content is a courtesy."""
    with contextlib.suppress(OSError):
        if os.fstat(fd).st_nlink > 1:
            return  # it has another name, which may be one of the user's
        os.ftruncate(fd, 0)
        os.pwrite(fd, data, 0)


def remove(path: Path) -> None:
    """Remove a file, if it exists. The folder is not flushed: nothing names the file any more.

    Raises: DiskTrouble, ReadOnly.
    """
    with trouble(path), contextlib.suppress(FileNotFoundError):
        disk.unlink(str(path))


def remove_tree(path: Path) -> None:
    """Remove a file, or a folder with all files in it: only what can be made again, or was never named.

    Raises: DiskTrouble, ReadOnly.
    """
    if not _is_real_folder(path):
        remove(path)
        return
    with trouble(path):
        for name in inside.names(path):
            remove_tree(path / name)
        disk.rmdir(str(path))


def set_aside(path: Path, folder: Path) -> Path:
    """Move an unusable file to a folder of its own, away from every reader.

    Returns: its new path. Raises: DiskTrouble, ReadOnly.
    """
    make_folder(folder)
    kept = folder / path.name
    if inside.exists(kept):
        kept = folder / f"{path.name}.{nonce()}"
    with trouble(path):
        disk.rename(str(path), str(kept))
        sync_folder(folder)
        sync_folder(path.parent)
    return kept


def sweep(folder: Path, lock: str) -> list[str]:
    """Remove the half-written files of earlier holders of a lock. The caller holds the lock.

    Returns: the names of all other files.
    """
    prefix = f"{TEMPORARY}{lock}-"
    left: list[str] = []
    for name in inside.names_if_any(folder):
        if not name.startswith(prefix):
            left.append(name)
        elif _is_real_folder(folder / name):
            import shutil  # every command would pay for it

            shutil.rmtree(folder / name, ignore_errors=True)  # a catalogue in the making: it holds facts alone
        else:
            remove(folder / name)
    return left


def _is_real_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(inside.look_at_any(path).st_mode)
    except FileNotFoundError:
        return False


class Appender:
    """A file written at its end, flushed at its writer's request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with trouble(path):
            self._fd = open_or_create(path, os.O_WRONLY | os.O_EXCL | os.O_APPEND)

    def append(self, data: Buffer) -> None:
        """Write at the end. Raises: DiskTrouble, ReadOnly."""
        with trouble(self.path):
            _write_all(self._fd, data)

    def sync(self) -> None:
        """Flush the content. Raises: DiskTrouble, ReadOnly."""
        with trouble(self.path):
            disk.fsync(self._fd)

    def sync_name(self) -> None:
        """Flush the name. Raises: DiskTrouble, ReadOnly."""
        with trouble(self.path):
            sync_folder(self.path.parent)

    def close(self) -> None:
        if self._fd >= 0:
            disk.close(self._fd)
            self._fd = -1


def _temporary(path: Path, lock: str) -> Path:
    return path.with_name(f"{TEMPORARY}{lock}-{nonce()}")


def open_or_create(path: Path, flags: int) -> int:
    """Open a file; make it, and its folder, if missing. Returns: its descriptor. Raises: OSError."""
    try:
        return disk.open(str(path), flags | os.O_CREAT)
    except FileNotFoundError:
        # Copies leave out folders that were empty, and cache/ may be deleted at any time.
        with contextlib.suppress(FileExistsError):
            disk.mkdir(str(path.parent))
        sync_folder(path.parent.parent)
        return disk.open(str(path), flags | os.O_CREAT)


def _write_flushed(path: Path, parts: Iterable[Buffer]) -> None:
    fd = open_or_create(path, os.O_WRONLY | os.O_EXCL)
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
        if inside.exists(new):
            return False
        # No hard links here (exFAT, some FUSE). The holder of the lock is the only one who publishes, so nobody can
        # take the name between the look and the rename.
        disk.rename(str(old), str(new))
    return True


def _holds(path: Path, data: bytes) -> bool:
    try:
        return disk.read(str(path), len(data)) == data
    except OSError:
        return False


@contextlib.contextmanager
def _removed_on_error(temporary: Path) -> Iterator[None]:
    """Remove our own unpublished temporary file after an error. A file with a name is never removed by an error."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            disk.unlink(str(temporary))
        raise
