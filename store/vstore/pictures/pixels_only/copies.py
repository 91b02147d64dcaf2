"""Chooses how a picture is copied without what makes no pixels, by its first bytes."""

from __future__ import annotations

from collections.abc import Iterator

from vstore.pictures.pixels_only import avif, gif, jpeg, png, tiff, webp
from vstore.pictures.raw_kinds import is_raw


def copies_of(data: bytes) -> Iterator[bytes]:
    """Copy a picture that could not be decoded, without what makes no pixels. Its orientation is kept.

    Yields: copies that count only if all of them decode to the same pixels; none where there is nothing to leave out.
    """
    if data[:3] == b"\xff\xd8\xff":
        yield from jpeg.copies_of(data)
        return
    copy = None
    if data[:8] == png.SIGNATURE:
        copy = png.copy_of(data)
    elif data[4:12] in (b"ftypavif", b"ftypavis", b"ftypmif1"):
        copy = avif.copy_of(data)
    elif data[:4] == b"GIF8":
        copy = gif.copy_of(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        copy = webp.copy_of(data)
    elif data[:4] in tiff.HEADS and not is_raw(data):  # whose first directory alone is a thumbnail
        copy = tiff.copy_of(data)
    if copy is not None and copy != data:
        yield copy
