from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageOps
from support.folders import World, drawn

from vstore.pictures import colours, decoders
from vstore.pictures.decoders import decoder_fingerprint
from vstore.pictures.decoding import Facts, prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.formats import _JPEG, EXTENSIONS, MAX_PIXELS, OPTIONAL
from vstore.pictures.preparation import Preparation

pillow_heif.register_heif_opener()

Pixels = npt.NDArray[Any]
ORIENTATION = 0x0112
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 180, 40), (40, 50, 200), (250, 250, 250)
CORNERS = (RED, GREEN, BLUE, WHITE)


def scene(width: int, height: int) -> Image.Image:
    """Four corners of four colours and a slope, so that every turn and every mirroring shows."""
    pixels = np.zeros((height, width, 3), np.float64)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = WHITE
    pixels *= np.linspace(0.5, 1, width)[None, :, None]
    return Image.fromarray(pixels.astype(np.uint8))


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def fit(data: bytes, **options: Any) -> tuple[Pixels, Facts]:
    """The pixels of a prepared picture: uint8 (height, width, 3)."""
    picture, facts = prepare(data, Preparation(**options))
    assert picture.mode == "RGB"
    return np.asarray(picture), facts


def failure(data: bytes, **options: Any) -> PictureFailure:
    with pytest.raises(PictureFailure) as caught:
        prepare(data, Preparation(**options))
    found = caught.value
    assert found.reason and "\n" not in found.reason
    assert len(found.reason) < 300
    return found


def close(found: Pixels, wanted: Pixels | Image.Image, mean: float, most: float = 255) -> None:
    """Equal in size, and on average within `mean` levels."""
    wanted = np.asarray(wanted)
    assert found.shape == wanted.shape
    difference = np.abs(found.astype(int) - wanted.astype(int))
    assert difference.mean() <= mean
    assert difference.max() <= most


