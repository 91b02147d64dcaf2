"""Brings pictures of any mode to 8 bits, their colours as they are coded and their transparency beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.pictures.colours import grey_of, opacity_of

if TYPE_CHECKING:
    from PIL.Image import Image

_OPAQUE = ("RGB", "L", "CMYK", "LAB")
_WHOLE = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA", "1": "L"}


def layers(picture: Image) -> Image:
    """Turn a picture into RGB, L, CMYK or LAB, or into RGBA or LA where it has transparency. No colour is converted."""
    if picture.mode.startswith(("I", "F")):
        grey, opacity = grey_of(picture), opacity_of(picture)
        if opacity is None:
            return grey
        from PIL.Image import merge

        return merge("LA", (grey, opacity))
    if "transparency" in picture.info and picture.mode not in ("RGBA", "LA", "PA", "La", "RGBa"):
        return picture.convert("LA" if picture.mode in ("L", "1") else "RGBA")
    if picture.mode in (*_OPAQUE, "RGBA", "LA"):
        return picture
    return picture.convert(_WHOLE.get(picture.mode, "RGB"))
