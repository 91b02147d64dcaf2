"""The head of a JPEG 2000, in its boxes or as a bare stream."""

from __future__ import annotations

import struct

from vstore.pictures.metadata.boxes import box, boxes
from vstore.pictures.metadata.head import MOST_EXIF, MOST_XMP, Head
from vstore.pictures.readable import Readable

_STREAM = b"\xff\x4f\xff\x51"
_EXIF, _XMP = b"JpgTiffExif->JP2", bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # names of boxes `uuid`


def read_jpeg_2000(data: Readable, head: Head) -> None:
    """Fill in the head."""
    if data[:4] == _STREAM:
        right, low, left, top = struct.unpack(">IIII", data[8:24])
        head.width, head.height = max(0, right - left), max(0, low - top)
        return
    for one in boxes(data):
        size = one.stop - one.at - 16
        if one.name == b"jp2h" and (about := box(data, b"ihdr", one.at, one.stop)) is not None:
            head.height, head.width = struct.unpack(">II", data[about.at : about.at + 8])
        elif one.name == b"uuid" and data[one.at : one.at + 16] == _EXIF and size <= MOST_EXIF:
            head.exif = head.exif or data[one.at + 16 : one.stop]
        elif one.name == b"uuid" and data[one.at : one.at + 16] == _XMP and size <= MOST_XMP:
            head.xmp = head.xmp or data[one.at + 16 : one.stop]