def naive(data: bytes, side: int = 512) -> Image.Image:
    """The reference: all of it decoded, turned upright, and then made smaller in one step."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
    return picture


FORMATS: dict[str, tuple[str, dict[str, Any], str, float]] = {
    "JPEG": ("JPEG", {"quality": 95}, "JPEG", 1.0),
    "progressive JPEG": ("JPEG", {"quality": 90, "progressive": True}, "JPEG", 1.5),
    "4:4:4 JPEG": ("JPEG", {"quality": 95, "subsampling": 0}, "JPEG", 1.0),
    "PNG": ("PNG", {}, "PNG", 0.3),
    "WebP": ("WEBP", {"quality": 90}, "WEBP", 1.0),
    "lossless WebP": ("WEBP", {"lossless": True}, "WEBP", 0.3),
    "TIFF": ("TIFF", {}, "TIFF", 0.3),
    "LZW TIFF": ("TIFF", {"compression": "tiff_lzw"}, "TIFF", 0.3),
    "deflate TIFF": ("TIFF", {"compression": "tiff_adobe_deflate"}, "TIFF", 0.3),
    "JPEG TIFF": ("TIFF", {"compression": "jpeg", "quality": 95}, "TIFF", 1.5),
    "BMP": ("BMP", {}, "BMP", 0.3),
    "DIB": ("DIB", {}, "DIB", 0.3),
    "AVIF": ("AVIF", {"quality": 90}, "AVIF", 1.5),
    "HEIC": ("HEIF", {"quality": 90}, "HEIF", 2.5),
}


@pytest.mark.parametrize("side", [512, 128])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read(name: str, side: int) -> None:
    format, options, known_as, tolerance = FORMATS[name]
    data = saved(scene(500, 280), format, **options)
    found, facts = fit(data, max_side=side)
    close(found, naive(data, side), tolerance)
    assert facts == Facts(known_as, 500, 280)
    wanted = scene(500, 280)
    wanted.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
    close(found, wanted, tolerance + 2)


def test_gif_is_read() -> None:
    data = saved(scene(90, 60).quantize(200), "GIF")
    found, facts = fit(data)
    close(found, scene(90, 60), 4)
    assert facts == Facts("GIF", 90, 60)


def test_every_extension_belongs_to_a_format_that_is_read() -> None:
    Image.init()
    read = {*decoders.FORMATS, "HEIF", "JXL", "MPO"}  # the plug-in of JPEG XL may have been loaded
    names = set(_JPEG.split()) | OPTIONAL.keys()  # names of JPEG that Pillow does not know, and formats of others
    known = Image.registered_extensions()
    assert {known[extension] for extension in EXTENSIONS if extension in known or extension not in names} <= read


@pytest.mark.parametrize("size", [(90, 60), (60, 90), (500, 280)])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_pictures_stand_upright_whatever_their_orientation(format: str, size: tuple[int, int]) -> None:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        data = saved(scene(*size), format, exif=exif)
        found, facts = fit(data, max_side=128)
        close(found, naive(data, 128), 1.5)
        across = size[::-1] if orientation >= 5 else size
        assert facts[1:3] == across
        corner = {1: RED, 2: GREEN, 3: WHITE, 4: BLUE, 5: RED, 6: BLUE, 7: WHITE, 8: GREEN}[orientation]
        shades = [(np.abs(found[3, 3] - np.array(c) * s).sum(), c) for c in CORNERS for s in (0.52, 0.98)]
        assert min(shades)[1] == corner


def test_heic_is_turned_by_its_own_boxes_and_not_again_by_exif() -> None:
    """The standard says so; cameras write both."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = saved(scene(90, 60), "HEIF", exif=exif)
    assert b"irot" not in data
    assert fit(data)[1] == Facts("HEIF", 90, 60)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_means_nothing_is_upright(value: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = value
    data = saved(scene(90, 60), "JPEG", exif=exif)
    close(fit(data)[0], scene(90, 60), 3)


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\xff" * 60000]
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_loses_no_picture(format: str, exif: bytes) -> None:
    data = saved(scene(90, 60), format, exif=exif)
    close(fit(data)[0], scene(90, 60), 3)


def test_orientation_in_xmp_counts_as_it_does_elsewhere() -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = saved(scene(90, 60), "JPEG", xmp=xmp)
    assert fit(data)[1] == Facts("JPEG", 60, 90)
    close(fit(data)[0], naive(data), 1)


@pytest.mark.parametrize("size", [(1, 1), (512, 512), (511, 3), (100, 512)])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_nothing_is_enlarged(format: str, size: tuple[int, int]) -> None:
    assert fit(saved(scene(*size), format))[0].shape == (size[1], size[0], 3)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((513, 512), (512, 511)), ((1600, 1201), (512, 384)), ((3000, 2), (512, 1)), ((5, 9000), (1, 512))],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_the_size_follows_from_the_original_one(format: str, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    found, facts = fit(saved(scene(*size), format))
    assert found.shape == (wanted[1], wanted[0], 3)
    assert facts[1:3] == size
    assert fit(saved(scene(*size), format), max_side=2 * 512)[0].shape[:2] != found.shape[:2]


def test_a_prepared_picture_is_decoded_and_keeps_nothing_of_its_file() -> None:
    for size in ((90, 60), (1300, 700)):
        for format in ("JPEG", "PNG", "GIF"):
            picture, _ = prepare(saved(scene(*size), format), Preparation())
            assert type(picture) is Image.Image
            assert not hasattr(picture, "fp")


# Modes


def over_white(colour: tuple[int, ...], alpha: int) -> Pixels:
    return np.rint(np.array(colour) * alpha / 255 + 255 - alpha)


@pytest.mark.parametrize("alpha", [0, 1, 128, 254, 255])
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_transparency_lies_over_white(format: str, alpha: int) -> None:
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}, "HEIF": {"quality": 100}}.get(format, {})
    data = saved(Image.new("RGBA", (64, 48), (255, 0, 255, alpha)), format, **options)
    found, _ = fit(data)
    assert np.abs(found - over_white((255, 0, 255), alpha)).max() <= (2 if format in ("AVIF", "HEIF") else 1)


