"""Chooses how a cut picture is filled up, by its first bytes."""

from __future__ import annotations

from collections.abc import Iterator

from vstore.pictures.cut import bmp, gif, jpeg, png, tiff, webp
from vstore.pictures.cut.part import Part
from vstore.pictures.pixels_only.png import SIGNATURE
from vstore.pictures.raw_kinds import is_raw


def parts_of(data: bytes, limit: int) -> Iterator[Part]:
    """Find what is left of a cut picture, in the order of preference; nothing where its lines cannot be told.

    limit: pixels that a picture may have.
    """
    if data[:3] == b"\xff\xd8\xff":
        yield from jpeg.parts_of(data, limit)
    elif data[:8] == SIGNATURE:
        yield from png.parts_of(data, limit)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        yield from webp.parts_of(data, limit)
    elif data[:4] == b"GIF8":
        yield from gif.parts_of(data, limit)
    elif data[:2] == b"BM":
        yield from bmp.parts_of(data, limit)
    elif not is_raw(data):  # its first picture is a thumbnail
        yield from tiff.parts_of(data, limit)
