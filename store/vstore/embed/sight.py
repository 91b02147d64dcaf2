"""The sight of a model: how much of a picture it takes in, against how much of it a store's max_side leaves. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from vstore.embed.model_words import Words

_PHOTO = 3 / 2  # the longer side of a usual photograph, in shorter sides
_LARGEST = 8192  # of --max-side


class Sight(NamedTuple):
    """The most that a model sees of a picture.

    side:     pixels a side of the largest square.
    max_side: the max_side with which a photograph of 3:2 loses nothing that the model would see.
    budget:   the model takes pictures of any shape, up to this many pixels; None if it takes one size.
    """

    side: int
    max_side: int
    budget: int | None


def sight(recipe: Mapping[str, Any]) -> Sight | None:
    """Find out what the model of a recipe sees, from the values of its own preparation; None if they do not say."""
    processor = recipe.get("processor")
    if not isinstance(processor, Mapping):
        return None
    size = recipe.get("fetch") or processor.get("size") or {}
    if recipe.get("fetch") and processor.get("do_resize", True):
        size = processor.get("size") or {}  # it is resized again
    if "longest_edge" in size and "merge_size" in processor:
        budget = int(size["longest_edge"])
        return Sight(math.isqrt(budget), min(_LARGEST, math.ceil(math.sqrt(_PHOTO * budget))), budget)
    if "max_num_patches" in processor and "patch_size" in processor:
        budget = int(processor["max_num_patches"]) * int(processor["patch_size"]) ** 2
        return Sight(math.isqrt(budget), min(_LARGEST, math.ceil(math.sqrt(_PHOTO * budget))), budget)
    if "resize_to" in processor:  # of the layouts of OpenCLIP and timm
        sides = [int(side) for side in processor["resize_to"]]
    else:
        sides = [int(size[name]) for name in ("height", "width", "shortest_edge") if name in size]
    if not sides or not processor.get("do_resize", True):
        return None
    shape = 1 if processor.get("resize") == "longest" else _PHOTO
    return Sight(max(sides), min(_LARGEST, math.ceil(shape * max(sides))), None)


def small_pictures(recipe: Mapping[str, Any], words: Words) -> str | None:
    """Say what max_side costs where the model would see more of a photograph; None where it costs nothing.

    words: of the space, for the command of one that loses nothing.
    """
    seen = sight(recipe)
    shown = recipe.get("prepare", {}).get("max_side")
    if seen is None or shown is None or shown >= seen.max_side:
        return None
    short = round(shown / _PHOTO)
    gets = (
        f"before the model gets them, pictures are shrunk to {shown} pixels on the longer side (--max-side): a "
        f"photograph of 3:2 reaches it as {shown} x {short}"
    )
    whole = words._replace(max_side=seen.max_side).command("sharp")
    if seen.budget is None:
        # Measured with edges of photographs and max_side 512: 18 % are lost before a model of 518 pixels (DINOv2), 7 %
        # before one of 512 (SigLIP 2).
        return (
            f"{gets}, and it takes in {seen.side} x {seen.side}: the finest detail is lost. For a space that keeps it, "
            f"and takes the model no longer: {whole}"
        )
    part = max(1, round(100 * shown * short / seen.budget))
    times = round(seen.budget / (shown * short))
    return (
        f"{gets}, {part} % of the {seen.budget:,} pixels that it takes in: small things and writing are lost. For a "
        f"space that keeps them all, and takes up to {times} times as long: {whole}"
        + (f"; --max-side {2 * shown} would keep four times as many as now" if times > 4 else "")
    )