def test_hidden_colour_does_not_bleed_into_what_is_seen() -> None:
    pixels = np.zeros((1200, 1200, 4), np.uint8)
    pixels[..., 0] = 255  # red, all of it transparent but for a grey half
    pixels[:, :600] = (100, 100, 100, 255)
    found, _ = fit(saved(Image.fromarray(pixels), "PNG"))
    assert np.abs(found[:, :200].astype(int) - 100).max() <= 1
    assert found[:, 300:].min() >= 254
    edge = found[:, 250:262].astype(int)
    assert np.abs(edge[..., 0] - edge[..., 1]).max() <= 1


def test_grey_with_transparency_lies_over_white() -> None:
    assert (fit(saved(Image.new("LA", (9, 9), (0, 0)), "PNG"))[0] == 255).all()
    assert (fit(saved(Image.new("LA", (9, 9), (50, 255)), "PNG"))[0] == 50).all()


def png(width: int, height: int, depth: int, kind: int, rows: bytes, **chunks: bytes) -> bytes:
    """A PNG as its specification says; Pillow writes no deep colour. rows: without their filter bytes."""
    size = max(1, len(rows) // height)
    lines = b"".join(b"\0" + rows[at : at + size] for at in range(0, len(rows), size))
    parts = {"IHDR": struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0), **chunks}
    parts |= {"IDAT": zlib.compress(lines), "IEND": b""}
    out = b"\x89PNG\r\n\x1a\n"
    for name, body in parts.items():
        tagged = name.encode() + body
        out += struct.pack(">I", len(body)) + tagged + struct.pack(">I", zlib.crc32(tagged))
    return out


@pytest.mark.parametrize(
    ("kind", "channels", "transparent", "seen"),
    [
        (3, 1, bytes([0, 255]), ((255, 255, 255), (9, 8, 7))),  # palette: its first colour is transparent
        (3, 1, bytes([128]), ((254, 127, 127), (9, 8, 7))),
        (0, 1, struct.pack(">H", 0), ((255, 255, 255), (1, 1, 1))),  # grey 0 is transparent
        (2, 3, struct.pack(">HHH", 0, 0, 0), ((255, 255, 255), (1, 1, 1))),
    ],
)
def test_a_transparent_colour_lies_over_white(
    kind: int, channels: int, transparent: bytes, seen: tuple[tuple[int, ...], ...]
) -> None:
    chunks = {"PLTE": bytes([254, 0, 0, 9, 8, 7])} if kind == 3 else {}
    data = png(2, 1, 8, kind, bytes([0] * channels + [1] * channels), **chunks, tRNS=transparent)
    if kind == 3 and transparent[0] == 128:
        seen = (tuple(int(v) for v in over_white((254, 0, 0), 128)), seen[1])
    assert [tuple(pixel) for pixel in fit(data)[0][0].tolist()] == list(seen)


def test_gif_transparency_lies_over_white() -> None:
    picture = Image.new("P", (20, 10), 0)
    picture.putpalette([200, 0, 0, 0, 0, 200])
    picture.paste(1, (10, 0, 20, 10))
    found, _ = fit(saved(picture, "GIF", transparency=0))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[0, 15].tolist() == [0, 0, 200]


def ramp() -> Pixels:
    return np.linspace(0, 65535, 300).astype(np.uint16)[None, :].repeat(20, axis=0)


