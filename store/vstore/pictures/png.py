"""Opens PNG, with its transparent colour as deep as the pixels that Pillow makes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_DEPTH = 24  # place of the bit depth in a file


def open_png(factory: Any, data: bytes) -> ImageFile:
    """Open a PNG with Pillow's factory.

    Pillow leaves the transparent colour as it stands in the file, and makes 8 bits of 2, 4 and, in colour, of 16.
    Raises: any error of the decoder.
    """
    picture: ImageFile = factory(io.BytesIO(data), "")
    clear = picture.info.get("transparency")
    if picture.mode == "L" and data[_DEPTH] < 8 and isinstance(clear, int):
        picture.info["transparency"] = clear * 255 // ((1 << data[_DEPTH]) - 1)
    elif picture.mode == "RGB" and data[_DEPTH] == 16 and isinstance(clear, tuple):
        picture.info["transparency"] = tuple(value >> 8 for value in clear)
    return picture
