"""JPEG without its end: the blocks that come out the same whatever follows."""

from __future__ import annotations

from collections.abc import Iterator

from vstore.pictures.cut.part import Part
from vstore.pictures.pixels_only import jpeg

_BLOCK = 8  # lines
_SMOOTHED = 2  # lines above a block that wait for it, where the colours have half the lines


def parts_of(data: bytes, limit: int) -> Iterator[Part]:
    """Fill up the last scan in several ways.

    Of a progressive JPEG only the last scan has lines that lack nothing: one that is cut before it has no such copy.
    """
    copies = tuple(jpeg.copies_of(data))
    shape = jpeg.shape_of(data)
    if len(copies) < 2 or shape is None:
        return
    lines = _BLOCK * shape.sampling
    waiting = _SMOOTHED if shape.sampling > 1 else 0

    def settled(differs: int) -> int:
        """Count whole rows of blocks, so that all decoders count alike."""
        return max(0, (differs + waiting) // lines * lines - waiting)

    yield Part(copies, shape.height, 0, shape.height, compared=True, settled=settled)
