"""The file extensions that vstore reads, its limits, and the default preparation. Pure."""

from __future__ import annotations

from typing import Any

EXTENSIONS = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".apng",
        ".webp",
        ".gif",
        ".tif",
        ".tiff",
        ".bmp",
        ".dib",
        ".avif",
        ".heic",
        ".heif",
        ".hif",
    ]
)
MAX_SIDE = 512  # pixels of the longer side of a prepared picture
MAX_PIXELS = 178_956_970  # larger pictures count as bombs: twice the size at which Pillow warns
IGNORED = "ignored"  # the orientation in a recipe whose pictures are not turned upright
POLICY = 1  # raised whenever the same bytes would be prepared differently
READING = 3  # raised whenever other files decode than before: known failures are tried again


def prepare_recipe(max_side: int = MAX_SIDE) -> dict[str, Any]:
    """Return the part of a space's recipe that describes the preparation. FORMAT.md has the meaning of each field."""
    return {
        "policy": POLICY,
        "max_side": max_side,
        "resample": "lanczos",
        "reducing_gap": 2.0,
        "orientation": "exif, after the resize",
        "mode": "RGB",
        "alpha": "over white",
        "deep": "16 bit by 1/257",
        "frame": 0,
    }
