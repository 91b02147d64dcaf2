"""The address of a served model: a socket in a folder of this user alone."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path


def address_of(store: Path, space: str) -> Path | None:
    """Name the socket at which the model of a space is served for a store on this machine.

    store:   the store's folder.
    space:   id of the space.
    Returns: a path in a folder that nobody else may enter; None if there can be no such folder here.
    """
    folder = _own_folder()
    if folder is None:
        return None
    named = os.fsencode(os.path.realpath(store)) + b"\0" + space.encode()
    return folder / hashlib.sha256(named).hexdigest()[:24]


def _own_folder() -> Path | None:
    """Make the folder of this user's sockets. A folder of somebody else is not used: vectors come out of it."""
    user = os.getuid()
    try:
        folder = Path(tempfile.gettempdir(), f"vstore-{user}")
        folder.mkdir(0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o077
    return folder if is_own else None
