"""Pictures of Pillow, prepared as files of the same pixels are."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from vstore.pictures.declared import profile_of
from vstore.pictures.decoding import orientation_of, prepare
from vstore.pictures.failures import PictureFailure, failure_of
from vstore.pictures.layers import layers
from vstore.pictures.preparation import Preparation

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION = 0x0112  # tag of EXIF
_PNG = ("1", "L", "LA", "RGB", "RGBA")
_TIFF = ("CMYK", "LAB")
_WHOLE = {"La": "LA", "RGBa": "RGBA", "PA": "RGBA"}


def prepare_picture(picture: Image, preparation: Preparation) -> Image:
    """Prepare a picture of Pillow, or its present frame. It is loaded, and not changed otherwise.

    Raises: PictureFailure, and no other error, whatever the picture is.
    """
    width, height = picture.size
    if width < 1 or height < 1:
        raise PictureFailure("not_an_image", f"it has {width} × {height} pixels")
    if width * height > preparation.max_pixels:
        raise PictureFailure(
            "bomb", f"it has {width} × {height} pixels, and {preparation.max_pixels:,} at most are taken"
        )
    try:
        data = _file_of(picture)
    except MemoryError as err:
        raise PictureFailure("io", "there was not enough memory to prepare it") from err
    except Exception as err:  # whatever its decoder stumbles over, or a file that was closed
        raise failure_of(err, b"") from err
    return prepare(data, preparation)[0]


def _file_of(picture: Image) -> bytes:
    """Write a picture as a file, without loss: one way of preparing leaves no room for a second one that differs."""
    from PIL.Image import Exif

    picture.load()
    orientation = orientation_of(picture)
    profile = profile_of(picture, b"")
    if picture.mode.startswith(("I", "F")):
        picture = layers(picture)  # what its tags say of its greys would be lost
    elif picture.mode == "P":  # with a palette that may be too short for a file
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    elif picture.mode not in (*_PNG, *_TIFF):
        picture = picture.convert(_WHOLE.get(picture.mode, "RGB"))
    exif = Exif()
    exif[_ORIENTATION] = orientation
    file = io.BytesIO()
    if picture.mode in _TIFF:
        picture.save(file, "TIFF", compression="raw", icc_profile=profile, exif=exif)
    else:
        picture.save(file, "PNG", compress_level=0, icc_profile=profile, exif=exif)
    return file.getvalue()
