"""Pictures with profiles, transparency and animation: from their bytes to what preparation 2 gives an embedder."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from support.profiles import cmyk_profile

from vstore.embed.builtin import BuiltinEmbedder
from vstore.pictures import icc
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import preparation_1, preparation_2, preparation_of
from vstore.pictures.profiles import to_srgb

OLD, NEW, IGNORING = (
    preparation_of({"prepare": prepare}) for prepare in (preparation_1(), preparation_2(), preparation_2(colours=False))
)
SAVED: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 98, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "HEIF": {"quality": 100, "chroma": 444},
}
PROFILES = {
    "p3": icc.rgb_profile(icc.DISPLAY_P3),
    "adobe": icc.rgb_profile(icc.ADOBE_RGB, 563 / 256),
    "prophoto": icc.rgb_profile(icc.PROPHOTO, 1.8),
    "linear": icc.rgb_profile(icc.BT709, 1.0),
}


def _scene(size: tuple[int, int] = (200, 150), seed: int = 1) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(20, 236, (5, 7, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def _saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    if format == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    out = io.BytesIO()
    picture.save(out, format, **SAVED[format], **options)
    return out.getvalue()


def _pixels(data: bytes, preparation: Any) -> Any:
    return np.asarray(prepare(data, preparation)[0]).astype(int)


@pytest.mark.parametrize("format", SAVED)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_profiles_are_honoured_in_every_format(format: str, profile: bytes) -> None:
    scene = _scene()
    data = _saved(scene, format, icc_profile=profile)
    right, plain = np.asarray(to_srgb(scene, profile)).astype(int), np.asarray(scene).astype(int)

    assert np.abs(_pixels(data, NEW) - right).mean() < 2.5
    assert np.abs(_pixels(data, IGNORING) - plain).mean() < 2.5
    assert np.array_equal(_pixels(data, OLD), _pixels(data, IGNORING))
    assert np.abs(right - plain).mean() > 4


@pytest.mark.parametrize("format", SAVED)
def test_pictures_in_srgb_are_to_the_bit_as_without_a_profile(format: str) -> None:
    scene = _scene((700, 500))
    bare = _saved(scene, format)
    tagged = _saved(scene, format, icc_profile=icc.rgb_profile(icc.BT709))
    assert np.array_equal(_pixels(tagged, NEW), _pixels(bare, NEW))
    assert np.array_equal(_pixels(bare, NEW), _pixels(bare, OLD))


def test_the_size_of_a_picture_changes_no_colour() -> None:
    """Colours are converted once the picture is small: that changes edges, and nothing else."""
    for size in ((512, 384), (1400, 1050)):
        data = _saved(_scene(size), "JPEG", icc_profile=PROFILES["adobe"])
        right = np.asarray(to_srgb(_scene((512, 384)), PROFILES["adobe"])).astype(int)
        assert np.abs(_pixels(data, NEW) - right).mean() < 2


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_inks_are_read_by_their_profile(format: str) -> None:
    inks = Image.new("CMYK", (40, 40), (0, 0, 0, 255))
    profile = cmyk_profile()
    right = np.asarray(to_srgb(inks, profile)).astype(int)
    data = _saved(inks, format, icc_profile=profile)
    assert np.abs(_pixels(data, NEW) - right).max() <= 3 and right.min() > 40
    assert _pixels(data, IGNORING).max() <= 3 and _pixels(data, OLD).max() <= 3


def test_greys_are_read_by_their_profile() -> None:
    ramp = Image.linear_gradient("L")
    for picture in (ramp, Image.fromarray(np.asarray(ramp).astype(np.uint16) * 257)):
        data = _saved(picture, "PNG", icc_profile=icc.grey_profile(1.0))
        right = np.asarray(to_srgb(ramp, icc.grey_profile(1.0))).astype(int)
        assert np.abs(_pixels(data, NEW) - right).max() <= 1
        assert np.array_equal(_pixels(data, OLD)[..., 0], np.asarray(ramp))


def test_a_damaged_profile_costs_nothing_but_itself() -> None:
    scene = _scene()
    bare = _pixels(_saved(scene, "PNG"), NEW)
    for broken in (b"no profile at all", PROFILES["p3"][:200], PROFILES["p3"].replace(b"RGB ", b"GRAY")):
        assert np.array_equal(_pixels(_saved(scene, "PNG", icc_profile=broken), NEW), bare)


def test_transparency_and_colours_go_together() -> None:
    drawn = Image.new("RGBA", (120, 90), (0, 0, 0, 0))
    ImageDraw.Draw(drawn).rectangle((20, 20, 100, 70), fill=(200, 40, 90, 255))
    data = _saved(drawn, "PNG", icc_profile=PROFILES["p3"])
    right = to_srgb(Image.new("RGB", (1, 1), (200, 40, 90)), PROFILES["p3"]).getpixel((0, 0))
    got = _pixels(data, NEW)
    assert tuple(got[45, 60]) == right and tuple(got[2, 2]) == (255, 255, 255)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_white_drawings_are_told_apart_and_black_ones_stay(format: str) -> None:
    vectors = {}
    for ink in (0, 255):
        for shape in ("ellipse", "rectangle", "arc"):
            drawn = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
            draw = ImageDraw.Draw(drawn)
            if shape == "arc":
                draw.arc((20, 20, 180, 180), 0, 200, fill=(ink, ink, ink, 255), width=8)
            else:
                getattr(draw, shape)((30, 60, 170, 140), fill=(ink, ink, ink, 255))
            data = _saved(drawn, format)
            new, old = _pixels(data, NEW), _pixels(data, OLD)
            vectors[shape, ink] = BuiltinEmbedder().embed_images([prepare(data, NEW)[0]])[0]
            if ink == 0:
                assert np.array_equal(new, old)
            else:
                assert old.min() > 240 and new.min() < 15 and new.max() > 240
    for ink in (0, 255):
        one, two, three = (vectors[shape, ink] for shape in ("ellipse", "rectangle", "arc"))
        assert max(one @ two, one @ three, two @ three) < 0.97


def test_an_animation_is_turned_and_scaled_as_a_picture_is() -> None:
    scene = _scene((800, 600))
    black = Image.new("RGB", scene.size)
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    black.save(out, "WEBP", save_all=True, append_images=[scene], duration=50, exif=exif, lossless=True)
    still = io.BytesIO()
    scene.save(still, "WEBP", exif=exif, lossless=True)
    picture, facts = prepare(out.getvalue(), NEW)
    assert (facts.width, facts.height) == (600, 800) and picture.size == (384, 512)
    assert np.abs(_pixels(out.getvalue(), NEW) - _pixels(still.getvalue(), NEW)).max() <= 1
    assert _pixels(out.getvalue(), OLD).max() == 0
