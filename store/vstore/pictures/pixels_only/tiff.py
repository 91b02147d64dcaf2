"""TIFF with the tags of its first picture that make pixels, and nothing behind it."""

from __future__ import annotations

import struct

HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PIXELS = frozenset(
    [
        *range(254, 260),  # kind, width, height, bits, compression
        *(262, 266, 273, 274, 277, 278, 279, 284),  # photometric, fill order, strips, orientation, samples, planes
        *(290, 291, 292, 293, 301, 317, 320),  # response, fax options, predictor, colours
        *range(322, 326),  # tiles
        *(332, 333, 334, 336, 338, 339, 340, 341, 347),  # inks, extra samples, sample format and range, JPEG tables
        *range(512, 522),  # old JPEG
        *range(529, 533),  # YCbCr
    ]
)


def copy_of(data: bytes) -> bytes | None:
    """Copy a TIFF with a shorter directory in the place of its first one. A directory that is cut makes no copy."""
    order = "<" if data[:1] == b"I" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    count, place = struct.Struct(order + ("Q" if big else "H")), struct.Struct(order + ("Q" if big else "I"))
    try:
        (first,) = place.unpack_from(data, 8 if big else 4)
        (entries,) = count.unpack_from(data, first)
    except struct.error:
        return None
    each = 20 if big else 12
    begin = first + count.size
    end = begin + each * entries + place.size
    if end > len(data):
        return None
    tags = [data[at : at + each] for at in range(begin, begin + each * entries, each)]
    kept = [tag for tag in tags if struct.unpack_from(order + "H", tag)[0] in PIXELS]
    directory = count.pack(len(kept)) + b"".join(kept)
    return data[:first] + directory + bytes(end - first - len(directory)) + data[end:]
