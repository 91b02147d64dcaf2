"""A rename that never replaces a file, whoever takes the name at the same moment.

Python has none: `os.rename` replaces. The system is asked directly.
"""

from __future__ import annotations

import errno
import os
import sys

_NOREPLACE = 1  # RENAME_NOREPLACE of Linux
_EXCL = 4  # RENAME_EXCL of macOS
# What the system, or the driver of a disk, says if it does not know such a rename.
UNKNOWN = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


def rename_new(folder: int, name: bytes, to: int, new: bytes) -> None:
    """Rename a file to a name that nobody has.

    folder, to: descriptors of the folders that hold it, and that are to hold it.
    Raises: OSError: FileExistsError if the name is taken; one of `UNKNOWN` where the disk knows no such rename.
    """
    import ctypes  # few commands move anything

    function, flag = ("renameatx_np", _EXCL) if sys.platform == "darwin" else ("renameat2", _NOREPLACE)
    call = getattr(ctypes.CDLL(None, use_errno=True), function, None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(folder, ctypes.c_char_p(name), to, ctypes.c_char_p(new), ctypes.c_uint(flag)):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), os.fsdecode(name), None, os.fsdecode(new))
