"""How the colours of a picture are meant: profiles, chunks of PNG, boxes of AVIF, EXIF of cameras."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vstore.pictures import icc
from vstore.pictures.declared import profile_of
from vstore.pictures.decoders import open_picture, quiet

P3, ADOBE = icc.rgb_profile(icc.DISPLAY_P3), icc.rgb_profile(icc.ADOBE_RGB, 563 / 256)


def _picture(mode: str = "RGB") -> Image.Image:
    return Image.effect_noise((24, 16), 60).convert(mode)


def _saved(format: str, picture: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (picture or _picture()).save(file, format, **options)
    return file.getvalue()


def _said(data: bytes) -> bytes | None:
    return profile_of(open_picture(data), data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_embedded_profiles_are_found(format: str) -> None:
    assert _said(_saved(format, icc_profile=ADOBE)) == ADOBE
    assert _said(_saved(format)) is None


def _png(chunks: dict[bytes, bytes], mode: str = "RGB", **options: Any) -> bytes:
    """Write a PNG with chunks before its pixels."""
    data = _saved("PNG", _picture(mode), **options)
    added = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks.items()
    )
    return data[:33] + added + data[33:]


def _gamma(exponent: float) -> bytes:
    return struct.pack(">I", round(exponent * 100_000))


def _corners(primaries: icc.Primaries) -> bytes:
    pairs = (primaries.white, primaries.red, primaries.green, primaries.blue)
    return struct.pack(">8I", *(round(value * 100_000) for pair in pairs for value in pair))


def test_a_png_says_its_gamma() -> None:
    assert _said(_png({b"gAMA": _gamma(1.0)})) == icc.rgb_profile(icc.BT709, 1.0)
    assert _said(_png({b"gAMA": _gamma(1 / 1.8)})) == icc.rgb_profile(icc.BT709, 1 / 0.55556)
    assert _said(_png({b"gAMA": _gamma(1.0)}, "L")) == icc.grey_profile(1.0)
    assert _said(_png({b"gAMA": _gamma(1.0)}, "P")) == icc.rgb_profile(icc.BT709, 1.0)
    assert _said(_png({b"gAMA": _gamma(1 / 2.2)})) is None  # which all write who mean sRGB
    for absurd in (0, 0.01, 40_000):
        assert _said(_png({b"gAMA": _gamma(absurd)})) is None


def test_a_png_says_its_primaries() -> None:
    assert _said(_png({b"cHRM": _corners(icc.DISPLAY_P3), b"gAMA": _gamma(1 / 2.2)})) == P3
    assert _said(_png({b"cHRM": _corners(icc.DISPLAY_P3)})) == P3
    assert _said(_png({b"cHRM": _corners(icc.ADOBE_RGB), b"gAMA": _gamma(0.5)})) == icc.rgb_profile(icc.ADOBE_RGB, 2.0)
    assert _said(_png({b"cHRM": _corners(icc.BT709), b"gAMA": _gamma(1 / 2.2)})) is None
    assert _said(_png({b"cHRM": bytes(32)})) is None
    assert _said(_png({b"cHRM": struct.pack(">8I", *[30_000] * 8)})) is None  # all of one colour


def test_the_order_of_what_a_png_says() -> None:
    p3, srgb = bytes([12, 13, 0, 1]), bytes([0])
    gamma = _gamma(1.0)
    assert _said(_png({b"cICP": p3, b"gAMA": gamma}, icc_profile=ADOBE)) == P3
    assert _said(_png({b"cICP": bytes([1, 13, 0, 1])}, icc_profile=ADOBE)) is None
    assert _said(_png({b"gAMA": gamma}, icc_profile=ADOBE)) == ADOBE
    assert _said(_png({b"sRGB": srgb, b"gAMA": gamma})) is None
    assert _said(_png({b"cICP": bytes([9, 8, 0, 1])})) == icc.rgb_profile(icc.BT2020, 1.0)
    # high dynamic range, parts of the range, and colours that are no RGB count as not said
    for other in ([9, 16, 0, 1], [9, 18, 0, 1], [12, 13, 0, 0], [12, 13, 6, 1], [200, 13, 0, 1]):
        assert _said(_png({b"cICP": bytes(other)}, icc_profile=ADOBE)) == ADOBE


def _boxed(primaries: int, curve: int, **options: Any) -> bytes:
    """Save an AVIF, and write other numbers into what says its colours."""
    data = _saved("AVIF", **options)
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, curve) + data[at + 4 :]


def test_an_avif_says_its_colours() -> None:
    assert _said(_boxed(12, 13)) == P3
    assert _said(_boxed(9, 1)) == icc.rgb_profile(icc.BT2020)
    assert _said(_boxed(1, 4)) == icc.rgb_profile(icc.BT709, 2.2)
    for nothing in ((1, 13), (2, 2), (9, 16), (9, 18), (12, 200)):
        assert _said(_boxed(*nothing)) is None
    assert _said(_saved("AVIF", icc_profile=ADOBE)) == ADOBE


@pytest.mark.parametrize("end", range(0, 400, 9))
def test_cut_boxes_and_chunks_are_no_error(end: int) -> None:
    avif, png = _boxed(12, 13), _png({b"cICP": bytes([12, 13, 0, 1])})
    profile_of(open_picture(avif), avif[:end])
    profile_of(open_picture(png), png[:end])


def _exif(space: int, index: str | None) -> Image.Exif:
    exif = Image.Exif()
    inner: dict[int, Any] = {0xA001: space}
    if index is not None:
        inner[0xA005] = {1: index}
    exif._ifds[0x8769] = inner
    return exif


def test_a_camera_says_adobe_rgb_in_exif() -> None:
    quiet()  # as for every picture
    assert _said(_saved("JPEG", exif=_exif(0xFFFF, "R03"))) == ADOBE
    assert _said(_saved("JPEG", exif=_exif(2, None))) == ADOBE
    for space, index in ((1, "R98"), (1, "R03"), (0xFFFF, None), (0xFFFF, "R98")):
        assert _said(_saved("JPEG", exif=_exif(space, index))) is None
    assert _said(_saved("JPEG", exif=_exif(0xFFFF, "R03"), icc_profile=P3)) == P3
    assert _said(_saved("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")) is None


def test_made_profiles_are_read_as_they_are_meant() -> None:
    """A file of each kind, against the same colours with the profile embedded."""
    from vstore.pictures.profiles import to_srgb

    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    right = to_srgb(picture, P3)
    assert right.tobytes() != picture.tobytes()
    assert to_srgb(picture, _said(_png({b"cICP": bytes([12, 13, 0, 1])}))).tobytes() == right.tobytes()
