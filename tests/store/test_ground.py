"""The ground below transparent pictures: white as ever, unless what is drawn could not be seen on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from vstore.pictures.colours import rgb
from vstore.pictures.ground import BLACK, GREY, WHITE, ground_of, over_ground

SHAPES = ("ellipse", "rectangle", "line", "pieslice", "polygon", "text", "hairlines")


def _drawn(shape: str, colour: tuple[int, ...], side: int = 200) -> Image.Image:
    picture = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    if shape == "ellipse":
        draw.ellipse((30, 30, 170, 170), fill=colour)
    elif shape == "rectangle":
        draw.rectangle((20, 80, 180, 120), fill=colour)
    elif shape == "pieslice":
        draw.pieslice((20, 20, 180, 180), 0, 90, fill=colour)
    elif shape == "polygon":
        draw.polygon([(100, 10), (190, 190), (10, 190)], fill=colour)
    elif shape == "text":
        draw.text((20, 90), "Some words in white", fill=colour)
    else:
        for start in range(0, 200, 20):
            draw.line((start, 0, 200 - start, 200), fill=colour, width=4 if shape == "line" else 1)
    return picture.resize((side, side))


@pytest.mark.parametrize("side", [40, 200, 633])
@pytest.mark.parametrize("shape", SHAPES)
def test_black_stays_on_white_to_the_bit(shape: str, side: int) -> None:
    for level in (0, 60, 128, *((180,) if side > 40 else ())):  # nothing of a light thin line is left in 40 pixels
        picture = _drawn(shape, (level, level, level, 255), side)
        assert ground_of(picture) == WHITE
        assert over_ground(picture).tobytes() == rgb(picture).tobytes()


@pytest.mark.parametrize("side", [40, 200, 633])
@pytest.mark.parametrize("shape", SHAPES)
def test_white_comes_onto_black(shape: str, side: int) -> None:
    for colour in ((255, 255, 255), (240, 240, 240), (255, 240, 245), (235, 250, 255)):
        picture = _drawn(shape, (*colour, 255), side)
        assert ground_of(picture) == BLACK
        assert np.asarray(over_ground(picture)).max() > 70


@pytest.mark.parametrize("colour", [(255, 255, 0), (0, 255, 255), (255, 192, 203), (120, 200, 80), (200, 200, 200)])
def test_colours_stay_on_white(colour: tuple[int, int, int]) -> None:
    for shape in ("ellipse", "rectangle", "line", "pieslice", "polygon"):
        assert ground_of(_drawn(shape, (*colour, 255))) == WHITE


def _side_by_side(*pictures: Image.Image) -> Image.Image:
    both = Image.new("RGBA", (200 * len(pictures), 200))
    for place, picture in enumerate(pictures):
        both.paste(picture, (200 * place, 0))
    return both


@pytest.mark.parametrize("shape", SHAPES[:-1])
def test_black_and_white_side_by_side_come_onto_grey(shape: str) -> None:
    both = _side_by_side(_drawn(shape, (0, 0, 0, 255)), _drawn(shape, (255, 255, 255, 255)))

    assert ground_of(both) == GREY

    laid = np.asarray(over_ground(both).convert("L")).astype(int)
    assert laid[:, :200].min() < 100 and laid[:, 200:].max() > 150


def test_white_with_a_black_outline_stays_on_white() -> None:
    picture = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((30, 30, 170, 170), fill="white", outline="black", width=6)
    assert ground_of(picture) == WHITE


def _photograph(low: int = 0, high: int = 255) -> Image.Image:
    noise = np.random.default_rng(7).integers(0, 256, (12, 16, 3), np.uint8)
    scene = np.asarray(Image.fromarray(noise).resize((480, 360), Image.Resampling.BICUBIC))
    return Image.fromarray((low + scene.astype(int) * (high - low) // 255).astype(np.uint8))


def _with_round_corners(picture: Image.Image, radius: int) -> Image.Image:
    mask = Image.new("L", picture.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, picture.width - 1, picture.height - 1), radius, fill=255)
    picture = picture.convert("RGBA")
    picture.putalpha(mask)
    return picture


@pytest.mark.parametrize("low, high", [(0, 255), (0, 80), (180, 255)])
def test_photographs_with_round_corners_stay_on_white(low: int, high: int) -> None:
    picture = _with_round_corners(_photograph(low, high), 40)
    assert ground_of(picture) == WHITE
    assert over_ground(picture).tobytes() == rgb(picture).tobytes()


def test_a_white_window_with_words_and_a_shadow_stays_on_white() -> None:
    window = Image.new("RGB", (900, 700), "white")
    draw = ImageDraw.Draw(window)
    for line in range(40, 660, 22):
        draw.text((40, line), "A line of words in a window, as editors and browsers show them " * 2, fill="black")
    picture = Image.new("RGBA", (1000, 800), (0, 0, 0, 0))
    shadow = Image.new("L", picture.size, 0)
    shadow.paste(110, (50, 60, 950, 760))
    picture.putalpha(shadow.filter(ImageFilter.GaussianBlur(20)))
    picture.alpha_composite(_with_round_corners(window, 12), (50, 40))
    assert ground_of(picture) == WHITE


def test_nothing_and_one_colour_stay_on_white() -> None:
    assert ground_of(Image.new("RGBA", (64, 48))) == WHITE
    assert ground_of(Image.new("RGBA", (64, 48), (255, 255, 255, 0))) == WHITE
    assert ground_of(Image.new("RGBA", (64, 48), (255, 255, 255, 255))) == WHITE
    assert ground_of(Image.new("RGBA", (1, 1), (255, 255, 255, 128))) == WHITE
    assert ground_of(Image.new("RGBA", (1, 3000), (255, 255, 255, 9))) == WHITE


def test_colours_below_no_opacity_decide_nothing() -> None:
    picture = _drawn("ellipse", (255, 255, 255, 255))
    hidden = np.array(picture)
    hidden[hidden[..., 3] == 0, :3] = np.random.default_rng(0).integers(0, 256, 3, np.uint8)
    assert over_ground(Image.fromarray(hidden)).tobytes() == over_ground(picture).tobytes()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ink, ground", [(0, WHITE), (255, BLACK)])
def test_a_small_change_leaves_the_ground(shape: str, ink: int, ground: Any) -> None:
    picture = _drawn(shape, (ink, ink, ink, 255))
    noise = np.random.default_rng(3).normal(0, 6, (200, 200, 4))
    noisy = np.clip(np.asarray(picture) + noise * (np.asarray(picture)[..., 3:] > 0), 0, 255).astype(np.uint8)
    for changed in (
        Image.fromarray(noisy),
        picture.resize((171, 171)),
        picture.rotate(3, expand=True),
        picture.crop((5, 5, 195, 195)),
        picture.quantize(32).convert("RGBA"),
        picture.transpose(Image.Transpose.ROTATE_90),
    ):
        assert ground_of(changed) == ground


@pytest.mark.parametrize("ink, ground", [(0, 255), (255, 0)])
@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "LA", "La", "PA", "P", "L", "RGB", "1", "I;16"])
def test_every_mode_with_transparency_is_laid_over_its_ground(mode: str, ink: int, ground: int) -> None:
    drawn = _drawn("polygon", (ink, ink, ink, 255))
    opaque = np.asarray(drawn.getchannel("A")) > 0
    clear = 255 - ink
    greys = np.where(opaque, ink, clear).astype(np.uint8)
    if mode in ("RGBA", "LA"):
        picture = drawn.convert(mode)
    elif mode in ("RGBa", "La"):
        picture = drawn.convert(mode[:-1] + "A").convert(mode)
    elif mode == "PA":
        picture = Image.merge("LA", (Image.fromarray(greys), drawn.getchannel("A"))).convert("PA")
    elif mode == "P":
        picture = Image.fromarray((greys == clear).astype(np.uint8))
        picture.putpalette([ink] * 3 + [clear] * 3)
        picture.info["transparency"] = 1
    elif mode == "RGB":
        picture = Image.fromarray(greys).convert("RGB")
        picture.info["transparency"] = (clear,) * 3
    elif mode == "I;16":
        picture = Image.fromarray(greys.astype(np.uint16) * 257)
        picture.info["transparency"] = clear * 257
    else:
        picture = Image.fromarray(greys).convert(mode)
        picture.info["transparency"] = clear
    assert picture.mode == mode

    laid = over_ground(picture)

    assert laid.mode == "RGB"
    assert set(laid.get_flattened_data()) == {(ink,) * 3, (ground,) * 3}


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "I;16", "I", "F", "LAB", "YCbCr"])
def test_what_has_no_transparency_stays(mode: str) -> None:
    picture = Image.new(mode, (5, 4), 1)
    assert over_ground(picture).tobytes() == rgb(picture).tobytes()
