"""GIF whose first picture ends too early: its codes are counted, and others put behind them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from vstore.pictures.cut.part import Part

_EXTENSION, _PICTURE = 0x21, 0x2C
_LARGEST = 4096  # codes of a table


class _Read(NamedTuple):
    """The result of reading packed pixels. pixels: their number; bits: those of the codes; width: of the next code."""

    pixels: int
    bits: int
    width: int


def parts_of(data: bytes, limit: int) -> Iterator[Part]:
    """Put codes of one colour behind those that are there."""
    at = _begin(data)
    if at is None or at + 11 > len(data):
        return
    top, width, height, flags = struct.unpack_from("<HHHB", data, at + 3)
    screen = int.from_bytes(data[8:10], "little")
    at += 10 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    size = data[at] if at < len(data) else 0
    if not 1 < size < 9 or not 0 < width * height <= limit:
        return
    packed, ended = _blocks(data, at + 1)
    read = _codes(packed, size, width * height)
    if ended or read is None:
        return
    copy = data[: at + 1] + _packed(packed, read, size, width * height) + b"\0;"
    lines = read.pixels // width
    stop = _interlaced_lines(lines, height) if flags & 0x40 else lines
    yield Part((copy,), max(screen, top + height), 0, screen if stop == height else top + stop)


def _begin(data: bytes) -> int | None:
    """Find the first picture behind the extensions."""
    if len(data) < 13:
        return None
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while at + 2 < len(data) and data[at] == _EXTENSION:
        at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return at if at < len(data) and data[at] == _PICTURE else None


def _blocks(data: bytes, at: int) -> tuple[bytes, bool]:
    """Join the blocks of packed pixels. Returns: them, and whether they come to their end."""
    parts = []
    while at < len(data) and data[at]:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts), at < len(data)


def _codes(packed: bytes, size: int, most: int) -> _Read | None:
    """Count the pixels of the codes that are there. None if they are broken."""
    clear = 1 << size
    lengths = [1] * clear + [0, 0]
    width, before = size + 1, 0
    pixels = bits = 0
    window, held, at = 0, 0, 0
    while pixels < most:
        while held < width and at < len(packed):
            window |= packed[at] << held
            held, at = held + 8, at + 1
        if held < width:
            break
        code = window & (1 << width) - 1
        window, held = window >> width, held - width
        if code == clear + 1:
            break
        bits += width
        if code == clear:
            del lengths[clear + 2 :]
            width, before = size + 1, 0
            continue
        if code > len(lengths) or (code == len(lengths) and not before):
            return None
        if before and len(lengths) < _LARGEST:
            lengths.append(before + 1)
        if code >= len(lengths):
            return None
        before = lengths[code]
        pixels += before
        if len(lengths) == 1 << width and width < 12:
            width += 1
    return _Read(min(pixels, most), bits, width)


def _packed(packed: bytes, read: _Read, size: int, most: int) -> bytes:
    """Write the codes that were read, and others for the pixels that miss, in blocks."""
    run = max(1, (1 << size) - 2)  # so many codes let the table's codes stay as wide
    count = -(-(most - read.pixels) // run)
    block = f"{1 << size:0{(run + 1) * (size + 1)}b}"  # the code that clears the table, and codes of the first colour
    kept = int.from_bytes(packed[: (read.bits + 7) // 8], "little") & (1 << read.bits) - 1
    more = int(block * count, 2) << read.width | 1 << size if count else 0
    bits = read.bits + read.width + len(block) * count
    whole = (more << read.bits | kept).to_bytes((bits + 7) // 8, "little")
    return b"".join(bytes([len(part)]) + part for at in range(0, len(whole), 255) if (part := whole[at : at + 255]))


def _interlaced_lines(rows: int, height: int) -> int:
    """Count the lines from the top that are whole: the last of four passes holds every second one."""
    done = rows - (height + 1) // 2
    return min(height, 2 * done + 1) if done >= 0 else 0
