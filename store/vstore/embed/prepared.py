"""The preparation that a new space of a model gets, by what the model sees. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from vstore.embed.model_words import Words
from vstore.errors import UsageError
from vstore.pictures.preparation import MAX_SIDE, NEWEST, preparation_1, preparation_2

IGNORE = "ignore"  # the word of --colour for pictures that are taken without regard to their profiles
FINE, FAST = "fine", "fast"  # the words of --decode
# How many times larger than the result a JPEG is decoded at least, and what averages leave before the filter. Chosen by
# benchmarks/bench_preparation.py: the first for the pixels, the second for the time.
_SCALING = {FINE: (1.75, 2.0), FAST: (1.25, 2.0)}
# Processors of transformers whose resize is the usual one: to `size`, and nothing else. Others may go beyond it.
_USUAL = frozenset(
    f"{name}ImageProcessorPil"
    for name in ("Beit", "Bit", "Blip", "CLIP", "ChineseCLIP", "ConvNext", "DeiT", "Siglip", "ViT")
)
_FILTERS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers
_WHOLE = 384  # shortest edge of ConvNeXt from which on nothing is cropped away


class Edge(NamedTuple):
    """The edge to which a model resizes every picture.

    side:       its length in pixels.
    is_shorter: it is the shorter side, else the longer one.
    resample:   the filter.
    """

    side: int
    is_shorter: bool
    resample: str


def edge_of(recipe: Mapping[str, Any]) -> Edge | None:
    """Find the edge of a recipe's model; None if it has none, or its processor is not known well enough."""
    processor = recipe.get("processor")
    if not isinstance(processor, Mapping) or recipe.get("fetch"):
        return None
    if processor.get("backend") == "vstore":
        size = processor.get("resize_to") or list((processor.get("size") or {}).values())
        resample = processor.get("interpolation") or processor.get("resample")
        shorter = processor.get("resize") != "longest"
    elif processor.get("class") in _USUAL and processor.get("do_resize", True):
        size = _resized(processor)
        resample = _FILTERS.get(processor.get("resample", -1))
        shorter = True
    else:
        return None
    sides = [int(side) for side in size]
    return Edge(max(sides), shorter, str(resample)) if sides and resample in _FILTERS.values() else None


def _resized(processor: Mapping[str, Any]) -> list[int]:
    """Read the sides to which a processor resizes; those of `shortest_edge` or of `height` and `width` alone."""
    size = processor.get("size") or {}
    if set(size) == {"height", "width"}:
        return [size["height"], size["width"]]
    if set(size) != {"shortest_edge"}:
        return []
    side = int(size["shortest_edge"])
    share = processor.get("crop_pct")
    return [side if share is None or side >= _WHOLE else int(side / share)]


def prepared_for(recipe: Mapping[str, Any], words: Words) -> dict[str, Any]:
    """Choose `prepare` of the recipe of a model.

    recipe: all but that.
    words:  name the model; their `prepare`, `colour` and `max_side` count.
    Raises: UsageError for words that contradict each other.
    """
    require_fitting(words)
    if (words.prepare or NEWEST) == 1:
        return preparation_1(words.max_side or MAX_SIDE)
    draft, gap = _SCALING[words.decode or FINE]
    edge = None if words.max_side is not None else edge_of(recipe)
    side = None if edge is None else edge.side
    is_shorter = edge is not None and edge.is_shorter
    return preparation_2(
        max_side=words.max_side if edge is None else None if is_shorter else side,
        short_side=side if is_shorter else None,
        resample="bicubic" if edge is None else edge.resample,
        draft=draft,
        gap=gap,
        colours=words.colour != IGNORE,
    )


def require_fitting(words: Words) -> None:
    """Make sure that the words of a preparation fit together. Raises: UsageError."""
    if words.prepare == 1 and words.colour is not None:
        raise UsageError("preparation 1 takes no regard to colour profiles", "leave --colour out, or --prepare 1")
    if words.prepare == 1 and words.decode is not None:
        raise UsageError("preparation 1 decodes in one way", "leave --decode out, or --prepare 1")


def other_preparations(recipe: Mapping[str, Any], words: Words) -> Iterator[dict[str, Any]]:
    """Yield the preparations that words leave open beside the one that they choose, the newest first."""
    if words.prepare != 1:
        for colour in (words.colour,) if words.colour else (None, IGNORE):
            for decode in (words.decode,) if words.decode else (None, FAST):
                if (colour, decode) != (words.colour, words.decode):
                    yield prepared_for(recipe, words._replace(colour=colour, decode=decode))
    if words.colour is None and words.decode is None and words.prepare is None:
        yield prepared_for(recipe, words._replace(prepare=1))
