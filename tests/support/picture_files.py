"""Pictures written by their specifications alone, for what no library writes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def packed(values: Pixels, bits: int, order: str = ">", turned: bool = False) -> bytes:
    """Pack lines of values, each line to whole bytes. turned: the first pixel stands in the lowest bit."""
    lines = values.reshape(len(values), -1).astype(np.int64)
    if bits in (16, 32):
        return lines.astype(f"{order}u{bits // 8}").tobytes()
    single = (lines[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(single.reshape(len(lines), -1).astype(np.uint8), axis=1)
    if turned:
        rows = np.packbits(np.unpackbits(rows, axis=1).reshape(*rows.shape, 8)[..., ::-1], axis=2)[..., 0]
    return rows.tobytes()


def tiff_file(
    size: tuple[int, int],
    bits: Sequence[int],
    strips: Iterable[bytes],
    photometric: int,
    *,
    order: str = "<",
    more: Mapping[int, tuple[int, Sequence[int]]] | None = None,
) -> bytes:
    """Make an uncompressed TIFF.

    strips: with separate planes, all of one plane before those of the next.
    more:   further tags, or others than the usual: tag -> (type, values).
    """
    width, height = size
    strips = list(strips)
    usual = {259: (3, [1]), 277: (3, [len(bits)]), 278: (3, [height])}
    tags: dict[int, tuple[int, Sequence[int]]] = {256: (3, [width]), 257: (3, [height]), 258: (3, bits), **usual}
    tags |= {262: (3, [photometric]), **(more or {})}
    body, places = b"", []
    for strip in strips:
        places.append(8 + len(body))
        body += strip + b"\0" * (len(strip) % 2)
    tags |= {273: (4, places), 279: (4, [len(strip) for strip in strips])}
    at, directory, values = 8 + len(body) + 6 + 12 * len(tags), b"", b""
    for tag, (kind, numbers) in sorted(tags.items()):
        raw = struct.pack(f"{order}{len(numbers)}{'HI'[kind - 3]}", *numbers)
        place = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack(order + "I", at + len(values))
        values += raw + b"\0" * (len(raw) % 2) if len(raw) > 4 else b""
        directory += struct.pack(order + "HHI", tag, kind, len(numbers)) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body))
    return head + body + struct.pack(order + "H", len(tags)) + directory + bytes(4) + values


def chunk(name: bytes, body: bytes, damage: int = 0) -> bytes:
    """Make a chunk of a PNG. damage: is laid over its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ damage)


def png_file(
    values: Pixels, depth: int, kind: int, *, interlaced: bool = False, chunks: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    """Make a PNG of values (height, width, channels), as deep as depth."""
    height, width = values.shape[:2]
    data = b""
    for top, left, down, right in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        part = values[top::down, left::right]
        if part.size:
            rows = packed(part, depth)
            each = len(rows) // len(part)
            data += b"".join(b"\0" + rows[at : at + each] for at in range(0, len(rows), each))
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in parts)


def segment(marker: int, body: bytes) -> bytes:
    """Make a segment of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body
