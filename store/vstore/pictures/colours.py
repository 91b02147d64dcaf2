"""Turns pictures of any mode into RGB as a person would see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.pictures.depths import scale_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

_BITS, _PHOTOMETRIC, _FORMAT = 0x0102, 0x0106, 0x0153  # tags of TIFF
_BAND = 256  # lines


def rgb(picture: Image) -> Image:
    """Turn a picture into RGB: transparency over white, deep greys scaled, not clipped."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith(("I", "F")):
        grey, opacity = grey_of(picture), opacity_of(picture)
        if opacity is not None:
            from PIL.Image import new

            white = new("L", grey.size, 255)
            white.paste(grey, mask=opacity)
            grey = white
        return grey.convert("RGB")
    if picture.mode == "La":  # grey multiplied by its opacity, which Pillow turns into nothing else
        picture = picture.convert("LA")
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        from PIL.Image import new

        clear = picture.convert("RGBA")
        white = new("RGB", clear.size, (255, 255, 255))
        white.paste(clear, mask=clear)
        return white
    if picture.mode == "LAB":
        return _from_lab(picture)
    return picture.convert("RGB")


def opacity_of(picture: Image) -> Image | None:
    """Find where a picture of 16 bit greys is opaque: 255, and 0 at its transparent grey. None if it has none."""
    clear = picture.info.get("transparency")
    if picture.mode != "I;16" or not isinstance(clear, int):
        return None
    import numpy as np
    from PIL.Image import fromarray

    opaque = np.asarray(picture) != clear
    return fromarray(opaque.view(np.uint8) * np.uint8(255))


def grey_of(picture: Image) -> Image:
    """Scale greys to 8 bits: 12 and 16 bits by their range, wider integers by the largest value, floats from 0 to 1,
    or by the largest value where it is above 1."""
    import numpy as np
    from PIL.Image import fromarray

    tags = getattr(picture, "tag_v2", {})
    values = np.asarray(picture)
    if picture.mode == "I" and tags.get(_BITS) == (32,) and tags.get(_FORMAT, (1,)) == (1,):
        values = values.view(np.uint32)  # which Pillow reads as signed
    grey = np.empty(values.shape, np.uint8)
    # In bands: a picture may have 178 million pixels, which are 1.4 GB as float64.
    bands = [slice(at, at + _BAND) for at in range(0, len(values), _BAND)]
    top = max(float(_finite(values[band]).max()) for band in bands)
    bits = 12 if tags.get(_BITS) == (12,) else 16
    scale = scale_of(bits, top, floats=picture.mode == "F")
    for band in bands:
        grey[band] = np.clip(np.rint(_finite(values[band]) * scale), 0, 255)
    if (
        picture.mode in ("I;16", "F") and tags.get(_PHOTOMETRIC) == 0
    ):  # white is zero, which Pillow respects up to 8 bits only
        np.subtract(255, grey, out=grey)
    return fromarray(grey)


def _finite(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    import numpy as np

    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _from_lab(picture: Image) -> Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB")
    assert converted is not None
    return converted
