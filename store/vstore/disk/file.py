"""A file of the store, open to be read."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from types import TracebackType

from vstore.disk import durable
from vstore.disk.trouble import lost

_NO_HOLES = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY}  # of a filesystem that does not tell of them


class File:
    """A file of the store that is open to be read, at any place or front to back.

    Raises: FileNotFoundError if there is none; Damage, naming the file, if the disk does not give its bytes back, or if
            it is a link, a pipe, a device.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with lost(path):
            self._fd = durable.disk.open(str(path), os.O_RDONLY)

    @property
    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def pread(self, size: int, offset: int) -> bytes:
        """Read `size` bytes from an offset; fewer only where the file ends. Raises: Damage."""
        with lost(self.path):
            data = durable.disk.pread(self._fd, size, offset)
            while len(data) < size and (more := durable.disk.pread(self._fd, size - len(data), offset + len(data))):
                data += more
        return data

    def first_hole(self, start: int, end: int) -> tuple[int, int] | None:
        """Find the first hole between two offsets: bytes that the disk does not hold, and which read as zeros.

        Returns: where it begins and ends; None if there is none, or the filesystem does not tell.
        """
        with lost(self.path):
            at = os.lseek(self._fd, 0, os.SEEK_CUR)
            try:
                hole = os.lseek(self._fd, start, os.SEEK_HOLE)
                return (hole, min(end, self._data_from(hole))) if hole < end else None
            except OSError as err:
                if err.errno not in _NO_HOLES:
                    raise
                return None
            finally:
                os.lseek(self._fd, at, os.SEEK_SET)

    def data_from(self, start: int) -> int:
        """Find the first byte from an offset on that lies in no hole, or the end of the file."""
        with lost(self.path):
            at = os.lseek(self._fd, 0, os.SEEK_CUR)
            try:
                return self._data_from(start)
            finally:
                os.lseek(self._fd, at, os.SEEK_SET)

    def _data_from(self, start: int) -> int:
        try:
            return os.lseek(self._fd, start, os.SEEK_DATA)
        except OSError as err:
            if err.errno == errno.ENXIO:
                return self.size
            if err.errno not in _NO_HOLES:
                raise
            return start

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer from where the last call ended.

        Returns: the bytes read, fewer only where the file ends. Raises: Damage.
        """
        done = 0
        with lost(self.path):
            while done < len(buffer) and (got := durable.disk.readinto(self._fd, buffer[done:])):
                done += got
        return done

    def map(self) -> mmap.mmap:
        """Map the file to be read. The map outlives this object. Raises: Damage."""
        with lost(self.path):
            return durable.disk.map(self._fd)

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        if self._fd >= 0:
            durable.disk.close(self._fd)
            self._fd = -1

    def __enter__(self) -> File:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
