"""The two preparations: their sizes, their words in a recipe, and what the second one does otherwise."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.golden_pictures import EXAMPLES

from vstore.errors import ModelError
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation, preparation_1, preparation_2, preparation_of

PHOTOGRAPHS = sorted(path for path in EXAMPLES.rglob("*") if path.suffix in (".jpg", ".png", ".webp"))


def prepared(data: bytes, document: dict[str, Any]) -> Image.Image:
    return prepare(data, preparation_of({"prepare": document}))[0]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((3000, 2000), (336, 224)),
        ((2000, 3000), (224, 336)),
        ((1000, 333), (672, 224)),  # 672.67 is cut off, as transformers does it
        ((224, 4000), (201, 3584)),  # beyond 16:1 the longer side decides
        ((100, 80), (100, 80)),  # nothing is enlarged
        ((100, 40000), (9, 3584)),
        ((1, 178_000_000), (1, 3584)),
        ((224, 224), (224, 224)),
    ],
)
def test_the_shorter_side_decides_the_size(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert preparation_of({"prepare": preparation_2(short_side=224)}).size(*size) == expected


def test_a_recipe_is_read_as_it_was_written() -> None:
    assert preparation_of({}) == preparation_of({"prepare": preparation_1()}) == Preparation()
    given = preparation_2(short_side=16, resample="bicubic", draft=3.0, gap=None, colours=False)
    second = preparation_of({"prepare": given})
    assert second == Preparation(policy=2, max_side=256, short_side=16, resample="bicubic", draft=3.0, gap=None)
    assert preparation_of({"prepare": preparation_2()}) == Preparation(policy=2, colours=True)


@pytest.mark.parametrize(
    "other",
    [
        {"policy": 3},
        {**preparation_1(), "short_side": 224},
        {**preparation_1(), "draft": 2.0},
        {**preparation_1(), "colour": "sRGB"},
        {**preparation_1(), "resample": "bicubic"},
        {**preparation_2(), "alpha": "over white"},
        {**preparation_2(), "frame": 0},
        {**preparation_2(), "resample": "nearest"},
        {**preparation_2(), "colour": "Adobe RGB"},
        {**preparation_2(), "sharpened": True},
        # What no vstore wrote
        [],
        "none",
        {"max_side": 0},
        {"max_side": 512.0},
        {"max_side": 1 << 40},
        {**preparation_2(), "max_side": "512"},
        {**preparation_2(), "short_side": -1},
        {**preparation_2(), "short_side": True},
        {**preparation_2(), "draft": 0.5},
        {**preparation_2(), "draft": "3"},
        {**preparation_2(), "reducing_gap": 1e40},
        {**preparation_2(), "reducing_gap": [2.0]},
        {"through": {}},
        {"through": "JPEG"},
        {"through": {"format": "JPEG", "quality": 0}},
        {"through": {"format": "PNG", "quality": 75}},
    ],
)
def test_a_preparation_that_is_not_known_is_refused(other: Any) -> None:
    with pytest.raises(ModelError, match="does not know how to prepare"):
        preparation_of({"prepare": other})


@pytest.mark.parametrize("path", PHOTOGRAPHS, ids=lambda path: path.name)
def test_what_is_plain_srgb_is_prepared_alike_by_both(path: Any) -> None:
    data = path.read_bytes()
    assert prepared(data, preparation_1()).tobytes() == prepared(data, preparation_2()).tobytes()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_picture_is_near_the_models_own_resize(format: str, orientation: int) -> None:
    picture = Image.open(PHOTOGRAPHS[0]).convert("RGB").resize((1501, 1003), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    picture.save(file, format, exif=exif, quality=95)
    found = prepared(file.getvalue(), preparation_2(short_side=224, resample="bicubic", draft=3.0, gap=1.5))
    assert min(found.size) == 224
    turned = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}
    whole = Image.open(file).convert("RGB").resize((335, 224), Image.Resampling.BICUBIC)
    turn = turned[orientation]
    whole = whole if turn is None else whole.transpose(turn)
    off = np.asarray(found).astype(float) - np.asarray(whole)
    assert 10 * np.log10(255**2 / np.mean(off**2)) > 38


def test_a_small_picture_of_any_format_stays_at_its_size() -> None:
    for format in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"):
        file = io.BytesIO()
        Image.new("RGB", (31, 17), (200, 30, 90)).save(file, format)
        found = prepared(file.getvalue(), preparation_2(short_side=224, draft=3.0, gap=1.5))
        assert found.size == (31, 17) and found.mode == "RGB"
