"""The preparation that a new space of a model gets."""

from __future__ import annotations

from typing import Any

import pytest

from vstore.embed.model_words import Words
from vstore.embed.prepared import Edge, edge_of, other_preparations, prepared_for
from vstore.errors import UsageError
from vstore.pictures.preparation import preparation_1, preparation_2

CLIP = {"class": "CLIPImageProcessorPil", "backend": "pil", "resample": 3, "size": {"shortest_edge": 224}}
CONVNEXT = {"class": "ConvNextImageProcessorPil", "backend": "pil", "resample": 2, "crop_pct": 0.875}
OWN = {"class": "resize-crop", "backend": "vstore", "interpolation": "bicubic", "resize_to": [378, 378]}
DINOV3 = {"class": "dinov3", "backend": "vstore", "resample": "bilinear", "size": {"height": 224, "width": 224}}
FINE: dict[str, Any] = {"draft": 1.75, "gap": 2.0}
FAST: dict[str, Any] = {"draft": 1.25, "gap": 2.0}
QWEN = {"merge_size": 2, "patch_size": 14, "size": {"shortest_edge": 3136, "longest_edge": 12845056}}


@pytest.mark.parametrize(
    ("processor", "edge"),
    [
        (CLIP, Edge(224, True, "bicubic")),
        ({**CLIP, "size": {"height": 256, "width": 320}, "resample": 2}, Edge(320, True, "bilinear")),
        ({**CONVNEXT, "size": {"shortest_edge": 224}}, Edge(256, True, "bilinear")),  # cropped to 224 afterwards
        ({**CONVNEXT, "size": {"shortest_edge": 384}}, Edge(384, True, "bilinear")),
        ({**OWN, "resize": "shortest"}, Edge(378, True, "bicubic")),
        ({**OWN, "resize": "squash"}, Edge(378, True, "bicubic")),
        ({**OWN, "resize": "longest"}, Edge(378, False, "bicubic")),
        (DINOV3, Edge(224, True, "bilinear")),
    ],
)
def test_the_edge_of_a_model_is_that_of_its_own_resize(processor: dict[str, Any], edge: Edge) -> None:
    assert edge_of({"processor": processor}) == edge


@pytest.mark.parametrize(
    "processor",
    [
        None,
        {},
        QWEN,
        {**CLIP, "class": "LevitImageProcessorPil"},  # it resizes to more than `size`
        {**CLIP, "do_resize": False},
        {**CLIP, "resample": 0},
        {**CLIP, "size": {"shortest_edge": 224, "longest_edge": 500}},
        {**CLIP, "size": {"longest_edge": 224}},
        {**CLIP, "size": {}},
        {**OWN, "resize": "shortest", "interpolation": "random"},
    ],
)
def test_a_model_of_another_kind_gets_512_pixels(processor: Any) -> None:
    recipe = {"processor": processor}
    assert edge_of(recipe) is None
    assert prepared_for(recipe, Words()) == preparation_2(resample="bicubic", **FINE)


def test_pictures_are_scaled_to_the_edge_with_the_models_filter() -> None:
    assert prepared_for({"processor": CLIP}, Words()) == preparation_2(short_side=224, resample="bicubic", **FINE)
    longest = {"processor": {**OWN, "resize": "longest"}}
    assert prepared_for(longest, Words()) == preparation_2(378, resample="bicubic", **FINE)


def test_words_decide_before_the_model() -> None:
    recipe = {"processor": CLIP}
    assert prepared_for(recipe, Words(max_side=640)) == preparation_2(640, resample="bicubic", **FINE)
    assert prepared_for(recipe, Words(colour="ignore"))["colour"] == "ignored"
    assert prepared_for(recipe, Words(prepare=2)) == prepared_for(recipe, Words(colour="srgb"))
    assert prepared_for(recipe, Words(prepare=1)) == preparation_1()
    assert prepared_for(recipe, Words(prepare=1, max_side=64)) == preparation_1(64)
    assert prepared_for(recipe, Words(decode="fast"))["draft"] == FAST["draft"]
    with pytest.raises(UsageError, match="preparation 1 takes no regard"):
        prepared_for(recipe, Words(prepare=1, colour="srgb"))
    with pytest.raises(UsageError, match="preparation 1 decodes in one way"):
        prepared_for(recipe, Words(prepare=1, decode="fine"))


def test_words_leave_other_preparations_open() -> None:
    recipe = {"processor": CLIP}
    by: dict[str, Any] = {"short_side": 224, "resample": "bicubic"}
    fast, ignored = preparation_2(**by, **FAST), preparation_2(**by, **FINE, colours=False)
    both = preparation_2(**by, **FAST, colours=False)
    assert list(other_preparations(recipe, Words())) == [fast, ignored, both, preparation_1()]
    assert list(other_preparations(recipe, Words(prepare=2))) == [fast, ignored, both]
    assert list(other_preparations(recipe, Words(colour="srgb"))) == [fast]
    assert list(other_preparations(recipe, Words(decode="fast"))) == [both]
    assert list(other_preparations(recipe, Words(prepare=1))) == []
