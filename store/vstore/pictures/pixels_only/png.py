"""PNG without its ancillary chunks: text, profiles, dates, animation. Transparency stays."""

from __future__ import annotations

import binascii
import struct
import zlib

from vstore.pictures.pixels_only.orientation import exif_of, orientation_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT = 1 << 20  # bytes of a compressed text; Pillow's limit is the same


def copy_of(data: bytes) -> bytes | None:
    """Copy the chunks that make pixels. A critical chunk that is damaged or cut makes no copy.

    One chunk that is cut may stand at the end: what misses then is the text behind the pixels.
    """
    kept: list[bytes] = []
    names: list[bytes] = []
    exif = xmp = b""
    at = len(SIGNATURE)
    while at + 12 <= len(data) and b"IEND" not in names:
        size = int.from_bytes(data[at : at + 4], "big")
        name, end = data[at + 4 : at + 8], at + 12 + size
        ancillary = bool(name[0] & 0x20)
        whole = end <= len(data) and _has_right_checksum(data, at, end)
        if name == b"tRNS" or not ancillary:
            if not whole:
                return None
            kept.append(data[at:end])
            names.append(name)
        elif whole:
            body = data[at + 8 : end - 4]
            exif = _exif(name, body) or exif
            xmp = _xmp(name, body) or xmp
        at = end
    if b"IDAT" not in names:
        return None
    orientation = orientation_of(exif, xmp)
    turned = [_chunk(b"eXIf", exif_of(orientation))] if orientation != 1 else []
    end_of_file = [] if names[-1] == b"IEND" else [_chunk(b"IEND", b"")]
    return b"".join([SIGNATURE, kept[0], *turned, *kept[1:], *end_of_file])


def _has_right_checksum(data: bytes, at: int, end: int) -> bool:
    return zlib.crc32(memoryview(data)[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _exif(name: bytes, body: bytes) -> bytes:
    """Return the EXIF of a chunk: its own, or the hexadecimal text that ImageMagick writes."""
    if name == b"eXIf":
        return b"Exif\0\0" + body
    if name not in (b"tEXt", b"zTXt") or not body.startswith(b"Raw profile type exif\0"):
        return b""
    text = body.partition(b"\0")[2]
    lines = (_inflated(text[1:]) if name == b"zTXt" else text).split(b"\n")
    try:
        return binascii.unhexlify(b"".join(lines[3:]))
    except ValueError:
        return b""


def _xmp(name: bytes, body: bytes) -> bytes:
    if name != b"iTXt" or not body.startswith(b"XML:com.adobe.xmp\0"):
        return b""
    rest = body.partition(b"\0")[2]  # compressed or not, method, language, keyword, text
    text = rest[2:].split(b"\0", 2)[-1]
    return _inflated(text) if rest[:1] == b"\1" else text


def _inflated(packed: bytes) -> bytes:
    """Inflate a text, or return nothing where it is broken or too long."""
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(packed, _TEXT)
    except zlib.error:
        return b""
    return b"" if inflater.unconsumed_tail else text
