"""Thumbnails in `cache/thumbs/`, a folder for each first two digits of a key.

offset  size  meaning
0       32    size, mtime in ns, ctime in ns and inode of the file when its bytes were checked against the key
32      8     width and height of the picture as shown
40      …     the thumbnail, a JPEG
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from collections.abc import Iterable
from pathlib import Path

from vstore.brief import briefly
from vstore.disk import durable, inside
from vstore.disk.cache import read_cache, write_cache
from vstore.errors import DiskTrouble, ReadOnly
from vstore.quick_tuple import NamedTuple

THUMBS = "thumbs"
LARGEST = 1 << 18  # bytes of a file
MOST = 2 << 20  # bytes of one of the 256 folders: half a gigabyte in all
_HEAD = struct.Struct("<QqqQII")
_ABANDONED = 3600  # seconds, after which nobody still writes a file


@briefly
class Thumb(NamedTuple):
    """A thumbnail, and what was known of its file.

    stat:   of the file: size, mtime in ns, ctime in ns, inode.
    width:  of the picture, in pixels, as shown.
    height: the same.
    jpeg:   the thumbnail.
    """

    stat: tuple[int, int, int, int]
    width: int
    height: int
    jpeg: bytes

    def to_bytes(self) -> bytes:
        return _HEAD.pack(*self.stat, self.width, self.height) + self.jpeg

    @classmethod
    def from_bytes(cls, data: bytes) -> Thumb | None:
        """Read a thumbnail; None if it is none."""
        if len(data) <= _HEAD.size:
            return None
        *stat, width, height = _HEAD.unpack_from(data)
        return cls((stat[0], stat[1], stat[2], stat[3]), width, height, data[_HEAD.size :])


def read_thumb(cache: Path, key: bytes) -> Thumb | None:
    """Read the thumbnail of a picture; None if there is none. Raises: Damage if a link stands there."""
    name = key.hex()
    data = read_cache(_folder(cache, name), name, LARGEST)
    return None if data is None else Thumb.from_bytes(data)


def write_thumb(cache: Path, key: bytes, thumb: Thumb) -> bool:
    """Keep a thumbnail. Returns: False if it was not written, as the store is read-only or the disk full."""
    name, data = key.hex(), thumb.to_bytes()
    if len(data) > LARGEST:
        return False
    folder = _folder(cache, name)
    for missing in (cache, folder.parent, folder):
        if not inside.exists(missing):
            with contextlib.suppress(OSError):  # another process makes it as well
                durable.disk.mkdir(str(missing))
    return write_cache(folder, name, data)


def prune_thumbs(cache: Path, keys: Iterable[bytes], most: int = MOST) -> None:
    """Keep the folders of some keys below their size: the thumbnails that were made first go first."""
    for folder in {_folder(cache, key.hex()) for key in keys}:
        with contextlib.suppress(OSError, DiskTrouble, ReadOnly):
            _prune(folder, most)


def drop_thumbs(cache: Path, kept: set[bytes]) -> None:
    """Remove the thumbnails of all pictures but some. Raises: DiskTrouble, ReadOnly, Damage."""
    names = {key.hex() for key in kept}
    top = cache / THUMBS
    for folder in inside.names_if_any(top):
        for name in inside.names_if_any(top / folder):
            if name not in names:
                durable.remove(top / folder / name)


def _prune(folder: Path, most: int) -> None:
    found = []
    for name in inside.names(folder):
        seen = inside.look_at_any(folder / name)
        if not name.startswith(durable.TEMPORARY):
            found.append((seen.st_mtime_ns, seen.st_size, name))
        elif seen.st_mtime < time.time() - _ABANDONED:
            durable.remove(folder / name)
    size = sum(one[1] for one in found)
    for _, less, name in sorted(found):
        if size <= most:
            return
        durable.remove(folder / name)
        size -= less


def stat_of(found: os.stat_result) -> tuple[int, int, int, int]:
    """Give what changes if a file does."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _folder(cache: Path, name: str) -> Path:
    return cache / THUMBS / name[:2]