def eight(values: Pixels) -> Pixels:
    grey = np.rint(values / 257).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    picture = Image.fromarray(ramp())
    for data in (saved(picture, "PNG"), saved(picture, "TIFF"), saved(picture, "TIFF", compression="tiff_lzw")):
        close(fit(data)[0], eight(ramp()), 0)
    dark = Image.fromarray((ramp() // 1000).astype(np.uint16))  # what is dark stays dark
    assert fit(saved(dark, "PNG"))[0].max() == 0


def test_sixteen_bit_colour_is_scaled_and_not_clipped() -> None:
    colour = np.stack([ramp(), ramp()[:, ::-1], ramp() // 2], axis=2)
    big = colour.astype(">u2").tobytes()
    for data in (png(300, 20, 16, 2, big), tiff(300, 20, 16, big, samples=3)):
        close(fit(data)[0], np.rint(colour / 257), 0.6, 1)
    alpha = np.full_like(ramp(), 65535)
    alpha[:, 150:] = 0
    with_alpha = np.dstack([colour, alpha]).astype(">u2").tobytes()
    found, _ = fit(png(300, 20, 16, 6, with_alpha))
    close(found[:, :150], np.rint(colour / 257)[:, :150], 0.6, 1)
    assert (found[:, 150:] == 255).all()
    grey = np.dstack([ramp(), alpha]).astype(">u2").tobytes()
    close(fit(png(300, 20, 16, 4, grey))[0][:, :150], eight(ramp())[:, :150], 0.6, 1)


def tiff(
    width: int, height: int, bits: int, pixels: bytes, samples: int = 1, photometric: int = 1, kind: int = 1
) -> bytes:
    """A big-endian TIFF, unless bits is 12 or photometric is 0, which Pillow knows as little-endian ones alone."""
    order = "<" if bits == 12 or photometric == 0 else ">"
    tags = {
        256: (3, [width]),
        257: (3, [height]),
        258: (3, [bits] * samples),
        259: (3, [1]),
        262: (3, [2 if samples == 3 else photometric]),
        273: (4, [8]),
        277: (3, [samples]),
        278: (3, [height]),
        279: (4, [len(pixels)]),
        339: (3, [kind] * samples),
    }
    body = pixels + b"\0" * (len(pixels) % 2)
    directory, extra = b"", b""
    at = 8 + len(body) + 2 + 12 * len(tags) + 4
    for tag, (type_, values) in tags.items():
        data = struct.pack(order + {3: "H", 4: "I"}[type_] * len(values), *values)
        if len(data) > 4:
            place = struct.pack(order + "I", at + len(extra))
            extra += data
        else:
            place = data.ljust(4, b"\0")
        directory += struct.pack(order + "HHI", tag, type_, len(values)) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body))
    return head + body + struct.pack(order + "H", len(tags)) + directory + bytes(4) + extra


def test_deep_tiffs_of_either_byte_order_are_read() -> None:
    close(fit(tiff(300, 20, 16, ramp().astype(">u2").tobytes()))[0], eight(ramp()), 0)
    close(fit(tiff(300, 20, 16, ramp().astype("<u2").tobytes(), photometric=0))[0], 255 - eight(ramp()), 0)


def test_twelve_bits_fill_the_range() -> None:
    values = np.linspace(0, 4095, 300).astype(int)
    packed = bytearray()
    for one, two in zip(values[::2], values[1::2], strict=True):
        packed += bytes([one >> 4, (one & 15) << 4 | two >> 8, two & 255])
    found, _ = fit(tiff(300, 1, 12, bytes(packed)))
    assert found[0, 0].tolist() == [0, 0, 0]
    assert found[0, -1].tolist() == [255, 255, 255]


def test_wide_integers_and_floats_fill_the_range() -> None:
    line = np.linspace(0, 1, 300)[None, :].repeat(20, axis=0)
    wanted = np.repeat(np.rint(line * 255).astype(np.uint8)[..., None], 3, axis=2)
    for top, dtype in ((1, np.float32), (255, np.float32), (4000, np.float32), (2_000_000, np.int32)):
        picture = Image.fromarray((line * top).astype(dtype))
        close(fit(saved(picture, "TIFF"))[0], wanted, 0.3, 1)
    odd = (line * 1).astype(np.float32)
    odd[0, :4] = (np.nan, np.inf, -np.inf, -5)
    found = fit(saved(Image.fromarray(odd), "TIFF"))[0]
    assert (found[0, :4] == 0).all()
    close(found[1:], wanted[1:], 0)
    below = Image.fromarray(np.full((5, 5), -3, np.float32))
    assert (fit(saved(below, "TIFF"))[0] == 0).all()


def test_large_deep_pictures_are_scaled_as_a_whole() -> None:
    """The brightest line of all says how the others are scaled, in whichever band it lies."""
    values = np.full((colours._BAND * 2 + 10, 8), 10.0, np.float32)
    values[-1] = 1000
    found, _ = fit(saved(Image.fromarray(values), "TIFF"), max_side=4096)
    assert found[0, 0, 0] == round(10 * 255 / 1000)
    assert found[-1, 0, 0] == 255


def test_cmyk_is_ink() -> None:
    colours = [(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255), (0, 0, 0, 0), (0, 100, 200, 50)]
    seen = [(0, 255, 255), (255, 0, 255), (255, 255, 0), (0, 0, 0), (255, 255, 255), None]
    for ink, colour in zip(colours, seen, strict=True):
        picture = Image.new("CMYK", (32, 32), ink)
        wanted = picture.convert("RGB").getpixel((0, 0)) if colour is None else colour
        for data in (saved(picture, "JPEG", quality=100), saved(picture, "TIFF")):
            assert np.abs(fit(data)[0].astype(int) - np.array(wanted)).max() <= 3
    adobe = saved(Image.new("CMYK", (32, 32), (255, 0, 0, 0)), "JPEG")
    assert b"Adobe" in adobe  # its inks stand inverted, as Photoshop writes them


def test_lab_is_read_in_its_colours() -> None:
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    for colour in (RED, GREEN, BLUE, WHITE, (128, 128, 128)):
        picture = ImageCms.profileToProfile(Image.new("RGB", (16, 16), colour), srgb, lab, outputMode="LAB")
        assert picture is not None
        found, _ = fit(saved(picture, "TIFF"))
        assert np.abs(found.astype(int) - np.array(colour)).max() <= 4


def test_one_bit_is_black_and_white() -> None:
    picture = Image.new("1", (20, 10), 1)
    picture.paste(0, (0, 0, 10, 10))
    for format, options in (("PNG", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "group4"})):
        found, _ = fit(saved(picture, format, **options))
        assert found[0, 0].tolist() == [0, 0, 0]
        assert found[0, 15].tolist() == [255, 255, 255]
        assert set(np.unique(found)) == {0, 255}


def test_palettes_are_shown_in_their_colours() -> None:
    picture = scene(90, 60).quantize(255)
    for format in ("PNG", "GIF", "BMP", "TIFF"):
        close(fit(saved(picture, format))[0], picture.convert("RGB"), 0)


def test_only_the_first_frame_counts() -> None:
    first, second = Image.new("RGB", (64, 48), RED), Image.new("RGB", (64, 48), BLUE)
    for format, options in (
        ("GIF", {}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("AVIF", {"quality": 100}),
        ("HEIF", {"quality": 100}),
        ("MPO", {"quality": 100}),
    ):
        data = saved(first, format, save_all=True, append_images=[second], **options)
        found, facts = fit(data)
        assert np.abs(found.astype(int) - np.array(RED)).max() <= 6, format
        assert facts[1:3] == (64, 48)
        assert facts.format == ("JPEG" if format == "MPO" else format)


def test_a_large_stereo_picture_is_a_jpeg() -> None:
    data = saved(scene(700, 400), "MPO", save_all=True, append_images=[scene(700, 400)])
    close(fit(data, max_side=128)[0], naive(data, 128), 1.5)


# What cannot be read


def test_an_empty_file_is_no_picture() -> None:
    found = failure(b"")
    assert (found.kind, found.reason) == ("not_an_image", "the file is empty")


@pytest.mark.parametrize(
    "data",
    [b"\0", b"not a picture\n", b"%PDF-1.7", b"<svg/>", b"\0" * 5000, bytes(range(256)) * 20, b"RIFF\0\0\0\0WAVE"],
)
def test_what_is_no_picture_is_said_to_be_none(data: bytes) -> None:
    assert failure(data).kind == "not_an_image"


@pytest.mark.parametrize("name", [*FORMATS, "GIF"])
def test_a_picture_that_is_cut_short_is_truncated(name: str) -> None:
    format, options, *_ = FORMATS.get(name, ("GIF", {}))
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=np.uint8))
    for picture in (noise, noise.resize((900, 600))):
        data = saved(picture.quantize(255) if name == "GIF" else picture, format, **options)
        for share in (0.95, 0.7, 0.4):
            found = failure(data[: int(len(data) * share)])
            assert found.kind == "truncated", found.reason
        for size in (2, 5, 11, 13, 20, 40):
            assert failure(data[:size]).kind in ("truncated", "not_an_image")


