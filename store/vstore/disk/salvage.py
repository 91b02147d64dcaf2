"""The reading of possibly damaged files: patient, and never mistaken about the cause of an error."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from vstore.disk.inside import look
from vstore.errors import Damage, VstoreError
from vstore.format.entries import FileRef

T = TypeVar("T")

# What these say is about who asks, and not about the file.
_NOT_ITS_FAULT = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def insisted(read: Callable[[], T]) -> T:
    """Read twice if the first attempt fails: a disk that hesitated is no reason to give anything up."""
    try:
        return read()
    except (Damage, OSError):
        return read()


def refuse_unreadable(err: Exception, path: Path) -> None:
    """Refuse an error of the system other than damage: sound data would be given up for it. Raises: VstoreError."""
    if isinstance(err, OSError) and err.errno in _NOT_ITS_FAULT:
        raise VstoreError(
            f"{path} cannot be read: {err.strerror}; this is not damage, and nothing was changed",
            "run it as a user who may read the whole store",
        ) from err


def pack_ref(path: Path) -> FileRef:
    """Describe a pack as the log would list it; `Pack` tells whether it is sound. Raises: OSError, Damage."""
    tail = _tail(path, 16)
    return FileRef(path.name, look(path).st_size, tail[:8].hex())


def segment_ref(path: Path) -> FileRef:
    """Describe a segment as the log would list it. Raises: ValueError if its footer is not sound; OSError, Damage."""
    from vstore.disk.footer import FOOTER_SIZE, Footer  # the log insists too, and knows no segments

    tail = _tail(path, FOOTER_SIZE)
    return FileRef(path.name, look(path).st_size, tail[-16:-8].hex(), Footer.from_bytes(tail).rows)


def _tail(path: Path, size: int) -> bytes:
    from vstore.disk.file import File

    with File(path) as file:
        return file.pread(size, max(0, file.size - size))
