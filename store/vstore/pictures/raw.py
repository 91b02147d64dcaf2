"""Reads RAW files of cameras with LibRaw: the preview that the camera made, or a development of half the size."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from vstore.packages import RAW
from vstore.pictures.extras import load
from vstore.pictures.failures import PictureFailure
from vstore.pictures.pixels_only.orientation import exif_of
from vstore.pictures.raw_kinds import is_cut

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.pictures.deferred import Deferred

ENOUGH = 1024  # pixels of the longer side of a preview that is taken, or half of the picture's
_FLIPS = (1, 2, 4, 3, 5, 8, 6, 7)  # orientations of EXIF, by LibRaw's numbers


def open_raw(data: bytes) -> Deferred:
    """Open a RAW file: its size, its orientation and its preview are read.

    Raises: PictureFailure, if the package is missing or does not know the file.
    """
    rawpy = load(RAW)
    from vstore.pictures.deferred import Deferred

    with _opened(rawpy, data) as raw:
        sizes = raw.sizes
        turned = _FLIPS[sizes.flip & 7]
        size = (sizes.width, sizes.height)
        preview = _preview(rawpy, raw, turned, max(size))
    worth = sizes.raw_width * sizes.raw_height
    return Deferred("RAW", size, lambda: _developed(data), orientation=turned, worth=worth, whole=size, preview=preview)


def _opened(rawpy: Any, data: bytes) -> Any:
    try:
        return rawpy.imread(io.BytesIO(data))
    except rawpy.LibRawError as err:
        raise _failed(rawpy, err) from err


def _failed(rawpy: Any, err: Exception) -> PictureFailure:
    said = err.args[0].decode(errors="replace") if err.args and isinstance(err.args[0], bytes) else str(err)
    if isinstance(err, rawpy.LibRawIOError):
        return PictureFailure("truncated", f"the file is cut short (LibRaw: {said})")
    return PictureFailure("not_an_image", f"this RAW file cannot be read (LibRaw: {said})")


def _preview(rawpy: Any, raw: Any, turned: int, longest: int) -> bytes | None:
    """Return the largest preview, a JPEG that tells how it is turned; None if it is missing, or too small."""
    try:
        found = raw.extract_thumb()
    except rawpy.LibRawError:
        return None
    data: bytes = found.data
    if found.format != rawpy.ThumbFormat.JPEG or data[:3] != b"\xff\xd8\xff":
        return None
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        picture = JpegImageFile(io.BytesIO(data))
        told = 0x0112 in picture.getexif()
    except Exception:  # whatever its parser stumbles over
        return None
    if max(picture.size) < min(ENOUGH, longest // 2):
        return None
    # Of its own where it has any: LibRaw adds EXIF to those without, and some cameras turn their previews.
    return data if told else data[:2] + _segment(turned) + data[2:]


def _segment(turned: int) -> bytes:
    exif = b"Exif\0\0" + exif_of(turned)
    return b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif


def _developed(data: bytes) -> Image:
    """Develop a RAW file: each four cells of the sensor become one pixel, by the white balance of the camera."""
    if is_cut(data):
        raise PictureFailure("truncated", "the file is cut short (what the sensor saw lies behind its end)")
    rawpy = load(RAW)
    from PIL.Image import fromarray

    with _opened(rawpy, data) as raw:
        try:
            pixels = raw.postprocess(
                half_size=True,
                use_camera_wb=True,
                no_auto_bright=True,
                output_color=rawpy.ColorSpace.sRGB,
                gamma=(2.4, 12.92),  # of sRGB
                output_bps=8,
                user_flip=0,  # it is turned later, as other pictures are
            )
        except rawpy.LibRawError as err:
            raise _failed(rawpy, err) from err
    return fromarray(pixels)
