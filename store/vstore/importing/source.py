"""A source of vectors: the rows of an old index, read in blocks, without unpickling."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

BLOCK = 1024  # rows in memory at once


class Source(Protocol):
    """The vectors of an old index, in the order in which they were added.

    files: the files that hold them.
    rows:  number of vectors.
    dim:   numbers per vector.
    dtype: float16, float32 or float64.
    ids:   the index's own number of each row, int64 (rows,), or None.
    notes: remarks for the report.
    """

    files: tuple[Path, ...]
    rows: int
    dim: int
    dtype: str
    ids: Array | None
    notes: tuple[str, ...]

    def block(self, first: int, end: int) -> Array:
        """Read the rows from `first` up to `end`: (end - first, dim) of `dtype`."""
        ...


def blocks(source: Source) -> Iterator[tuple[int, Array]]:
    """Read all rows, at most 1,024 at a time; yield each block after the number of its first row."""
    for at in range(0, source.rows, BLOCK):
        yield at, source.block(at, min(at + BLOCK, source.rows))


def fingerprint(files: Sequence[Path]) -> str:
    """Compute the sha256 of one file, or the sha256 of the list of several files' sha256, one a line."""
    each = []
    for path in files:
        with path.open("rb") as file:
            each.append(hashlib.file_digest(file, "sha256").hexdigest())
    return each[0] if len(each) == 1 else hashlib.sha256("".join(f"{one}\n" for one in each).encode()).hexdigest()


def written_at(files: Sequence[Path]) -> int:
    """Find out when an index was written: the modification time of its oldest file, in ns since 1970."""
    return min(os.stat(path).st_mtime_ns for path in files)
