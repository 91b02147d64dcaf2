"""Files of `cache/` that are mapped, and proved where they are read: each 32 KiB by a checksum of its own.

    offset  size        meaning
    0       8           checksum of the name and the checksums of the blocks
    8       C           the content
    8 + C   8 × blocks  checksum of each 32 KiB of the content
Read whole, a file of ten million pictures costs a search half a second.
"""

from __future__ import annotations

from pathlib import Path

from vstore.disk import durable
from vstore.disk.file import File
from vstore.format.hashing import checksum

BLOCK = 1 << 15  # bytes of content per checksum: eight pages, which the system brings in at once
_SUM = 8


class Rotten(Exception):
    """A block of a file does not match its checksum."""


class InMemory:
    """Content that stands in memory, and is as it was made."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)

    def __len__(self) -> int:
        return len(self._content)

    def part(self, begin: int, end: int) -> memoryview:
        """Give the bytes from one offset up to another."""
        return self._content[begin:end]


class MappedCache:
    """The content of a mapped file. Each block is proved when it is first read. Safe in several threads."""

    def __init__(self, content: memoryview, sums: memoryview) -> None:
        self._content = content
        self._sums = sums
        self._is_proved = bytearray(len(sums) // _SUM)

    def __len__(self) -> int:
        return len(self._content)

    def part(self, begin: int, end: int) -> memoryview:
        """Give the bytes from one offset up to another. Raises: Rotten."""
        for block in range(begin // BLOCK, -(-end // BLOCK)):
            if not self._is_proved[block]:
                data = self._content[block * BLOCK : (block + 1) * BLOCK]
                if checksum(data) != self._sums[block * _SUM : (block + 1) * _SUM]:
                    raise Rotten
                self._is_proved[block] = 1
        return self._content[begin:end]


def map_cache(folder: Path, name: str, longest: int) -> MappedCache | None:
    """Map a file; None if it is missing, unreadable, no such file, or longer than such a file can be.

    longest: bytes of the content.
    Raises: Damage if it is a link, or no file.
    """
    try:
        with File(folder / name) as file:
            size = file.size
            if not _SUM <= size <= _SUM + longest + _SUM * -(-longest // BLOCK):
                return None
            whole = memoryview(file.map())
    except OSError:
        return None
    sums = whole[size - _SUM * -(-(size - _SUM) // (BLOCK + _SUM)) :]
    if whole[:_SUM] != checksum(name.encode(), sums):
        return None
    return MappedCache(whole[_SUM : size - len(sums)], sums)


def write_mapped(folder: Path, name: str, content: bytes) -> bool:
    """Write a file that is mapped when it is read.

    Returns: False if nothing was written, as the store is read-only or the disk full.
    """
    view = memoryview(content)
    sums = b"".join(checksum(view[at : at + BLOCK]) for at in range(0, len(view), BLOCK))
    return durable.write_unflushed(folder / name, [checksum(name.encode(), sums), content, sums])
