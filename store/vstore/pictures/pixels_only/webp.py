"""WebP without its EXIF, XMP and colour profile, with the right lengths."""

from __future__ import annotations

import struct

from vstore.pictures.pixels_only.orientation import exif_of, orientation_of

_PIXELS = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})
_PROFILE, _EXIF, _XMP = 0x20, 0x08, 0x04  # flags of VP8X


def copy_of(data: bytes) -> bytes | None:
    """Copy the chunks that make pixels. One of them that is cut makes no copy."""
    order: list[tuple[bytes, bytes]] = []
    exif = xmp = b""
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        if name in _PIXELS:
            if len(body) < size:
                return None
            order.append((name, body))
        elif name == b"EXIF":
            exif = exif or body
        elif name == b"XMP ":
            xmp = xmp or body
        at += 8 + size + size % 2
    if not {name for name, _ in order} & {b"VP8 ", b"VP8L", b"ANMF"}:
        return None
    orientation = orientation_of(exif, xmp)
    if order[0][0] == b"VP8X" and order[0][1]:
        flags = order[0][1][0] & ~(_PROFILE | _EXIF | _XMP)
        if orientation != 1:
            flags |= _EXIF
            order.append((b"EXIF", exif_of(orientation)))
        order[0] = (b"VP8X", bytes([flags]) + order[0][1][1:])
    chunks = b"".join(name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for name, body in order)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks
