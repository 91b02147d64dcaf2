"""Files of `cache/` that this disk wrote: `paths` in it notes their stat, and another one is not used.

A stranger's checksum fits as ours does, and such files say what is answered with. Nobody can choose a time of change
and an inode.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from vstore.disk import durable, inside
from vstore.disk.cache import cache_names, read_cache, read_cache_object, write_cache
from vstore.disk.mapped_cache import MappedCache, map_cache, write_mapped
from vstore.errors import VstoreError
from vstore.format.canonical import Json, canonical

WRITTEN = "paths"  # the name of the note


def read_written(cache: Path, name: str, longest: int) -> bytes | None:
    """Read the content of a file as `read_cache` does; None if it is not the one that was written here, too."""
    return read_cache(cache, name, longest) if _is_ours(cache, name) else None


def map_written(cache: Path, name: str, longest: int) -> MappedCache | None:
    """Map a file as `map_cache` does; None if it is not the one that was written here, too."""
    return map_cache(cache, name, longest) if _is_ours(cache, name) else None


def _is_ours(cache: Path, name: str) -> bool:
    return read_cache_object(cache, WRITTEN).get(name) == _stat(cache, name)


def write_written(cache: Path, name: str, content: bytes) -> bool:
    """Write a file, and note so. Returns: False if nothing was written."""
    if not write_cache(cache, name, content):
        return False
    note_written(cache, name)
    return True


def write_mapped_here(cache: Path, name: str, content: bytes) -> bool:
    """Write a file for `map_written`, and note so. Returns: False if nothing was written."""
    if not write_mapped(cache, name, content):
        return False
    note_written(cache, name)
    return True


def note_written(cache: Path, name: str) -> None:
    """Note that this disk wrote a file."""
    names = cache_names(cache)
    kept = {one: stat for one, stat in read_cache_object(cache, WRITTEN).items() if one in names}
    write_cache(cache, WRITTEN, canonical({**kept, name: _stat(cache, name)}))


def _stat(cache: Path, name: str) -> list[Json]:
    """Look at a file: size, mtime, ctime, inode; nothing if it is not there."""
    try:
        stat = inside.look(cache / name)
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def make_room(cache: Path, begin: str, kept: str, files: int, size: int | None = None) -> None:
    """Remove the oldest files whose names begin alike, until few are left; never the one just written.

    files: as many at most, with the one just written.
    size:  bytes of all of them at most.
    """
    with contextlib.suppress(OSError, VstoreError):  # others do the same
        stats = {name: inside.look(cache / name) for name in cache_names(cache) if name.startswith(begin)}
        total = sum(stat.st_size for stat in stats.values())
        left = len(stats)
        for name in sorted(stats, key=lambda name: stats[name].st_mtime_ns):
            if left <= files and (size is None or total <= size):
                return
            if name != kept:
                durable.remove(cache / name)
                left, total = left - 1, total - stats[name].st_size
