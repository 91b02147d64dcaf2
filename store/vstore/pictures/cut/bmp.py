"""BMP that ends too early. Most are stored from their last line to their first."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from vstore.pictures.cut.part import Part

_PLAIN = frozenset({0, 3, 6})  # compressions that are none: each line has its place


def parts_of(data: bytes, limit: int) -> Iterator[Part]:
    """Add zeros in the place of the lines that miss. A compressed BMP makes no copy: its lines have no places."""
    try:
        (begin, head) = struct.unpack_from("<II", data, 10)
        if head == 12:
            width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
            compression = 0
        else:
            width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    except struct.error:
        return
    lines = abs(height)
    if compression not in _PLAIN or not 0 < width * lines <= limit or len(data) < begin:
        return
    line = (width * bits + 31) // 32 * 4
    there = (len(data) - begin) // line if line else lines
    if there >= lines:
        return
    copy = data[: begin + there * line] + bytes((lines - there) * line)
    yield Part((copy,), lines, *((0, there) if height < 0 else (lines - there, lines)))
