"""AVIF whose EXIF is not looked at: its own boxes turn it."""

from __future__ import annotations

import re

# The entry of an item: version 2 or 3, flags, its number in 2 or 4 bytes, its protection, its type.
_EXIF = re.compile(rb"infe(?:\x02.{3}.{2}|\x03.{3}.{4}).{2}Exif", re.DOTALL)


def copy_of(data: bytes) -> bytes | None:
    """Copy an AVIF with the item of its EXIF named as one that nobody reads. Offsets in the file stay right."""
    at = 0
    while at + 8 <= len(data):  # boxes: size, name
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if name == b"meta":
            about = data[at : at + size]
            return data[:at] + _EXIF.sub(lambda found: found[0][:-4] + b"skip", about) + data[at + size :]
        if size < 8:
            return None
        at += size
    return None
