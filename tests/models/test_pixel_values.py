"""The values of pixels by a table: those of the processor itself, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="the model families need vstore-index[model]")
transformers = pytest.importorskip("transformers")

from vstore.embed.hf.pixel_values import PixelValues  # noqa: E402

USUAL = ("CLIP", "Siglip", "Bit", "ViT", "ConvNext", "DeiT", "Beit", "Blip", "ChineseCLIP")


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("name", USUAL)
def test_the_values_are_those_of_the_processor(name: str) -> None:
    processor: Any = getattr(transformers, f"{name}ImageProcessorPil")()
    quick = PixelValues(processor)
    assert quick.is_quick
    for size in ((400, 300), (300, 400), (40, 30), (224, 224), (336, 224), (900, 60)):
        right = processor(images=picture(*size), return_tensors="np")["pixel_values"][0]
        found = quick(picture(*size))
        assert found.dtype == right.dtype == np.float32
        assert np.array_equal(found, right)


@pytest.mark.parametrize(
    "steps", [{"do_normalize": False}, {"do_rescale": False}, {"rescale_factor": 1 / 127.5}, {"image_std": [1, 2, 3]}]
)
def test_other_values_are_those_of_the_processor_too(steps: dict[str, Any]) -> None:
    processor: Any = transformers.CLIPImageProcessorPil(**steps)
    found = PixelValues(processor)(picture(300, 200))
    right = processor(images=picture(300, 200), return_tensors="np")["pixel_values"][0]
    assert found.dtype == right.dtype
    assert np.array_equal(found, right)


class Contrast(transformers.CLIPImageProcessorPil):  # type: ignore[misc]
    """A processor whose values depend on the rest of the picture."""

    def __call__(self, images: Any, **options: Any) -> Any:
        found = super().__call__(images, **options)
        if options.get("do_normalize", True):
            found["pixel_values"] = [one - one.mean() for one in found["pixel_values"]]
        return found


class Gamma(transformers.CLIPImageProcessorPil):  # type: ignore[misc]
    """A processor with a step of its own before the values."""

    def __call__(self, images: Any, **options: Any) -> Any:
        if images.size != (16, 16):
            images = images.point(lambda value: value // 2)
        return super().__call__(images, **options)


def test_a_table_that_is_not_right_is_not_used() -> None:
    processor = Contrast()
    values = PixelValues(processor)
    assert not values.is_quick
    right = processor(images=picture(300, 200), return_tensors="np")["pixel_values"][0]
    assert np.array_equal(values(picture(300, 200)), right)
    shaped = PixelValues(Gamma())
    right = Gamma()(images=picture(300, 200), return_tensors="np")["pixel_values"][0]
    assert np.array_equal(shaped(picture(300, 200)), right)
