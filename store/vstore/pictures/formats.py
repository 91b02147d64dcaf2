"""The pictures that vstore reads, and how they are prepared for an embedder. Pure."""

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
MAX_SIDE = 512  # pixels of the longer side that an embedder is given
MAX_PIXELS = 178_956_970  # a picture that claims more is taken for a bomb: twice what Pillow warns at
IGNORED = "ignored"  # what a recipe says of the orientation where pictures are not turned upright
POLICY = 1  # raised whenever the same bytes would be prepared otherwise


def prepare_recipe(max_side: int = MAX_SIDE) -> dict[str, Any]:
    """The part of a space's recipe that says what an embedder is given. FORMAT.md spells it out."""
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
