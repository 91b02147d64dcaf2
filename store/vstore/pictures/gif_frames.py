"""Counts the frames of a GIF that lie within its screen: Pillow would make room for any that does not. Pure."""

from __future__ import annotations

import re
import struct

_PADDING = re.compile(rb"\0*")
_EXTENSION, _PICTURE = 0x21, 0x2C
_HEAD = 13  # bytes of signature and screen


def frames_within(data: bytes, most: int) -> int:
    """Count the frames before the first that does not lie within the screen, or cannot be found; up to `most`."""
    if len(data) < _HEAD:
        return 0
    width, height = struct.unpack_from("<HH", data, 6)
    at = _HEAD + _colours(data[10])
    found = 0
    while found < most and at + 10 < len(data):
        if data[at] == _EXTENSION:
            at = _behind(data, at + 2)
        elif data[at] == _PICTURE:
            left, top, wide, high = struct.unpack_from("<4H", data, at + 1)
            if left + wide > width or top + high > height:
                break
            found += 1
            at = _behind(data, at + 11 + _colours(data[at + 9]))
        elif data[at] == 0:
            at = _PADDING.match(data, at).end()  # type: ignore[union-attr]
        else:
            break
    return found


def _colours(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind(data: bytes, at: int) -> int:
    """Find the end of blocks: size, data; the last one has the size 0."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1
