"""The greatest name in a long folder, kept in `cache/` while the folder does not change.

`refs/` and `packs/` get a name with every commit until gc: to list ten thousand costs a quick command a tenth of
its time. Whatever name comes or goes changes the times of its folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from vstore.disk import inside
from vstore.disk.cache import read_cache_json, write_cache
from vstore.disk.durable import TEMPORARY
from vstore.format.canonical import canonical
from vstore.quick_tuple import NamedTuple

LONG = 500  # names: fewer are listed as fast as the cache is asked
_SETTLED = 10.0  # seconds after which a change would show in the times, however coarse the filesystem keeps them


class Seen(NamedTuple):
    """A folder before it was listed.

    stat:    device, inode, mtime and ctime in ns.
    settled: its last change is a while ago.
    """

    stat: list[int]
    settled: bool


def look(folder: Path) -> Seen:
    """Look at a folder before it is listed. Raises: FileNotFoundError."""
    stat = inside.look(folder)
    settled = time.time() - max(stat.st_mtime, stat.st_ctime) > _SETTLED
    return Seen([stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns], settled)


def note(cache: Path, folder: Path, seen: Seen, names: Sequence[str]) -> None:
    """Keep the greatest of many names, if the folder was settled and holds no unfinished file.

    seen: the folder before it was listed.
    """
    if len(names) >= LONG and seen.settled and not any(name.startswith(TEMPORARY) for name in names):
        write_cache(cache, _name(folder), canonical([seen.stat, max(names)]))


def recall(cache: Path, folder: Path) -> str | None:
    """Give the greatest name in a long folder without unfinished files; None if it must be listed."""
    noted = read_cache_json(cache, _name(folder))
    if not isinstance(noted, list) or len(noted) != 2 or look(folder).stat != noted[0]:
        return None
    return noted[1] if isinstance(noted[1], str) else None


def first_absent(folder: Path, names: Iterable[str]) -> str | None:
    """Find the first of some names that a folder lacks. It is not listed: until gc it has many others."""
    try:
        fd = inside.open_file(str(folder), os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return next(iter(names), None)
    try:
        return next((name for name in names if not os.access(name, os.F_OK, dir_fd=fd)), None)
    finally:
        os.close(fd)


def _name(folder: Path) -> str:
    return f"names-{folder.name}"
