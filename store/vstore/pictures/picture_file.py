"""A picture's file, opened without waiting: a pipe or a device that took its name meanwhile would never end."""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO

LARGEST = 1 << 32  # bytes of a picture that was synced before: it is looked at again
_READ = 1 << 16
_AT_ONCE = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(path: bytes) -> int:
    """Open a regular file, or a link to one. Returns: its descriptor. Raises: OSError, also for all else."""
    try:
        fd = os.open(path, os.O_RDONLY | _AT_ONCE)
    except OSError as err:
        if err.errno in (errno.ENXIO, errno.EOPNOTSUPP):  # a socket
            raise OSError(errno.EINVAL, "it is not a regular file") from err
        raise
    found = os.fstat(fd).st_mode
    if stat.S_ISREG(found):
        return fd
    os.close(fd)
    if stat.S_ISDIR(found):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.EINVAL, "it is not a regular file")


def read_regular(path: bytes, longest: int = LARGEST) -> bytes:
    """Read a whole regular file.

    longest: its bytes at most. Raises: OSError, also for all else, and with EFBIG for a longer one.
    """
    with open(open_regular(path), "rb", buffering=0) as file:
        return read_up_to(file, longest)


def read_up_to(file: FileIO, longest: int) -> bytes:
    """Read an open file, or a pipe, to its end. Raises: OSError, with EFBIG if it has more bytes than `longest`."""
    size, data = os.fstat(file.fileno()).st_size, bytearray()
    if size <= longest:
        while len(data) <= longest and (more := file.read(max(size - len(data), _READ))):
            data += more
    if max(size, len(data)) > longest:
        raise OSError(errno.EFBIG, f"it has more than {longest:,} bytes")
    return bytes(data)
