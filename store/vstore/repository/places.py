"""The places of paths on disk: below one another, the same, or gone."""

from __future__ import annotations

import os


def is_below(path: bytes, folder: bytes) -> bool:
    """Tell whether a path is that of a folder, or of something in it, by its bytes alone."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def identity(path: bytes) -> tuple[int, int] | None:
    """Read device and inode of the file or folder at a path; None where that fails."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_gone(path: bytes) -> bool:
    """Tell whether nothing has this name. A path that cannot be looked at is not gone."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def is_same(one: bytes, other: bytes) -> bool:
    """Tell whether two paths mean one folder: by device and inode, as letter case and links do not matter."""
    found = identity(one)
    return one == other or (found is not None and found == identity(other))


def relative(folder: bytes, path: bytes) -> bytes | None:
    """Give the path relative to a folder that holds it, else None.

    The place of a path that is gone is that of its nearest existing parent.
    """
    names: list[bytes] = []
    wanted = identity(folder)
    while True:
        parent, name = os.path.split(path)
        if not name:
            return None
        names.append(name)
        if parent == folder or (wanted is not None and identity(parent) == wanted):
            return b"/".join(reversed(names))
        path = parent
