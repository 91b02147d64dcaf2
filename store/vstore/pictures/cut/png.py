"""PNG whose pixels end too early: they are unpacked as far as they go, and filled up with zeros."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from vstore.pictures.cut.part import Part
from vstore.pictures.pixels_only.png import SIGNATURE

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by its type
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_COLOURS = frozenset({b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP"})
_ABOUT = _COLOURS | {b"eXIf"}
_FEW = 8  # zeros with which packed data may end; more of them are those of a file that was made in its full size


class _Chunk(NamedTuple):
    name: bytes
    body: bytes


def parts_of(data: bytes, limit: int) -> Iterator[Part]:
    """Write the picture with all its lines. A chunk that is damaged and not the last one makes no copy.

    limit: pixels that a picture may have.
    """
    found = _chunks(data)
    if not found or found[0].name != b"IHDR" or len(found[0].body) != 13:
        return
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", found[0].body)
    if kind not in _SAMPLES or not 0 < width * height <= limit or interlaced > 1:
        return
    bits = depth * _SAMPLES[kind]
    passes = [_size(one, width, height, bits) for one in _PASSES] if interlaced else [((width * bits + 7) // 8, height)]
    total = sum((row + 1) * rows for row, rows in passes if row)
    there = _unpacked(b"".join(chunk.body for chunk in found if chunk.name == b"IDAT"), total)
    if there is None:
        return
    stop = _interlaced_lines(there, passes, height) if interlaced else len(there) // (passes[0][0] + 1)
    pixels = zlib.compress(_filled(there, passes), 1)
    for kept in (_ABOUT, _COLOURS & {b"tRNS"}):
        before = [chunk for chunk in found[1:] if chunk.name == b"PLTE" or chunk.name in kept]
        chunks = [found[0], *before, _Chunk(b"IDAT", pixels), _Chunk(b"IEND", b"")]
        yield Part((SIGNATURE + b"".join(map(_written, chunks)),), height, 0, stop)


def _chunks(data: bytes) -> list[_Chunk]:
    """Read the chunks up to the end of the pixels. Empty if one of those that make pixels is damaged."""
    filled = data.rstrip(b"\0")
    if len(data) - len(filled) > _FEW:
        data = filled
    found: list[_Chunk] = []
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body, end = data[at + 8 : at + 8 + size], at + 12 + size
        if found and found[-1].name == b"IDAT" and name != b"IDAT":
            return found
        if end > len(data):  # cut here
            return [*found, _Chunk(name, body)] if name == b"IDAT" else []
        if zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big"):
            found.append(_Chunk(name, body))
        elif not name[0] & 0x20:
            return []
        at = end
    return found


def _unpacked(packed: bytes, total: int) -> bytes | None:
    """Inflate what is there. None if it is broken, or nothing misses."""
    inflater = zlib.decompressobj()
    try:
        there = inflater.decompress(packed, total)
    except zlib.error:
        return None
    return there if not inflater.eof else None


def _size(place: tuple[int, int, int, int], width: int, height: int, bits: int) -> tuple[int, int]:
    """Return the bytes of a row of a pass of an interlaced picture, and its rows."""
    x, y, across, down = place
    pixels = (width - x + across - 1) // across if width > x else 0
    rows = (height - y + down - 1) // down if height > y else 0
    return (pixels * bits + 7) // 8, rows


def _interlaced_lines(there: bytes, passes: list[tuple[int, int]], height: int) -> int:
    """Count the lines from the top that are whole: the last pass holds every second one."""
    before = sum((row + 1) * rows for row, rows in passes[:-1] if row)
    row, rows = passes[-1]
    if len(there) < before:
        return 0
    done = min(rows, (len(there) - before) // (row + 1))
    return min(height, 2 * done + 1)


def _filled(there: bytes, passes: list[tuple[int, int]]) -> bytes:
    """Leave out the row that is cut, and add zeros in its place and in that of the rows that miss."""
    out: list[bytes] = []
    at = 0
    for row, rows in passes:
        if row:
            whole = min(rows, (len(there) - at) // (row + 1)) if at < len(there) else 0
            out += [there[at : at + whole * (row + 1)], bytes((rows - whole) * (row + 1))]
            at += rows * (row + 1)
    return b"".join(out)


def _written(chunk: _Chunk) -> bytes:
    name, body = chunk
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
