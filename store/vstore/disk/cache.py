"""Files of `cache/`, each proved by a checksum over its name and its content.

    offset  size  meaning
    0       8     checksum of the name and the content
    8       …     the content
Such a file may be lost, torn or deleted at any time, and is made again.
"""

from __future__ import annotations

from pathlib import Path

from vstore.disk import durable, inside
from vstore.format.canonical import SMALL, Json, parsed
from vstore.format.hashing import checksum

BELIEVED, TURN = "checked", "turn"  # one of these is there where vectors are read again in turn
PATHS = "paths-"  # begins the names of files with the paths of a snapshot
COLUMNS = "columns-"  # begins those of files with a column of facts or fields
NUMBERS = "numbers-"  # begins those of files with the rows of the pictures of a snapshot
_SUM = 8


def read_cache(folder: Path, name: str, longest: int = SMALL) -> bytes | None:
    """Read the content of a cache file; None if it is missing, unreadable, damaged or longer than such a file can be.

    longest: bytes of the content.
    Raises: Damage if it is a link, or no file.
    """
    try:
        data = durable.read(folder / name, _SUM + longest)
    except OSError:
        return None
    content = data[_SUM:]
    return content if data[:_SUM] == checksum(name.encode(), content) else None


def read_cache_json(folder: Path, name: str) -> Json | None:
    """Read a cache file that holds JSON; None if it cannot be used."""
    content = read_cache(folder, name)
    try:
        return None if content is None else parsed(content, SMALL)
    except ValueError:
        return None


def read_cache_object(folder: Path, name: str) -> dict[str, Json]:
    """Read a cache file that holds a JSON object; an empty one if it cannot be used."""
    value = read_cache_json(folder, name)
    return value if isinstance(value, dict) else {}


def cache_names(folder: Path) -> set[str]:
    """List the files of `cache/`; none if it cannot be listed."""
    try:
        return set(inside.names(folder))
    except OSError:
        return set()


def write_cache(folder: Path, name: str, content: bytes) -> bool:
    """Write a cache file.

    Returns: False if nothing was written, as the store is read-only or the disk full.
    """
    return durable.write_unflushed(folder / name, [checksum(name.encode(), content) + content])
