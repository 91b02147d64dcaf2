"""The head of a JPEG XL: that of its stream, and the boxes of EXIF and XMP."""

from __future__ import annotations

from vstore.pictures.jxl import CODESTREAM, head_of
from vstore.pictures.metadata.boxes import boxes
from vstore.pictures.metadata.head import MOST_EXIF, MOST_XMP, Head
from vstore.pictures.readable import Readable


def read_jpeg_xl(data: Readable, head: Head) -> None:
    """Fill in the head. Boxes that are compressed are passed over."""
    if data[: len(CODESTREAM)] != CODESTREAM:
        for one in boxes(data):
            size = one.stop - one.at
            if one.name == b"Exif" and size <= MOST_EXIF and not len(head.exif):
                body = data[one.at : one.stop]
                head.exif = body[4 + int.from_bytes(body[:4], "big") :]
            elif one.name == b"xml " and size <= MOST_XMP:
                head.xmp = head.xmp or data[one.at : one.stop]
    found = head_of(data)
    if found is not None:
        head.width, head.height = found.size
        head.orientation = found.orientation
