"""ICC profiles: which of them say how the colours of a picture are meant, and new ones from primaries. Pure."""

from __future__ import annotations

import struct
from typing import NamedTuple

LARGEST = 1 << 24  # bytes; those of printers have up to 4 MB
_CLASSES = (
    b"mntr",
    b"scnr",
    b"prtr",
    b"spac",
)  # display, input, output, colour space: links and abstract ones are none
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

Pair = tuple[float, float]


class Primaries(NamedTuple):
    """The corners of a colour space, in CIE xy.

    red, green, blue: its primaries.
    white:            its white.
    """

    red: Pair
    green: Pair
    blue: Pair
    white: Pair


_D65 = (0.3127, 0.3290)
BT709 = Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)  # and sRGB
ADOBE_RGB = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)
DISPLAY_P3 = Primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), _D65)
BT2020 = Primaries((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), _D65)
PROPHOTO = Primaries((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), (0.3457, 0.3585))


def space_of(profile: bytes) -> str | None:
    """Read for which colours a profile is: GRAY, RGB, CMYK … None if it is no profile that says it."""
    if not 132 <= len(profile) <= LARGEST or profile[36:40] != b"acsp" or profile[12:16] not in _CLASSES:
        return None
    if profile[20:24] not in (b"XYZ ", b"Lab "):
        return None
    return profile[16:20].decode("latin-1").strip()


def rgb_profile(primaries: Primaries, gamma: float | None = None) -> bytes:
    """Make the profile of RGB with these primaries. gamma: of its curve; None for the curve of sRGB.

    Raises: ValueError for primaries that span no colours.
    """
    columns = colorants(primaries)
    curve = _curve(gamma)
    return _profile(
        b"RGB ",
        [
            *((name, _xyz(column)) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)),
            *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")),
        ],
    )


def grey_profile(gamma: float | None = None) -> bytes:
    """Make the profile of greys. gamma: as of `rgb_profile`."""
    return _profile(b"GRAY", [(b"kTRC", _curve(gamma))])


def colorants(primaries: Primaries) -> list[tuple[float, float, float]]:
    """Find XYZ of red, green and blue, adapted from their white to D50 as Bradford does."""
    import numpy as np

    if any(not 0 < y <= 1 for _, y in primaries):
        raise ValueError("a primary has no light")
    whole = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in primaries], np.float64).T
    corners, white = whole[:, :3], whole[:, 3]
    if abs(np.linalg.det(corners)) < 1e-6:
        raise ValueError("the primaries lie on one line")
    corners = corners * np.linalg.solve(corners, white)
    cones = np.array(_BRADFORD)
    scale = (cones @ np.array(_D50)) / (cones @ white)
    adapted = np.linalg.inv(cones) @ np.diag(scale) @ cones @ corners
    if not np.isfinite(adapted).all() or np.abs(adapted).max() > 16:
        raise ValueError("the primaries span no colours")
    return [(float(x), float(y), float(z)) for x, y, z in adapted.T]


def _curve(gamma: float | None) -> bytes:
    kind, numbers = (0, (gamma,)) if gamma is not None else (3, _SRGB_CURVE)
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + b"".join(map(_fixed, numbers))


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _profile(space: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    tags = [(b"wtpt", _xyz(_D50)), *tags]
    at = 128 + 4 + 12 * len(tags)
    table, body = [struct.pack(">I", len(tags))], b""
    for name, value in tags:
        table.append(name + struct.pack(">II", at + len(body), len(value)))
        body += value
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"\0" * 4, 0x04200000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    head += b"\0" * (68 - len(head)) + b"".join(map(_fixed, _D50))
    return head.ljust(128, b"\0") + b"".join(table) + body
