"""A picture's file, opened without waiting: a pipe or a device that took its name meanwhile would never end."""

from __future__ import annotations

import errno
import os
import stat

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


def read_regular(path: bytes) -> bytes:
    """Read a whole regular file. Raises: OSError, also for all else."""
    with open(open_regular(path), "rb", buffering=0) as file:
        return file.readall()
