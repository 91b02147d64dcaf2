"""Opens JPEG 2000, and refuses what Pillow reads wrong: white of deep colours is black to it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from vstore.pictures.failures import PictureFailure

if TYPE_CHECKING:
    from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

_SIZE = b"\xff\x4f\xff\x51"  # markers that begin a picture: codestream, size
_COUNT_AT, _DEPTHS_AT = 40, 42  # from them on: bytes to the number of channels, to the three bytes of each
_SIGNED = 0x80


def open_jpeg_2000(factory: Any, data: bytes) -> Jpeg2KImageFile:
    """Open a JPEG 2000 with Pillow's factory. Raises: PictureFailure for a kind that is not read; any error of it."""
    at = data.find(_SIZE)
    count = int.from_bytes(data[at + _COUNT_AT : at + _DEPTHS_AT], "big")
    depths = data[at + _DEPTHS_AT : at + _DEPTHS_AT + 3 * count : 3]
    bits = max(((one & ~_SIGNED) + 1 for one in depths), default=8)
    signed = any(one & _SIGNED for one in depths)
    if signed or (bits > 8 and count > 1):
        what = f"{count} × {bits} bit {'signed' if signed else 'unsigned'}"
        reason = f"this kind of JPEG 2000 is not read ({what}); save it with 8 bits"
        raise PictureFailure("not_an_image", reason)
    picture: Jpeg2KImageFile = factory(io.BytesIO(data), "")
    return picture
