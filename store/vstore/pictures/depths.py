"""The scale of deep samples: what becomes 255 of 8 bits. Pure."""

from __future__ import annotations


def scale_of(bits: int, top: float, *, floats: bool) -> float:
    """Return what samples are multiplied by, so that white is 255: integers by the range of their bits, up to 16.

    bits: of one sample.
    top:  the largest sample of all colours of the picture.
    """
    if floats:
        return 255.0 if top <= 1.0 else 1.0 if top <= 255.0 else 255.0 / top
    if bits < 16:
        return 255 / ((1 << bits) - 1)
    return 1 / 257 if top <= 65535.0 else 255.0 / top
