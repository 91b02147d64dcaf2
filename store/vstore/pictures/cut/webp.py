"""WebP whose pixels end too early: what comes out the same whatever follows. Of an animation, its first frame."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from vstore.pictures.cut.part import Part

_MACRO = 16  # lines of a row of blocks
_FILTERED = 8  # lines above a row that its filter changes, with those of the colours
_AFTER = 0x08 | 0x04  # flags: EXIF and XMP, which stand behind the pixels
_LEAST = 1024  # bytes that are added to the smallest picture
_LOSSLESS = (b"\x00", b"\xff", b"\x55", b"\xaa", b"\x33")  # most other data is no picture for its decoder
_FILLINGS = (b"\x55\xaa\x13", b"\x96\x69\x5a\xa5\x3c", b"\xc7\x31\x0e\x8d\x72\xf5\x19")


def parts_of(data: bytes, limit: int) -> Iterator[Part]:
    """Fill up the chunk of the pixels in several ways."""
    kept: list[bytes] = []
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        if len(body) < size:
            width, height = _size(name, body)
            if 0 < width * height <= limit and (name == b"VP8L" or _is_in_one_piece(body)):
                noises = _FILLINGS if name == b"VP8 " else _FILLINGS + _LOSSLESS
                fillings = (_filled(body, noise, 4 * width * height + _LEAST) for noise in noises)
                copies = (_file([*kept, _chunk(name, whole)]) for whole in fillings)  # one at a time: they are large
                yield Part(copies, height, 0, height, compared=True, settled=_settled if name == b"VP8 " else _whole)
            elif name in (b"ANMF", b"EXIF", b"XMP ") and (height := _first_frame(kept)):
                yield Part((_file(kept),), height, 0, height)
            return
        kept.append(data[at : at + 8 + size + size % 2])
        at += 8 + size + size % 2


def _settled(differs: int) -> int:
    return max(0, (differs + _FILTERED) // _MACRO * _MACRO - _FILTERED)


def _whole(differs: int) -> int:
    return differs


def _filled(body: bytes, noise: bytes, missing: int) -> bytes:
    """Add data: more than what misses, as a decoder that comes to its end fails; not as much as a damaged head asks."""
    return body + (noise * (missing // len(noise) + 1))[:missing]


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _file(chunks: list[bytes]) -> bytes:
    if chunks[0][:4] == b"VP8X":
        first = chunks[0]
        chunks = [first[:8] + bytes([first[8] & ~_AFTER]) + first[9:], *chunks[1:]]
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _size(name: bytes, body: bytes) -> tuple[int, int]:
    """Read width and height from the head of the pixels; 0 where they do not tell."""
    if name == b"VP8 " and body[3:6] == b"\x9d\x01\x2a" and len(body) >= 10:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if name == b"VP8L" and body[:1] == b"\x2f" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return 0, 0


def _is_in_one_piece(body: bytes) -> bool:
    """Tell whether the first partition, which holds the kinds of all blocks, is there."""
    return len(body) > 10 + (int.from_bytes(body[:3], "little") >> 5)


def _first_frame(kept: list[bytes]) -> int:
    """Return the lines of an animation whose first frame is there; else 0."""
    if not any(chunk[:4] in (b"ANMF", b"VP8 ", b"VP8L") for chunk in kept) or kept[0][:4] != b"VP8X":
        return 0
    return int.from_bytes(kept[0][15:18], "little") + 1
