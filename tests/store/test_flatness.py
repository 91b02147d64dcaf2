"""Pictures of one colour."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vstore.pictures.flatness import FLAT, is_flat, spread


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (512, 340), (1, 700)])
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (12, 200, 90)])
def test_one_colour_is_flat(colour: tuple[int, int, int], size: tuple[int, int]) -> None:
    assert is_flat(Image.new("RGB", size, colour))
    saved = io.BytesIO()
    Image.new("RGB", size, colour).save(saved, "JPEG", quality=40)
    assert is_flat(Image.open(saved).convert("RGB"))


def test_the_tolerance_is_of_one_channel() -> None:
    for channel in range(3):
        pixels = np.full((20, 20, 3), 100, np.uint8)
        pixels[:10, :, channel] += FLAT
        assert is_flat(Image.fromarray(pixels)) and spread(Image.fromarray(pixels)) == FLAT
        pixels[:10, :, channel] += 1
        assert not is_flat(Image.fromarray(pixels))


def test_noise_and_a_single_point_are_nothing_to_see() -> None:
    noise = np.random.default_rng(0).normal(40, 4, (512, 512, 3)).clip(0, 255).astype(np.uint8)
    assert is_flat(Image.fromarray(noise))
    dot = Image.new("RGB", (512, 512))
    dot.putpixel((100, 100), (255, 255, 255))
    assert is_flat(dot)


def test_a_thin_line_and_a_faint_scene_are_something() -> None:
    line = Image.new("RGB", (512, 512), "white")
    ImageDraw.Draw(line).line((0, 100, 511, 100), fill="black")
    assert not is_flat(line)
    small = Image.new("RGB", (16, 16))
    small.putpixel((3, 3), (255, 255, 255))
    assert not is_flat(small)
    scene = np.random.default_rng(1).integers(0, 20, (8, 8, 3), np.uint8)
    assert not is_flat(Image.fromarray(scene).resize((512, 512)))


def test_grey_pictures_are_judged_too() -> None:
    assert is_flat(Image.new("L", (50, 50), 9))
    assert not is_flat(Image.linear_gradient("L"))
