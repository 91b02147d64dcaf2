"""The head of a BMP, with its file header or, as a DIB, without it."""

from __future__ import annotations

import struct

from vstore.pictures.metadata.head import Head
from vstore.pictures.readable import Readable

SIZES = (12, 16, 40, 52, 56, 64, 108, 124)  # of the header, which tell the kinds apart


def read_bmp(data: Readable, head: Head) -> None:
    """Fill in the head."""
    _read(data, head, 14)


def read_dib(data: Readable, head: Head) -> None:
    """Fill in the head."""
    _read(data, head, 0)


def _read(data: Readable, head: Head, at: int) -> None:
    (size,) = struct.unpack("<I", data[at : at + 4])
    if size == 12:
        head.width, head.height = struct.unpack("<HH", data[at + 4 : at + 8])
    elif size in SIZES:
        width, height = struct.unpack("<ii", data[at + 4 : at + 12])  # of one that begins at the top, below zero
        head.width, head.height = width, abs(height)