def test_the_extension_plays_no_part() -> None:
    """What is called .jpg and is a PNG is read as what it is: `prepare` is never told a name."""
    assert fit(saved(scene(90, 60), "PNG"))[1].format == "PNG"


def test_more_pixels_than_allowed_are_a_bomb_until_they_are_allowed() -> None:
    data = saved(scene(90, 60), "PNG")
    found = failure(data, max_pixels=90 * 60 - 1)
    assert found.kind == "bomb"
    assert "90 × 60" in found.reason and "--max-pixels 5400" in found.reason
    assert fit(data, max_pixels=90 * 60)[1] == Facts("PNG", 90, 60)


def claims(format: str, width: int, height: int) -> bytes:
    """A picture that claims a size and holds next to nothing."""
    if format == "PNG":
        return png(width, height, 8, 0, b"\0")
    if format == "TIFF":
        return tiff(width, height, 8, b"\0" * 64)
    if format == "JPEG":
        data = bytearray(saved(Image.new("L", (8, 8)), "JPEG"))
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height, width)
        return bytes(data)
    if format == "GIF":
        data = bytearray(saved(Image.new("L", (8, 8)), "GIF"))
        data[6:10] = struct.pack("<HH", width, height)
        return bytes(data)
    if format == "BMP":
        data = bytearray(saved(Image.new("L", (8, 8)), "BMP"))
        data[18:26] = struct.pack("<ii", width, height)
        return bytes(data)
    data = bytearray(saved(Image.new("RGB", (8, 8)), "WEBP", lossless=True))
    at = data.index(b"VP8L") + 9
    (flags,) = struct.unpack_from("<I", data, at)
    struct.pack_into("<I", data, at, flags >> 28 << 28 | (height - 1) << 14 | (width - 1))
    return bytes(data)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG", "GIF", "BMP", "WEBP"])
