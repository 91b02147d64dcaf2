"""The checksum of each row of a segment, in `cache/`: by it a row is proved without reading its block of 4,096.

    offset  size   meaning
    0       8      checksum of the name and the content, as of every cache file
    8       8      checksum of the segment's footer, as the log names it
    16      8 × n  checksum of each row
A part of the file is read, so its own checksum is not: a false sum refuses its row, and then the block's sum decides.
"""

from __future__ import annotations

import contextlib
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

import xxhash

from vstore.disk import durable
from vstore.disk.cache import write_cache
from vstore.disk.file import File
from vstore.errors import VstoreError
from vstore.format.entries import FileRef

ROW_SUMS = "rowsums-"
_HEAD = 16
_SUM = 8  # bytes of a checksum


def row_sums_name(segment: str) -> str:
    """Give the name of the cache file for a segment's name."""
    return ROW_SUMS + segment.removesuffix(".faiss")


def row_sums(rows: memoryview, width: int) -> array[int]:
    """Compute the checksums of whole rows, each of `width` bytes."""
    digest = xxhash.xxh3_64_intdigest
    return array("Q", [digest(rows[at : at + width]) for at in range(0, len(rows), width)])


class RowSums:
    """The open cache file of one segment."""

    def __init__(self, file: File) -> None:
        self._file = file

    def of(self, first: int, end: int) -> array[int]:
        """Read the checksums of rows; fewer if the disk does not give them back."""
        sums = array("Q")
        try:
            data = self._file.pread((end - first) * _SUM, _HEAD + first * _SUM)
        except (OSError, VstoreError):
            return sums
        sums.frombytes(data[: len(data) // _SUM * _SUM])
        return _little(sums)


class KeptSums:
    """The checksums of the rows of one segment, in memory."""

    def __init__(self, sums: array[int]) -> None:
        self._sums = sums

    def of(self, first: int, end: int) -> array[int]:
        """Give the checksums of rows; fewer if there are fewer."""
        return self._sums[first:end]


def _little(sums: array[int]) -> array[int]:
    """Turn numbers of this machine into little-endian ones, or back."""
    if sys.byteorder == "big":
        sums.byteswap()
    return sums


@contextlib.contextmanager
def open_row_sums(cache: Path, ref: FileRef) -> Iterator[RowSums | None]:
    """Open the cache file of a segment; None if it is missing, or belongs to another segment."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(File(cache / row_sums_name(ref.name)))
            fits = file.size == _HEAD + ref.rows * _SUM and file.pread(_SUM, _SUM).hex() == ref.check
        except (OSError, VstoreError):
            fits = False
        yield RowSums(file) if fits else None


def has_row_sums(cache: Path, ref: FileRef) -> bool:
    """Tell whether the row sums of a segment are there."""
    with open_row_sums(cache, ref) as sums:
        return sums is not None


def write_row_sums(cache: Path, ref: FileRef, sums: array[int]) -> bool:
    """Write the row sums of a segment. Returns: False if nothing was written."""
    return write_cache(cache, row_sums_name(ref.name), bytes.fromhex(ref.check) + _little(array("Q", sums)).tobytes())


def remove_row_sums(cache: Path, ref: FileRef) -> None:
    """Remove false row sums; the next full reading writes them again."""
    with contextlib.suppress(VstoreError):
        durable.remove(cache / row_sums_name(ref.name))
