"""The file extensions that vstore reads, its limits, and the default preparation. Pure."""

from __future__ import annotations

from typing import Any

from vstore.packages import JXL, RAW, Package
from vstore.pictures.raw_kinds import EXTENSIONS as RAW_EXTENSIONS

_JPEG = ".jpg .jpeg .jpe .jfif .mpo .pjpeg .pjp .jpg_large .jpg-large .jpg_orig .jfif-tbnl .jps .insp"
_JPEG_2000 = ".jp2 .j2k .j2c .jpc .jpf .jpx"
_OTHER = ".png .apng .webp .gif .tif .tiff .bmp .dib .avif .heic .heif .hif"
OPTIONAL: dict[str, Package] = {**dict.fromkeys(RAW_EXTENSIONS, RAW), ".jxl": JXL}
"""Extensions of pictures that are not opened without a package."""
EXTENSIONS = frozenset((*f"{_JPEG} {_JPEG_2000} {_OTHER}".split(), *OPTIONAL))
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
