"""The file extensions that vstore reads, and its limits. Pure."""

from __future__ import annotations

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
MAX_PIXELS = 178_956_970  # larger pictures count as bombs: twice the size at which Pillow warns
READING = 3  # raised whenever other files decode than before: known failures are tried again
