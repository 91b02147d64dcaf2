"""The head of a WebP: its chunks but those of the pixels."""

from __future__ import annotations

from vstore.pictures.metadata.head import MOST_EXIF, MOST_XMP, Head
from vstore.pictures.readable import Readable

_MOST_CHUNKS = 100_000


def read_webp(data: Readable, head: Head) -> None:
    """Fill in the head."""
    at, frames = 12, 0
    for _ in range(_MOST_CHUNKS):
        about = data[at : at + 18]
        if len(about) < 8:
            break
        name, size, body = about[:4], int.from_bytes(about[4:8], "little"), about[8:]
        if name == b"VP8X":
            head.width, head.height = _number(body[4:7]) + 1, _number(body[7:10]) + 1
        elif name == b"VP8 " and not head.width and body[3:6] == b"\x9d\x01\x2a":
            head.width, head.height = _number(body[6:8]) & 0x3FFF, _number(body[8:10]) & 0x3FFF
        elif name == b"VP8L" and not head.width and body[:1] == b"\x2f":
            bits = _number(body[1:5])
            head.width, head.height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        elif name == b"ANMF":
            frames += 1
        elif name == b"EXIF" and size <= MOST_EXIF:
            head.exif = head.exif or data[at + 8 : at + 8 + size].removeprefix(b"Exif\0\0")
        elif name == b"XMP " and size <= MOST_XMP:
            head.xmp = head.xmp or data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    else:
        return
    head.frames = frames


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
