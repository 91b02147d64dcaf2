"""The orientation of a picture, out of metadata that may be damaged."""

from __future__ import annotations

import re
import struct

_TAG = 0x0112
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')  # as Pillow reads it


def orientation_of(exif: bytes, xmp: bytes) -> int:
    """Read the orientation, 1 to 8: of EXIF, or of XMP where EXIF has none. 1 where neither can be read."""
    from PIL.Image import Exif

    value = None
    try:
        read = Exif()
        read.load(exif)
        value = read.get(_TAG)
    except Exception:  # whatever its parser stumbles over
        pass
    if value is None and (found := _XMP.search(xmp)):
        value = int(found[1])
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def exif_of(orientation: int) -> bytes:
    """Make EXIF that holds an orientation alone, without the name that JPEG puts before it."""
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, _TAG, 3, 1, orientation, 0, 0)