def test_a_size_that_is_claimed_is_judged_before_memory_is_taken(format: str) -> None:
    width, height = (16383, 16383) if format == "WEBP" else (60000, 60000)
    code = f"""
import resource, sys
from store.test_images import claims, failure
resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
found = failure(claims({format!r}, {width}, {height}))
assert found.kind == "bomb", found
assert "--max-pixels {width * height}" in found.reason, found
"""
    run(code)


def run(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("format", ["TIFF", "WEBP", "GIF", "PNG", "JPEG", "AVIF", "HEIF", "BMP"])
def test_a_limit_that_was_raised_holds_for_every_format(format: str) -> None:
    """In a process of its own: Pillow's limit is one for the whole process."""
    code = f"""
from PIL import Image
from store.test_images import failure, fit, saved, scene
from vstore.pictures import decoders
Image.MAX_IMAGE_PIXELS, decoders.MAX_PIXELS = 100, 200  # as low as this, a small picture is over them
data = saved(scene(30, 20), {format!r})
for limit in (200, 599):
    found = failure(data, max_pixels=limit)
    assert found.kind == "bomb" and "--max-pixels 600" in found.reason, found
assert fit(data, max_pixels=600)[1][1:3] == (30, 20)
"""
    run(code)


def test_what_is_claimed_and_not_there_costs_no_more_than_the_claim() -> None:
    """A picture of 100 megapixels that ends after a few bytes."""
    code = """
import resource
from store.test_images import claims, failure, fit
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
for format in ("PNG", "TIFF", "BMP"):
    assert failure(claims(format, 10000, 10000)).kind == "truncated"
for format in ("JPEG", "GIF"):  # their decoders fill up what is not there
    assert fit(claims(format, 10000, 10000))[1][1:3] == (10000, 10000)
"""
    run(code)


def test_too_little_memory_is_not_held_against_the_picture() -> None:
    code = """
import resource
from store.test_images import failure, fit, png, saved, scene
fit(saved(scene(9, 9), "PNG"))
resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
found = failure(png(13000, 13000, 8, 6, bytes(4)))
assert (found.kind, "memory" in found.reason) == ("io", True), found
"""
    run(code)


def heic() -> bytes:
    return saved(scene(90, 60), "HEIF")


def test_heic_without_the_extra_says_what_to_install() -> None:
    code = """
import sys
from store.test_images import heic
data = heic()
import PIL.Image
for table in (PIL.Image.OPEN, PIL.Image.EXTENSION):
    table.pop("HEIF", None)
sys.modules["pillow_heif"] = None  # as if it were not installed
from vstore.pictures.decoders import decoder_fingerprint
from vstore.pictures.decoding import prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.preparation import Preparation
try:
    prepare(data, Preparation())
except PictureFailure as failure:
    print(failure.kind, failure.reason, sep="|")
print(decoder_fingerprint(Preparation()))
"""
    failed, fingerprint = run(code).splitlines()
    assert failed == "needs_extra|HEIC pictures need one more package: pip install 'vstore-index[heic]'"
    assert fingerprint != decoder_fingerprint(Preparation())


@pytest.mark.parametrize(
    ("brands", "heif"),
    [
        (b"heic\0\0\0\0mif1heic", True),
        (b"mif1\0\0\0\0mif1heic", True),
        (b"mif1\0\0\0\0mif1", True),
        (b"avif\0\0\0\0avifmif1", False),
        (b"mif1\0\0\0\0mif1avif", False),
        (b"isom\0\0\0\0mp42", False),
    ],
)
def test_heic_and_avif_are_told_apart_by_their_brands(brands: bytes, heif: bool) -> None:
    head = struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands
    assert decoders.is_heif(head + b"heic" * 100) is heif


# Fingerprint, warnings, threads


def test_the_fingerprint_changes_with_what_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    def now(preparation: Preparation = Preparation()) -> str:  # noqa: B008  # immutable
        decoders._fingerprints.clear()
        return decoder_fingerprint(preparation)

    usual = now()
    assert now() == usual == now(Preparation(policy=2, max_side=256))  # what is made of it decides nothing
    seen = {usual, now(Preparation(max_pixels=MAX_PIXELS + 1))}
    with monkeypatch.context() as patch:
        patch.setattr(PIL, "__version__", "99.0")
        seen.add(now())
    with monkeypatch.context() as patch:
        patch.setattr("PIL.features.version", lambda feature: "99.0")
        seen.add(now())
    with monkeypatch.context() as patch:
        patch.setattr("importlib.metadata.version", lambda package: "99.0")
        seen.add(now())
    with monkeypatch.context() as patch:
        patch.setattr(decoders, "READING", 99)
        seen.add(now())
    assert len(seen) == 6
    assert now() == usual


def test_many_threads_prepare_alike() -> None:
    files = [
        saved(scene(400 + n, 300), format)
        for n in range(4)
        for format in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "HEIF")
    ]
    alone = [fit(data)[0].tobytes() for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: fit(data)[0].tobytes(), files * 3))
    assert together == alone * 3


