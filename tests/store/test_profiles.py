"""The colours of pictures with ICC profiles, in sRGB: what littlecms makes against arithmetic from the primaries."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from support.profiles import cmyk_profile

from vstore.pictures import icc, profiles
from vstore.pictures.colours import rgb
from vstore.pictures.profiles import to_srgb

# RGB to XYZ as published (Lindbloom; SMPTE EG 432-1; ITU-R BT.2020), for D65; ProPhoto's for D50, with Bradford to D65.
_SRGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
_ADOBE = np.array(
    [[0.5767309, 0.185554, 0.1881852], [0.2973769, 0.6273491, 0.0752741], [0.0270343, 0.0706872, 0.9911085]]
)
_P3 = np.array([[0.4865709, 0.2656677, 0.1982173], [0.2289746, 0.6917385, 0.0792869], [0, 0.0451134, 1.0439444]])
_2020 = np.array([[0.636958, 0.1446169, 0.168881], [0.2627002, 0.6779981, 0.0593017], [0, 0.0280727, 1.0609851]])
_BRADFORD = np.array(
    [[0.9555766, -0.0230393, 0.0631636], [-0.0282895, 1.0099416, 0.0210077], [0.0122982, -0.020483, 1.3299098]]
)
_PROPHOTO = _BRADFORD @ np.array(
    [[0.7976749, 0.1351917, 0.0313534], [0.2880402, 0.7118741, 0.0000857], [0, 0, 0.82521]]
)


def _light(coded: Any, gamma: float | None) -> Any:
    if gamma is not None:
        return coded**gamma
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def _coded(light: Any) -> Any:
    light = np.clip(light, 0, 1)
    return np.rint(255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


def _pixels(channels: int = 3) -> Any:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, channels), np.uint8)
    pixels[0] = np.arange(0, 256, 4)[:, None]
    pixels[1] = 255 * (np.arange(64)[:, None] >> np.arange(channels) & 1)
    return pixels


@pytest.mark.parametrize(
    "primaries, gamma, to_xyz",
    [
        pytest.param(icc.ADOBE_RGB, 563 / 256, _ADOBE, id="adobe"),
        pytest.param(icc.DISPLAY_P3, None, _P3, id="p3"),
        pytest.param(icc.PROPHOTO, 1.8, _PROPHOTO, id="prophoto"),
        pytest.param(icc.BT2020, 1.0, _2020, id="bt2020-linear"),
        pytest.param(icc.BT709, 1.0, _SRGB, id="linear"),
        pytest.param(icc.BT709, 1.8, _SRGB, id="gamma-1.8"),
    ],
)
def test_colours_are_those_of_the_published_primaries(primaries: Any, gamma: float | None, to_xyz: Any) -> None:
    pixels = _pixels()
    right = _coded(_light(pixels / 255, gamma) @ (np.linalg.inv(_SRGB) @ to_xyz).T)

    got = np.asarray(to_srgb(Image.fromarray(pixels), icc.rgb_profile(primaries, gamma))).astype(int)

    assert np.abs(got - right).max() <= 1
    assert np.abs(right - pixels).max() > 15  # ignoring the profile would show


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_greys_are_those_of_their_curve(gamma: float) -> None:
    greys = np.arange(256, dtype=np.uint8)[None]

    got = np.asarray(to_srgb(Image.fromarray(greys), icc.grey_profile(gamma))).astype(int)

    assert np.abs(got - _coded(_light(greys / 255, gamma))[..., None]).max() <= 1


@pytest.mark.parametrize("gamma", [None, 1.8])
def test_transparency_stays_as_it_is(gamma: float | None) -> None:
    pixels = _pixels(4)
    profile = icc.rgb_profile(icc.DISPLAY_P3, gamma)

    got = to_srgb(Image.fromarray(pixels, "RGBA"), profile)

    opaque = to_srgb(Image.fromarray(np.ascontiguousarray(pixels[..., :3])), profile)
    assert got.mode == "RGBA"
    assert np.array_equal(np.asarray(got)[..., 3], pixels[..., 3])
    assert np.array_equal(np.asarray(got)[..., :3], np.asarray(opaque))


def test_transparency_of_greys_and_palettes_stays() -> None:
    grey = Image.fromarray(_pixels(2), "LA")
    got = np.asarray(to_srgb(grey, icc.grey_profile(1.0)))
    assert np.array_equal(got[..., 3], np.asarray(grey)[..., 1])
    assert np.array_equal(got[..., 0], np.asarray(to_srgb(grey.getchannel("L"), icc.grey_profile(1.0)))[..., 0])

    drawn = Image.new("P", (4, 1))
    drawn.putpalette([200, 30, 90, 10, 20, 30])
    drawn.putdata([0, 1, 0, 1])
    drawn.info["transparency"] = 1
    got = to_srgb(drawn, icc.rgb_profile(icc.DISPLAY_P3))
    assert [pixel[3] for pixel in got.get_flattened_data()] == [255, 0, 255, 0]
    assert got.getpixel((0, 0))[:3] == to_srgb(
        Image.new("RGB", (1, 1), (200, 30, 90)), icc.rgb_profile(icc.DISPLAY_P3)
    ).getpixel((0, 0))


def _near_srgb() -> list[bytes]:
    """Write sRGB as others do: by littlecms, with rounded primaries, with a table of 1,024 values, with gamma 2.2."""
    from_littlecms = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rounded = icc.rgb_profile(icc.Primaries((0.6400, 0.3301), (0.2999, 0.6001), (0.1500, 0.0600), (0.3127, 0.3290)))
    return [from_littlecms, icc.rgb_profile(icc.BT709), rounded]


@pytest.mark.parametrize("number", range(3))
def test_what_is_in_srgb_stays_to_the_bit(number: int) -> None:
    picture = Image.fromarray(_pixels())
    assert to_srgb(picture, _near_srgb()[number]) is picture
    assert to_srgb(picture, None) is picture


def test_an_unusable_profile_is_ignored() -> None:
    picture, profile = Image.fromarray(_pixels()), icc.rgb_profile(icc.ADOBE_RGB, 2.2)
    link = profile[:12] + b"link" + profile[16:]
    named = profile[:16] + b"CMYK" + profile[20:]
    without_tags = profile[:128] + bytes(4)
    absurd = profile + bytes(icc.LARGEST)
    unsigned = profile[:36] + b"none" + profile[40:]
    noise = profile[:132] + bytes(len(profile) - 132)
    for broken in (link, named, without_tags, absurd, unsigned, noise, profile[:100], b"", b"x" * 4000):
        assert to_srgb(picture, broken) is picture
    assert to_srgb(picture, icc.grey_profile(1.0)) is picture
    grey = picture.convert("L")
    assert to_srgb(grey, profile).tobytes() == grey.convert("RGB").tobytes()


def test_every_cut_of_a_profile_is_read_or_ignored() -> None:
    picture, profile = Image.fromarray(_pixels()), icc.rgb_profile(icc.ADOBE_RGB, 2.2)
    for end in range(0, len(profile), 7):
        assert to_srgb(picture, profile[:end]).size == picture.size


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16"])
def test_pictures_without_a_profile_are_as_before(mode: str) -> None:
    picture = Image.new("RGB", (9, 7), (12, 200, 90)).convert("L" if mode in ("I", "F", "I;16", "LA") else "RGB")
    picture = (
        ImageCms.profileToProfile(
            picture, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
        if mode == "LAB"
        else picture.convert(mode)
    )

    got = to_srgb(picture, None)

    assert got.convert("RGB").tobytes() == rgb(picture).tobytes()
    assert got.mode == ("RGBA" if mode in ("LA", "RGBA") else "RGB")


@pytest.mark.parametrize(
    "inks, colour",
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 0, 0), (255, 0, 255)),
        ((0, 0, 255, 0), (255, 255, 0)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 255, 0, 0), (0, 0, 255)),
    ],
)
def test_inks_are_read_by_their_profile(inks: tuple[int, ...], colour: tuple[int, ...]) -> None:
    got = to_srgb(Image.new("CMYK", (2, 2), inks), cmyk_profile()).getpixel((0, 0))
    assert max(abs(a - b) for a, b in zip(got, colour, strict=True)) <= 6  # Lab of 8 bits has steps of that size


def test_black_ink_is_no_plain_black() -> None:
    grey = to_srgb(Image.new("CMYK", (2, 2), (0, 0, 0, 255)), cmyk_profile()).getpixel((0, 0))
    assert 40 <= grey[0] <= 70 and max(grey) - min(grey) <= 4
    assert rgb(Image.new("CMYK", (2, 2), (0, 0, 0, 255))).getpixel((0, 0)) == (0, 0, 0)


def test_threads_share_transforms_of_more_profiles_than_are_kept() -> None:
    made = [icc.rgb_profile(icc.ADOBE_RGB, 1.5 + place / 20) for place in range(20)]
    picture = Image.fromarray(_pixels())
    right = [to_srgb(picture, profile).tobytes() for profile in made]
    assert len(set(right)) == 20

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda at: to_srgb(picture, made[at % 20]).tobytes() == right[at % 20], range(400)))

    assert all(got)
    assert len(profiles._transforms._kept) <= 16
