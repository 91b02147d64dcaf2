"""The frame by which an animation is known: the first with something on it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vstore.pictures import shown_frame as module
from vstore.pictures.decoders import open_picture
from vstore.pictures.gif_frames import frames_within
from vstore.pictures.ground import over_ground
from vstore.pictures.shown_frame import shown_frame

FORMATS = ("GIF", "PNG", "WEBP", "AVIF")


def _scene(number: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    noise = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def _animation(frames: list[Image.Image], format: str, **options: Any) -> bytes:
    saved = io.BytesIO()
    frames[0].save(saved, format, save_all=True, append_images=frames[1:], duration=80, **options)
    return saved.getvalue()


def _fade(scene: Image.Image, colour: str = "black", steps: int = 8) -> list[Image.Image]:
    ground = Image.new("RGB", scene.size, colour)
    return [ground, *(Image.blend(ground, scene, step / steps) for step in range(1, steps + 1)), *[scene] * 5]


def _shown(data: bytes) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(over_ground(shown_frame(open_picture(data), data))).astype(np.int64)


@pytest.mark.parametrize("colour", ["black", "white"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_fade_is_known_by_a_frame_that_shows_it(format: str, colour: str) -> None:
    shown = [_shown(_animation(_fade(_scene(number), colour), format)) for number in range(3)]
    for number, pixels in enumerate(shown):
        scene = np.asarray(_scene(number)).astype(int).ravel()
        assert pixels.max() - pixels.min() >= 120  # half of its brightness at least
        assert np.corrcoef(pixels.ravel(), scene)[0, 1] > 0.97
        assert all(np.corrcoef(pixels.ravel(), other.ravel())[0, 1] < 0.7 for other in shown if other is not pixels)


@pytest.mark.parametrize("format", FORMATS)
def test_a_first_frame_with_something_on_it_stays_to_the_bit(format: str) -> None:
    title = Image.new("RGB", (160, 120))
    ImageDraw.Draw(title).text((50, 50), "A title", fill="white")
    for first in (_scene(1), title):
        data = _animation([first, _scene(2), _scene(3)], format)
        picture, usual = open_picture(data), open_picture(data)
        usual.load()
        assert shown_frame(picture, data) is picture
        assert (picture.mode, picture.tobytes()) == (usual.mode, usual.tobytes())


@pytest.mark.parametrize("format", FORMATS)
def test_still_pictures_and_blank_animations_keep_their_first_frame(format: str) -> None:
    for frames in (
        [_scene(1)],
        [Image.new("RGB", (40, 30))],
        [Image.new("RGB", (40, 30), (n, n, n)) for n in range(5)],
    ):
        data = _animation(frames, format)
        usual = open_picture(data)
        usual.load()
        assert shown_frame(open_picture(data), data).convert("RGB").tobytes() == usual.convert("RGB").tobytes()


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_a_first_frame_without_opacity_shows_nothing(format: str) -> None:
    drawn = Image.new("RGBA", (160, 120))
    ImageDraw.Draw(drawn).ellipse((20, 20, 120, 100), fill=(255, 255, 255, 255))
    pixels = _shown(
        _animation(
            [Image.new("RGBA", (160, 120)), drawn, drawn], format, **({"disposal": 2} if format == "GIF" else {})
        )
    )
    assert pixels[60, 60].min() > 240 and pixels[2, 2].max() < 15


def test_of_faint_frames_one_with_half_of_the_most_is_taken() -> None:
    faint = Image.fromarray((np.asarray(_scene(4)) // 4 + 20).astype(np.uint8))
    pixels = _shown(_animation([*_fade(faint, steps=16)], "WEBP", lossless=True))
    most = np.asarray(faint).astype(int)
    assert 2 * (pixels.max() - pixels.min()) >= most.max() - most.min()


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_cut_behind_its_first_frame_is_known_by_what_is_there(format: str) -> None:
    data = _animation(_fade(_scene(5)), format, **({"lossless": True} if format == "WEBP" else {}))
    for share in (0.3, 0.5, 0.7, 0.9):
        cut = data[: int(len(data) * share)]
        try:
            first = open_picture(cut)
            first.load()
        except Exception:
            continue
        assert shown_frame(open_picture(cut), cut).size == (160, 120)


def test_frames_are_looked_at_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    black = Image.new("RGB", (16, 12))
    nearly = [black.point(lambda value, add=n % 2: value + add) for n in range(module.FRAMES + 20)]
    late = _animation([*nearly, _scene(6, (16, 12))], "GIF")
    assert _shown(late).max() < 10
    assert _shown(_animation([*nearly[: module.FRAMES - 1], _scene(6, (16, 12))], "GIF")).max() > 100

    data = _animation([black, black.point(lambda value: value + 1), _scene(6, (16, 12))], "GIF")
    assert _shown(data).max() > 100
    monkeypatch.setattr(module, "PIXELS", 16 * 12 * 2)
    assert _shown(data).max() < 10


def test_pages_of_a_tiff_are_no_frames() -> None:
    saved = io.BytesIO()
    Image.new("RGB", (40, 30)).save(saved, "TIFF", save_all=True, append_images=[_scene(1, (40, 30))])
    assert _shown(saved.getvalue()).max() == 0


def test_a_later_frame_outside_of_the_screen_is_the_end() -> None:
    """Pillow would make room for it: 4 GB for one of 65,535 x 65,535."""
    black, scene = Image.new("RGB", (16, 12)), _scene(6, (16, 12))
    data = bytearray(_animation([black, black.point(lambda value: value + 1), scene], "GIF"))
    assert _shown(bytes(data)).max() > 100
    frames = [at for at in range(len(data)) if data[at : at + 9] == b"\x2c\0\0\0\0\x10\0\x0c\0"]
    assert len(frames) == 3 and frames_within(bytes(data), 100) == 3 and frames_within(bytes(data), 2) == 2
    data[frames[2] + 5] += 1
    assert frames_within(bytes(data), 100) == 2
    assert _shown(bytes(data)).max() < 10
    for end in range(len(data)):
        frames_within(bytes(data[:end]), 100)
