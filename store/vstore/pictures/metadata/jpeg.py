"""The head of a JPEG: its segments up to the first scan."""

from __future__ import annotations

from vstore.pictures.metadata.head import MOST_EXIF, Head
from vstore.pictures.readable import Readable

_SCAN, _END, _APP1 = 0xDA, 0xD9, 0xE1
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_MOST_SEGMENTS = 10_000


def read_jpeg(data: Readable, head: Head, begin: int = 0) -> None:
    """Fill in the head. begin: of the picture in the file."""
    at, exif = begin + 2, b""
    for _ in range(_MOST_SEGMENTS):
        about = data[at : at + 4]
        if len(about) < 4:
            break
        if about[0] != 0xFF:  # bytes that nobody asked for
            at += 1
            continue
        marker = about[1]
        if marker in (0x00, 0xFF) or marker in _WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (_SCAN, _END):
            break
        size = (about[2] << 8) + about[3]
        if marker in _FRAMES:
            frame = data[at + 5 : at + 9]
            head.height, head.width = int.from_bytes(frame[:2], "big"), int.from_bytes(frame[2:], "big")
        elif marker == _APP1:
            body = data[at + 4 : at + 2 + size]
            if body.startswith(_EXIF) and len(exif) < MOST_EXIF:
                exif += body[len(_EXIF) :]  # of a long one, in several segments
            elif body.startswith(_XMP):
                head.xmp = head.xmp or body[len(_XMP) :]
        at += 2 + max(size, 2)
    head.exif = exif
