"""The places of paths on disk: below one another, the same, or gone."""

from __future__ import annotations

import os


def is_below(path: bytes, folder: bytes) -> bool:
    """Tell whether a path is a folder's or lies in it, by its bytes alone."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def identity(path: bytes) -> tuple[int, int] | None:
    """Read device and inode of the file or folder at a path; None if that fails."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_gone(path: bytes) -> bool:
    """Tell whether nothing has this name. An unreadable path is not gone."""
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
    """Give the path relative to a folder above it, else None.

    A missing path has the place of its nearest existing parent.
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
