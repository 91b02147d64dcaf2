"""What a model sees of a picture, against what max_side leaves of it."""

from __future__ import annotations

from typing import Any

import pytest

from vstore.embed.model_words import Words
from vstore.embed.sight import Sight, sight, small_pictures

WORDS = Words("big", "mine", max_side=512)
QWEN = {"merge_size": 2, "patch_size": 14}


def recipe(processor: dict[str, Any], max_side: int = 512, **more: Any) -> dict[str, Any]:
    return {"processor": processor, "prepare": {"max_side": max_side}, **more}


CASES = [
    # DINOv2 and SigLIP 2 as published, CLIP, SigLIP 2 NaFlex, Qwen2-VL.
    ({"size": {"shortest_edge": 518}, "do_resize": True}, Sight(518, 777, None)),
    ({"size": {"height": 512, "width": 512}}, Sight(512, 768, None)),
    ({"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}}, Sight(224, 336, None)),
    ({"max_num_patches": 256, "patch_size": 16}, Sight(256, 314, 65536)),
    ({**QWEN, "size": {"shortest_edge": 3136, "longest_edge": 12845056}}, Sight(3584, 4390, 12845056)),
    ({**QWEN, "size": {"shortest_edge": 3136, "longest_edge": 10**9}}, Sight(31622, 8192, 10**9)),
    # The layouts of OpenCLIP and timm: a shortest edge, a squash, and a longest edge with borders.
    ({"resize": "shortest", "resize_to": [378, 378], "crop": [378, 378]}, Sight(378, 567, None)),
    ({"resize": "squash", "resize_to": [512, 512], "crop": [512, 512]}, Sight(512, 768, None)),
    ({"resize": "longest", "resize_to": [518, 518], "crop": [518, 518]}, Sight(518, 518, None)),
]


@pytest.mark.parametrize(("processor", "seen"), CASES)
def test_the_sight_of_a_model_is_read_from_its_own_preparation(processor: dict[str, Any], seen: Sight) -> None:
    assert sight(recipe(processor)) == seen


@pytest.mark.parametrize(
    "unknown", [{}, {"processor": None}, {"processor": {}}, {"processor": {"size": {"height": 9}, "do_resize": False}}]
)
def test_a_model_that_does_not_say_what_it_sees_gets_no_word(unknown: dict[str, Any]) -> None:
    assert sight(unknown) is None
    assert small_pictures(unknown, WORDS) is None


def test_a_first_resizing_decides_where_it_is_the_only_one() -> None:
    once = {**QWEN, "size": {"shortest_edge": 1, "longest_edge": 10}, "do_resize": False}
    fetch = {"factor": 32, "shortest_edge": 4096, "longest_edge": 1843200}
    assert sight(recipe(once, fetch=fetch)) == Sight(1357, 1663, 1843200)
    twice = {**once, "do_resize": True, "size": {"shortest_edge": 1, "longest_edge": 1003520}}
    assert sight(recipe(twice, fetch=fetch)) == Sight(1001, 1227, 1003520)


def test_what_max_side_costs_is_said_with_the_right_option() -> None:
    dino = {"size": {"shortest_edge": 518}}
    text = small_pictures(recipe(dino), WORDS)
    assert text is not None
    assert "512 pixels" in text and "512 x 341" in text and "518 x 518" in text
    assert text.endswith(": vstore model add sharp --model big --adapter mine --max-side 777")
    assert small_pictures(recipe(dino, max_side=776), WORDS) is not None
    assert small_pictures(recipe(dino, max_side=777), WORDS) is None
    assert small_pictures(recipe({"size": {"height": 224, "width": 224}}), WORDS) is None
    qwen = small_pictures(recipe({**QWEN, "size": {"shortest_edge": 3136, "longest_edge": 12845056}}), WORDS)
    assert qwen is not None
    assert "1 % of the 12,845,056 pixels" in qwen and "--max-side 4390" in qwen and "up to 74 times" in qwen
    assert "--max-side 1024 would keep four times as many" in qwen
    small = small_pictures(recipe({**QWEN, "size": {"shortest_edge": 3136, "longest_edge": 400000}}), WORDS)
    assert small is not None and "four times" not in small
