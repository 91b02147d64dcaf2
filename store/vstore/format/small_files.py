"""The small packs and segments that are merged once there are too many of about one size. Pure.

Sizes fall into levels, and what too many files of one level become is a file of a higher one. So a byte is rewritten
about once a level, and the number of small files grows with the logarithm of the number of commits.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby

from vstore.format.entries import FileRef

# Bytes at which each level ends; a file of the last size is not small.
PACK_LEVELS = (16 << 10, 512 << 10, 16 << 20, 128 << 20)
QUICK = 16 << 20  # bytes that are merged while others wait for the lock
SEGMENT_LEVELS = (256 << 10, 8 << 20)
TOO_MANY = 32  # files of one level
TOO_MANY_PARTED = 256  # small segments, in runs too short for a merge of a level


def small_packs(refs: Sequence[FileRef], most: int | None = None) -> list[FileRef]:
    """Find the packs to merge: those of the lowest level with too many, the smallest first.

    most: bytes of them together; None for as many as a pack may get by merging.
    """
    most = PACK_LEVELS[-1] if most is None else most
    for level in range(len(PACK_LEVELS)):
        packs = [ref for ref in refs if bisect_right(PACK_LEVELS, ref.size) == level and ref.size < most]
        if len(packs) > TOO_MANY:
            return next(_pieces(sorted(packs, key=lambda ref: ref.size), most))
    return []


def small_neighbours(refs: Sequence[FileRef]) -> list[list[FileRef]]:
    """Find the segments to merge: runs of neighbours with too many of a level, and with none of a higher one."""
    begin = 0
    for end in SEGMENT_LEVELS:
        runs = [run for run in _runs(refs, end) if sum(ref.size >= begin for ref in run) > TOO_MANY]
        if runs:
            break
        begin = end
    else:
        runs = _runs(refs, SEGMENT_LEVELS[-1])
        if sum(map(len, runs)) <= TOO_MANY_PARTED:
            return []
    pieces = (piece for run in runs for piece in _pieces(run, 8 * SEGMENT_LEVELS[-1]))
    return [piece for piece in pieces if len(piece) > 1]


def _runs(refs: Sequence[FileRef], end: int) -> list[list[FileRef]]:
    """Group neighbours that are all smaller than `end`."""
    return [list(run) for small, run in groupby(refs, lambda ref: ref.size < end) if small]


def _pieces(refs: Sequence[FileRef], most: int) -> Iterator[list[FileRef]]:
    """Cut a list into pieces of `most` bytes together, or of two files that have more."""
    piece: list[FileRef] = []
    for ref in refs:
        if len(piece) > 1 and sum(r.size for r in piece) + ref.size > most:
            yield piece
            piece = []
        piece.append(ref)
    yield piece