def test_the_first_pictures_may_come_from_many_threads_at_once() -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
from store.test_images import saved, scene
files = [saved(scene(40, 30), format) for format in ("JPEG", "PNG", "WEBP", "GIF", "TIFF")] * 4
from vstore.pictures import decoders
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation
assert not decoders._registry
with ThreadPoolExecutor(8) as pool:
    assert len(list(pool.map(lambda data: prepare(data, Preparation()), files))) == 20
"""
    run(code)


def mutated(data: bytes, seed: int) -> bytes:
    rng = random.Random(seed)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 10))):
        at = rng.randrange(min(len(changed), rng.choice((64, 600, 10**9))))
        changed[at] = rng.choice((0, 0xFF, rng.randrange(256)))
    if rng.random() < 0.2:
        del changed[rng.randrange(len(changed)) :]
    return bytes(changed)


@pytest.mark.parametrize("name", [*FORMATS, "GIF"])
def test_whatever_the_bytes_are_there_is_a_picture_or_a_reason(
    name: str, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    format, options, *_ = FORMATS.get(name, ("GIF", {}))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    if format not in ("GIF", "BMP", "DIB"):
        options = {**options, "exif": exif}
    picture = scene(60, 40).quantize(200) if name == "GIF" else scene(60, 40)
    data = saved(picture, format, **options)
    warnings.resetwarnings()
    outcomes = set()
    for seed in range(60):
        try:
            found, _ = prepare(mutated(data, seed), Preparation(max_pixels=1 << 20))
            assert found.mode == "RGB"
            assert max(found.size) <= 512
            outcomes.add("picture")
        except PictureFailure as failed:
            assert failed.kind in ("truncated", "not_an_image", "bomb", "needs_extra", "io"), failed
            assert "\n" not in failed.reason
            outcomes.add(failed.kind)
    assert len(outcomes) > 1  # the changes did hit something
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_warnings_stay_away_even_where_they_are_errors_and_others_are_left_alone() -> None:
    """Pillow warns of this one: more data is announced than the file holds."""
    data = bytearray(saved(scene(60, 40), "TIFF", compression="tiff_lzw", software="x" * 100))
    at = data.index(struct.pack("<HHI", 305, 2, 101))
    data[at + 4 : at + 8] = struct.pack("<I", 1 << 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning):
            Image.open(io.BytesIO(data)).tag_v2[305]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        close(fit(bytes(data))[0], scene(60, 40), 0)
        with pytest.raises(UserWarning):
            warnings.warn("of somebody else", stacklevel=1)


# In a sync


def test_a_small_picture_that_is_cut_short_stops_no_sync(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (60, 90, 3), dtype=np.uint8))
    data = saved(noise, "JPEG")
    world = World(tmp_path)
    world.put({"good.jpg": drawn(1), "cut.jpg": data[: len(data) // 2]})
    report = world.sync()
    assert [(failed.path, failed.kind) for failed in report.failed] == [(b"pictures/cut.jpg", "truncated")]
    assert world.paths() == ["pictures/good.jpg"]


# Real pictures


@pytest.fixture
def real() -> Path:
    place = os.environ.get("VSTORE_REAL_PICTURES")
    if not place:
        pytest.skip("VSTORE_REAL_PICTURES names no folder of real pictures")
    return Path(place)


def test_every_real_photograph_is_read_as_a_person_sees_it(real: Path) -> None:
    seen: dict[str, int] = {}
    for path in sorted(real.rglob("*")):
        if path.suffix.lower() not in EXTENSIONS:
            continue
        data = path.read_bytes()
        found, facts = fit(data)
        seen[facts.format] = seen.get(facts.format, 0) + 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                wanted = naive(data)
            except Exception:  # broken EXIF stops the reference, not us
                wanted = Image.open(io.BytesIO(data)).convert("RGB")
                wanted.thumbnail((512, 512), Image.Resampling.LANCZOS, reducing_gap=None)
        close(found, wanted, 2.5)
    assert seen["JPEG"] > 50 and seen["TIFF"] > 5


def test_the_eight_orientations_of_a_real_scene_look_alike(real: Path) -> None:
    for scene_name in ("Landscape", "Portrait"):
        files = sorted(real.rglob(f"orientation/{scene_name}_[1-8].jpg"))
        assert len(files) == 8
        small = []
        for path in files:
            picture, facts = prepare(path.read_bytes(), Preparation())
            assert (facts.width > facts.height) == (scene_name == "Landscape")
            small.append(np.asarray(picture.resize((24, 24)), dtype=float))
        for other in small[1:]:
            assert np.abs(other - small[0]).mean() < 6  # each bears its own number in the middle
