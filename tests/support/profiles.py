"""ICC profiles that vstore does not make itself."""

from __future__ import annotations

import struct

from PIL import Image, ImageCms


def cmyk_profile() -> bytes:
    """Write a profile of inks in pure colours, by a table of Lab with two steps for each of the four."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    table = b""
    for corner in range(16):
        cyan, magenta, yellow, black = (corner >> 3 & 1, corner >> 2 & 1, corner >> 1 & 1, corner & 1)
        level = 0.25 if black else 1.0  # black ink prints dark grey
        colour = tuple(round(255 * level * (1 - ink)) for ink in (cyan, magenta, yellow))
        pixel = Image.new("RGB", (1, 1), colour)
        light, a, b = ImageCms.profileToProfile(pixel, srgb, lab, outputMode="LAB").tobytes()
        table += struct.pack(">3B", light, (a + 128) % 256, (b + 128) % 256)
    identity = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9)))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + identity * 4 + table + identity * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    at = 132 + 24
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", at, len(white), b"A2B0", at + len(white), len(lut))
    size = at + len(white) + len(lut)
    head = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    head += b"\0" * (68 - len(head)) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + tags + white + lut
