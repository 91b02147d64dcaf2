"""PNG without its ancillary chunks: text, profiles, dates, animation. Transparency stays."""

from __future__ import annotations

import binascii
import struct
import zlib

from vstore.pictures.pixels_only.orientation import exif_of, orientation_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PROFILE, XMP = b"Raw profile type exif\0", b"XML:com.adobe.xmp\0"
_TEXT = 1 << 20  # bytes of a compressed text; Pillow's limit is the same


def copy_of(data: bytes) -> bytes | None:
    """Copy the chunks that make pixels. A critical chunk that is damaged or cut makes no copy.

    One chunk that is cut may stand at the end: what misses then is the text behind the pixels.
    """
    kept: list[bytes] = []
    pixels, name = False, b""
    exif = profile = xmp = (b"", b"")  # the last chunk of each kind, as Pillow takes it: name, body
    at = len(SIGNATURE)
    while at + 12 <= len(data) and name != b"IEND":
        size = int.from_bytes(data[at : at + 4], "big")
        name, end = data[at + 4 : at + 8], at + 12 + size
        whole = end <= len(data) and _has_right_checksum(data, at, end)
        if name == b"tRNS" or not name[0] & 0x20:
            if not whole:
                return None
            kept.append(data[at:end])
            pixels = pixels or name == b"IDAT"
        elif whole and name == b"eXIf":
            exif = name, data[at + 8 : end - 4]
        elif whole and data.startswith(PROFILE, at + 8, end):
            profile = name, data[at + 8 : end - 4]
        elif whole and data.startswith(XMP, at + 8, end):
            xmp = name, data[at + 8 : end - 4]
        at = end
    if not pixels:
        return None
    orientation = orientation_of(exif[1] or exif_of_text(*profile), xmp_of_text(*xmp))
    turned = [_chunk(b"eXIf", exif_of(orientation))] if orientation != 1 else []
    end_of_file = [] if name == b"IEND" else [_chunk(b"IEND", b"")]
    return b"".join([SIGNATURE, kept[0], *turned, *kept[1:], *end_of_file])


def _has_right_checksum(data: bytes, at: int, end: int) -> bool:
    return zlib.crc32(memoryview(data)[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def exif_of_text(name: bytes, body: bytes) -> bytes:
    """Return the EXIF of a text in hexadecimal, as ImageMagick writes it."""
    if name not in (b"tEXt", b"zTXt"):
        return b""
    text = body[len(PROFILE) :]
    lines = (_inflated(text[1:]) if name == b"zTXt" else text).split(b"\n", 3)
    try:
        return binascii.unhexlify(lines[-1].replace(b"\n", b""))
    except ValueError:
        return b""


def xmp_of_text(name: bytes, body: bytes) -> bytes:
    """Return the packet of XMP in a text chunk; nothing if there is none."""
    if name != b"iTXt":
        return b""
    rest = body[len(XMP) :]  # compressed or not, method, language, keyword, text
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
