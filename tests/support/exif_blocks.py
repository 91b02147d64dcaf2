"""EXIF and XMP made by hand, and pictures of each kind that carry them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from PIL import Image

Entry = tuple[int, int, bytes]  # type, count, value in the order of bytes of the block
EXIF, GPS = 0x8769, 0x8825


def text(value: str | bytes) -> Entry:
    data = (value.encode() if isinstance(value, str) else value) + b"\0"
    return 2, len(data), data


def short(*values: int) -> Entry:
    return 3, len(values), struct.pack(f">{len(values)}H", *values)


def byte(value: int) -> Entry:
    return 1, 1, bytes([value])


def rationals(*values: tuple[int, int]) -> Entry:
    return 5, len(values), b"".join(struct.pack(">II", *value) for value in values)


def block(
    main: Mapping[int, Entry], exif: Mapping[int, Entry] | None = None, gps: Mapping[int, Entry] | None = None
) -> bytes:
    """Write a TIFF, most significant byte first, that holds directories and nothing else."""
    every = [(EXIF, exif or {}), (GPS, gps or {})]
    pointers = {tag: (4, 1, b"") for tag, entries in every if entries}
    out = bytearray(b"MM\0*\0\0\0\x08")
    begins: dict[int, int] = {}
    _directory(out, {**main, **pointers}, begins)
    for tag, entries in every:
        if entries:
            struct.pack_into(">I", out, begins[tag], len(out))
            _directory(out, entries, {})
    return bytes(out)


def _directory(out: bytearray, entries: Mapping[int, Entry], begins: dict[int, int]) -> None:
    at = len(out)
    out += struct.pack(">H", len(entries)) + bytes(12 * len(entries) + 4)
    for number, (tag, (kind, count, value)) in enumerate(sorted(entries.items())):
        place = at + 2 + 12 * number
        struct.pack_into(">HHI", out, place, tag, kind, count)
        begins[tag] = place + 8
        if len(value) <= 4:
            out[place + 8 : place + 8 + len(value)] = value
        else:
            struct.pack_into(">I", out, place + 8, len(out))
            out += value + b"\0" * (len(value) % 2)


def packet(**properties: str) -> bytes:
    """Write a packet of XMP; a double underscore in a name stands for the colon."""
    said = " ".join(f'{name.replace("__", ":")}="{value}"' for name, value in properties.items())
    return f'<x:xmpmeta><rdf:RDF><rdf:Description rdf:about="" {said}/></rdf:RDF></x:xmpmeta>'.encode()


def saved(kind: str, size: tuple[int, int] = (20, 10), **words: Any) -> bytes:
    """Write a picture."""
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 90)).save(out, kind, **words)
    return out.getvalue()


def jpeg(exif: bytes = b"", xmp: bytes = b"") -> bytes:
    """Write a JPEG with EXIF and XMP."""
    data = saved("JPEG")
    parts = ([b"Exif\0\0" + exif] if exif else []) + ([b"http://ns.adobe.com/xap/1.0/\0" + xmp] if xmp else [])
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in parts)
    return data[:2] + segments + data[2:]


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
