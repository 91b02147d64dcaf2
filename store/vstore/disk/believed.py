"""Remembers large segments that were read whole, by their stat: a search need not read them against their checksums.

A stat shows no rot. So each row that is given out is still checked, and all are read again in turn: `vstore.disk.turn`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vstore.disk.cache import BELIEVED, read_cache_object, write_cache
from vstore.disk.inside import names_if_any
from vstore.disk.read_times import forget_read
from vstore.disk.row_sums import row_sums_name
from vstore.errors import VstoreError
from vstore.format.canonical import Json, canonical


def believed(cache: Path) -> dict[str, Json]:
    """Read which segments were read whole: size, mtime, ctime and inode by name."""
    return read_cache_object(cache, BELIEVED)


def believe(cache: Path, stats: Mapping[str, list[int]]) -> bool:
    """Add segments that were just read whole, and forget those without row sums. Returns: False if nothing is kept."""
    try:
        names = set(names_if_any(cache))
    except (OSError, VstoreError):
        return False
    kept = {name: stat for name, stat in believed(cache).items() if row_sums_name(name) in names}
    return write_cache(cache, BELIEVED, canonical({**kept, **stats}))


def disbelieve(cache: Path, name: str) -> None:
    """Forget that a segment was read whole: it is damaged."""
    known = believed(cache)
    if known.pop(name, None) is not None:
        write_cache(cache, BELIEVED, canonical(known))
    forget_read(cache, name)
