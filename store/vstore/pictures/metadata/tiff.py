"""The head of a TIFF, and of RAW files that are one."""

from __future__ import annotations

from vstore.pictures.metadata.head import Head
from vstore.pictures.metadata.jpeg import read_jpeg
from vstore.pictures.metadata.tiff_tags import HEADS, Tiff
from vstore.pictures.raw_kinds import sensor_size
from vstore.pictures.readable import Readable

_WIDTH, _HEIGHT = 256, 257
_FUJIFILM, _PREVIEW_AT = b"FUJIFILMCCD-RAW", 84


def read_tiff(data: Readable, head: Head) -> None:
    """Fill in the head: that of the first picture."""
    head.exif = data
    tiff = Tiff(data)
    first = tiff.directory(tiff.first, (_WIDTH, _HEIGHT))
    head.width = tiff.integer(first.get(_WIDTH)) or 0
    head.height = tiff.integer(first.get(_HEIGHT)) or 0


def read_raw(data: Readable, head: Head) -> None:
    """Fill in the head: sizes of what the sensor saw, where a directory tells; metadata of the file or its preview."""
    if data[: len(_FUJIFILM)] == _FUJIFILM:
        preview = Head("JPEG")
        read_jpeg(data, preview, int.from_bytes(data[_PREVIEW_AT : _PREVIEW_AT + 4], "big"))
        head.exif, head.xmp = preview.exif, preview.xmp
    elif data[:4] in HEADS:
        head.exif = data
        head.width, head.height = sensor_size(data)
