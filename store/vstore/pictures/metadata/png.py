"""The head of a PNG: its chunks but those of the pixels, which may stand behind these."""

from __future__ import annotations

import zlib

from vstore.pictures.metadata.head import MOST_EXIF, MOST_XMP, Head
from vstore.pictures.pixels_only.png import PROFILE, XMP, exif_of_text, xmp_of_text
from vstore.pictures.readable import Readable

_MOST_CHUNKS = 100_000


def read_png(data: Readable, head: Head) -> None:
    """Fill in the head."""
    at = 8
    for _ in range(_MOST_CHUNKS):
        about = data[at : at + 8]
        if len(about) < 8:
            break
        size, name = int.from_bytes(about[:4], "big"), about[4:]
        end = at + 12 + size
        if name == b"IHDR":
            body = data[at + 8 : at + 16]
            head.width, head.height = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:], "big")
        elif name == b"acTL":
            head.frames = int.from_bytes(data[at + 8 : at + 12], "big")
        elif name == b"eXIf" and size <= MOST_EXIF:
            head.exif = _body(data, at, end) or head.exif
        elif name in (b"tEXt", b"zTXt") and size <= MOST_XMP and data[at + 8 : at + 8 + len(PROFILE)] == PROFILE:
            head.exif = head.exif or exif_of_text(name, _body(data, at, end)).removeprefix(b"Exif\0\0")
        elif name == b"iTXt" and size <= MOST_XMP and data[at + 8 : at + 8 + len(XMP)] == XMP:
            head.xmp = xmp_of_text(name, _body(data, at, end))
        elif name == b"IEND":
            break
        at = end


def _body(data: Readable, at: int, end: int) -> bytes:
    """Return what a chunk holds; nothing if its checksum is wrong."""
    chunk = data[at + 4 : end]
    whole = zlib.crc32(chunk[:-4]) == int.from_bytes(chunk[-4:], "big")
    return chunk[4:-4] if whole else b""
