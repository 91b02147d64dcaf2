"""Links that lead out of a folder, found without a look at anything outside of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import NoReturn

from vstore.quick_tuple import NamedTuple

_MOST = 40  # links of one path, as many as Linux follows
_STEP = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Fence(NamedTuple):
    """A folder that the links in a root must not lead out of, unless its user is known to have meant them.

    folder:     its real path.
    is_named:   tells whether the user named the root.
    is_allowed: tells whether links may lead out; asked only where one does.
    refuse:     raises the error for the path of a link.
    """

    folder: bytes
    is_named: Callable[[], bool]
    is_allowed: Callable[[], bool]
    refuse: Callable[[bytes], NoReturn]

    def holds(self, path: bytes) -> bool:
        """Tell whether a path stays in the folder, or may leave it."""
        return stays_below(self.folder, path) or self.is_allowed()

    def follow(self, path: bytes) -> None:
        """Make sure that a link may be followed. Raises: as `refuse`."""
        if not self.holds(path):
            self.refuse(path)


def stays_below(folder: bytes, path: bytes) -> bool:
    """Tell whether a path lies in a folder once all its links are followed. Even to the name of a place outside, which
    may be a network's, no call is made.

    folder: its real path.
    path:   absolute.
    """
    if not _is_below(path, folder):
        return False
    at, links = folder, 0
    rest = path[len(folder) :].split(b"/")[::-1]
    while rest:
        name = rest.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            at = os.path.dirname(at)
            if not _is_below(at, folder):
                return False
            continue
        try:
            target = os.readlink(os.path.join(at, name))
        except OSError:  # no link, or nothing there
            at = os.path.join(at, name)
            continue
        links += 1
        if links > _MOST:
            return False
        if target.startswith(b"/"):
            if not _is_below(target, folder):
                return False
            at, target = folder, target[len(folder) :]
        rest += target.split(b"/")[::-1]
    return True


def open_unlinked(path: bytes) -> int:
    """Open a regular file along no link, step by step: none that appears meanwhile leads elsewhere.

    path:    absolute, as `os.path.realpath` gives it.
    Returns: its descriptor. Raises: OSError, also for a link, and for all that is no regular file.
    """
    *folders, name = path.strip(b"/").split(b"/")
    at = os.open(b"/", os.O_RDONLY | _STEP)
    try:
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | _STEP, dir_fd=at)
            os.close(at)
            at = below
        file = os.open(name, os.O_RDONLY | _FILE, dir_fd=at)
    finally:
        os.close(at)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return file


def _is_below(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")
