"""The user's own caches of other users' stores, outside them: a folder for each, which nobody else may enter."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from vstore.disk import durable, inside

MOST = 2000  # files of one store: its own `cache/` is kept small by gc, and nobody collects here
UNUSED = 90 * 86400  # seconds without a new file, after which the caches of a store go


def make(folder: Path) -> bool:
    """Make the folder for the caches of a store; one that has grown too large is emptied.

    Returns: False if others may change what lies there. Raises: OSError, DiskTrouble, ReadOnly.
    """
    try:
        names = inside.names(folder)
    except FileNotFoundError:
        folder.parent.mkdir(0o700, parents=True, exist_ok=True)
        folder.mkdir(0o700, exist_ok=True)
        names = []
        if _is_private(folder.parent):
            _remove_unused(folder.parent)
    if not (_is_private(folder.parent) and _is_private(folder)):
        return False
    if len(names) > MOST:
        for name in names:
            durable.remove_tree(folder / name)
    return True


def _is_private(folder: Path) -> bool:
    found = inside.look_at_any(folder)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _remove_unused(folder: Path) -> None:
    since = time.time() - UNUSED
    for name in inside.names(folder):
        if inside.look_at_any(folder / name).st_mtime < since:
            durable.remove_tree(folder / name)
