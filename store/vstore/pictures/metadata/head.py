"""The head of a picture, as its container gives it."""

from __future__ import annotations

from dataclasses import dataclass

from vstore.pictures.readable import Readable

MOST_EXIF = 1 << 22  # bytes; larger blocks are not looked at
MOST_XMP = 1 << 20


@dataclass(slots=True)
class Head:
    """The head of a picture, filled in as it is read; 0 and no bytes stand for what it does not say.

    format:      Pillow's name.
    width:       pixels, before it is turned.
    height:      the same.
    frames:      pictures of an animation.
    orientation: how the container turns it, as a number of EXIF: that of EXIF does not count then.
    exif:        a TIFF that holds EXIF.
    exif_at:     where in `exif` it begins.
    xmp:         a packet.
    """

    format: str
    width: int = 0
    height: int = 0
    frames: int = 0
    orientation: int = 0
    exif: Readable = b""
    exif_at: int = 0
    xmp: bytes = b""
