"""The small packs and segments that are merged once there are too many of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from vstore.format.entries import FileRef

SMALL_PACK = 1 << 20  # bytes
SMALL_SEGMENT = 8 << 20
TOO_MANY = 256


def small_packs(refs: Sequence[FileRef]) -> list[FileRef]:
    """Find the packs to merge: the small ones, once there are too many of them."""
    small = [ref for ref in refs if ref.size < SMALL_PACK]
    return small if len(small) > TOO_MANY else []


def small_neighbours(refs: Sequence[FileRef]) -> list[list[FileRef]]:
    """Find the segments to merge: runs of small neighbours, once there are too many small ones."""
    if sum(ref.size < SMALL_SEGMENT for ref in refs) <= TOO_MANY:
        return []
    runs: list[list[FileRef]] = [[]]
    for ref in refs:
        if ref.size >= SMALL_SEGMENT:
            runs.append([])
        elif sum(r.size for r in runs[-1]) + ref.size > 8 * SMALL_SEGMENT:
            runs.append([ref])
        else:
            runs[-1].append(ref)
    return [run for run in runs if len(run) > 1]
