"""Rows of a space, read in blocks for the building of an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from vstore.disk.segments import Segment

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

BLOCK = 8192  # rows


def blocks_of(segment: Segment) -> Iterator[tuple[int, Floats]]:
    """Yield the rows of a segment, float32 (m, dim), with the number of the first one. They are unproved.

    What is no number is 0: codes only choose the rows that get an exact score.
    """
    import numpy as np

    rows = segment.rows()
    for first in range(0, len(rows), BLOCK):
        yield first, np.nan_to_num(rows[first : first + BLOCK].astype(np.float32), posinf=0, neginf=0)


def sample_of(segments: Sequence[Segment], numbers: Ints, read: Callable[[int], None]) -> Floats:
    """Read some rows, numbered through all segments.

    numbers: int64 (m,), rising.
    read:    is told how many rows were read, block after block; it may raise.
    Returns: float32 (m, dim).
    """
    import numpy as np

    parts, first = [], 0
    for segment in segments:
        rows, end = segment.rows(), first + segment.footer.rows
        here = numbers[np.searchsorted(numbers, first) : np.searchsorted(numbers, end)] - first
        for begin in range(0, len(here), BLOCK):
            some = rows[here[begin : begin + BLOCK]].astype(np.float32)
            parts.append(np.nan_to_num(some, posinf=0, neginf=0))
            read(len(some))
        first = end
    dim = segments[0].footer.dim if segments else 0
    return np.concatenate([np.empty((0, dim), np.float32), *parts])


def unit(rows: Floats) -> Floats:
    """Bring rows to norm 1; those without a norm stay. rows: float32 (n, dim)."""
    import numpy as np

    found: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-6))
    return found
