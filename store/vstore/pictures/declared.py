"""Reads how the colours of a picture are meant: by its profile, or by what stands in the place of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from vstore.pictures import icc
from vstore.pictures.icc import Primaries

if TYPE_CHECKING:
    from PIL.Image import Image


_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "F")
_EXIF, _INTEROPERABILITY, _COLOUR_SPACE, _INDEX = 0x8769, 0xA005, 0xA001, 1  # tags of EXIF
_ADOBE, _UNCALIBRATED = 2, 0xFFFF  # colour spaces of EXIF; cameras name Adobe RGB by index R03, a few by 2
_USUAL = (0.43, 0.48)  # exponents of a PNG that mean the curve of sRGB: all but a few write 0.45455 for it
# Numbers of ITU-T H.273. What is not listed is not known, or is of high dynamic range.
_PRIMARIES = {1: icc.BT709, 9: icc.BT2020, 12: icc.DISPLAY_P3}
_CURVES = {1: None, 4: 2.2, 5: 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}


def profile_of(picture: Image, data: bytes) -> bytes | None:
    """Find the ICC profile of a picture that is opened from data, or make one of what its file says otherwise.

    In this order: cICP of a PNG, the embedded profile, sRGB, gAMA and cHRM of a PNG; the primaries and the curve of an
    AVIF or HEIC; Adobe RGB as cameras write it into EXIF. What is of high dynamic range counts as not said.

    Returns: None for sRGB, and where nothing is said.
    """
    said = _OTHERS.get(picture.format or "", _nothing)
    if picture.format == "PNG" and (code := _png_code(data)) is not None:
        return _of_code(picture, code)
    embedded = picture.info.get("icc_profile")
    return embedded if isinstance(embedded, bytes) and embedded else said(picture, data)


def _nothing(picture: Image, data: bytes) -> None:
    return None


def _of_png(picture: Image, data: bytes) -> bytes | None:
    info = picture.info
    if "srgb" in info:
        return None
    gamma, corners = info.get("gamma"), info.get("chromaticity")
    if gamma is not None and _USUAL[0] <= gamma <= _USUAL[1]:
        gamma = None
    elif gamma is not None and not 0.1 <= gamma <= 5:
        return None
    primaries = icc.BT709
    if corners:
        white, red, green, blue = zip(corners[::2], corners[1::2], strict=True)
        primaries = Primaries(red, green, blue, white)
    return _made(picture, primaries, None if gamma is None else 1 / gamma)


def _of_code(picture: Image, code: tuple[int, int]) -> bytes | None:
    primaries, curve = code
    if primaries not in _PRIMARIES or curve not in _CURVES:
        return None
    return _made(picture, _PRIMARIES[primaries], _CURVES[curve])


def _png_code(data: bytes) -> tuple[int, int] | None:
    """Read primaries and curve of the cICP chunk of a PNG that is coded as full RGB. None if they are not known."""
    at = 8
    while (name := data[at + 4 : at + 8]) and name not in (b"IDAT", b"IEND"):
        size = int.from_bytes(data[at : at + 4], "big")
        if name == b"cICP" and size == 4:
            primaries, curve, matrix, full = data[at + 8 : at + 12]
            known = primaries in _PRIMARIES and curve in _CURVES and matrix == 0 and full == 1
            return (primaries, curve) if known else None
        at += size + 12
    return None


def _of_boxes(picture: Image, data: bytes) -> bytes | None:
    """Read primaries and curve of an AVIF or HEIC, where all of its parts that say any say the same."""
    codes = {code for code in _box_codes(data) if code[0] in _PRIMARIES}
    return _of_code(picture, codes.pop()) if len(codes) == 1 else None


def _box_codes(data: bytes) -> Iterator[tuple[int, int]]:
    for meta in _boxes(data, b"meta"):
        for properties in _boxes(meta[4:], b"iprp"):
            for listed in _boxes(properties, b"ipco"):
                for colour in _boxes(listed, b"colr"):
                    if colour[:4] == b"nclx" and len(colour) >= 8:
                        yield int.from_bytes(colour[4:6], "big"), int.from_bytes(colour[6:8], "big")


def _boxes(data: bytes, wanted: bytes) -> Iterator[bytes]:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8:  # 0: up to the end; 1: longer than a picture is
            size = len(data) - at
        if data[at + 4 : at + 8] == wanted:
            yield data[at + 8 : at + size]
        at += size


def _of_exif(picture: Image, data: bytes) -> bytes | None:
    try:
        exif = picture.getexif()
        space = exif.get_ifd(_EXIF).get(_COLOUR_SPACE)
        index = exif.get_ifd(_INTEROPERABILITY).get(_INDEX) if space == _UNCALIBRATED else None
    except Exception:
        return None  # broken EXIF is no reason to lose a picture
    if space == _ADOBE or (isinstance(index, str) and index.startswith("R03")):
        return _made(picture, icc.ADOBE_RGB, 563 / 256)
    return None


def _of_jxl(picture: Image, data: bytes) -> bytes | None:
    picture.load()  # the decoder tells it
    embedded = picture.info.get("icc_profile")
    return embedded if isinstance(embedded, bytes) and embedded else None


_OTHERS: dict[str, Callable[[Image, bytes], bytes | None]] = {
    "PNG": _of_png,
    "AVIF": _of_boxes,
    "HEIF": _of_boxes,
    "JPEG": _of_exif,
    "MPO": _of_exif,
    "JXL": _of_jxl,
}


def _made(picture: Image, primaries: Primaries, gamma: float | None) -> bytes | None:
    if gamma is None and (primaries == icc.BT709 or picture.mode in _GREY):
        return None
    try:
        return icc.grey_profile(gamma) if picture.mode in _GREY else _rgb_profile(primaries, gamma)
    except ValueError:
        return None


@lru_cache(32)
def _rgb_profile(primaries: Primaries, gamma: float | None) -> bytes:
    return icc.rgb_profile(primaries, gamma)
