"""Recipes of Qwen's vision-language models: with other templates, and with all that a preset says. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from vstore.embed.hf.families.presets import PRESETS, Preset
from vstore.embed.hf.families.qwen_prompts import PICTURE, SYSTEM, TURNS, Templates, preset_templates, system_of
from vstore.embed.variations import Variation

_PROMPTS = ("", "Describe this image.", "Describe the image.", "What is in this image?", "Represent the given image.")


def with_templates(described: Mapping[str, Any], found: Templates) -> dict[str, Any]:
    """Put the templates into a recipe."""
    text = {**described["text"], "template": found.query}
    if found.joined:
        text["joined"] = True
    return {**described, "prompt": found.picture, "text": text}


def as_preset(described: Mapping[str, Any], preset: Preset, query: str | None, ending: str) -> dict[str, Any]:
    """Vary a recipe to a preset.

    query:  the value of --query-prompt.
    ending: the special tokens that the model's tokenizer adds to every text.
    Raises: ModelError for a malformed query.
    """
    found = with_templates(described, preset_templates(preset, query, ending))
    found["text"]["max_length"] = preset.max_length
    found |= {"positions": preset.positions, "processor": preset.processor(found["processor"])}
    if preset.fetch is not None:
        factor, low, high = preset.fetch
        found["fetch"] = {"factor": factor, "shortest_edge": low, "longest_edge": high}
    return found


def fetched_size(size: tuple[int, int], fetch: Mapping[str, int]) -> tuple[int, int]:
    """Compute the size to which a script resizes a picture before the model's own preparation does.

    Source: smart_resize of qwen_vl_utils. That of transformers differs for pictures below half a factor.
    """
    width, height = size
    factor, low, high = fetch["factor"], fetch["shortest_edge"], fetch["longest_edge"]
    wide, tall = (max(factor, round(side / factor) * factor) for side in size)
    if wide * tall > high:
        shrink = math.sqrt(width * height / high)
        wide, tall = (max(factor, math.floor(side / shrink / factor) * factor) for side in size)
    elif wide * tall < low:
        grow = math.sqrt(low / (width * height))
        wide, tall = (math.ceil(side * grow / factor) * factor for side in size)
    return wide, tall


def prompt_variations(recipe: Mapping[str, Any], ending: str) -> Iterator[Variation]:
    """Yield a recipe with other usual prompts, with and without a system turn, and the presets.

    ending: the special tokens that the model's tokenizer adds to every text.
    """
    usual = system_of(recipe["model_type"])
    for system in (usual, "" if usual else SYSTEM):
        for number, prompt in enumerate(_PROMPTS, 1):
            template = system + TURNS % prompt
            if template == recipe["prompt"]:
                continue
            name = f"prompt-{number}" if prompt else "no-prompt"
            about = f"the prompt was {prompt!r}" if prompt else "there was no prompt"
            if system != usual:
                name += "-system" if system else "-no-system"
                about += f", {'with' if system else 'without'} a system turn"
            yield Variation(name, about, _with_picture(recipe, template))
    for preset in PRESETS:
        if recipe["model_type"] in preset.model_types:
            varied = as_preset(recipe, preset, None, ending)
            if varied["prompt"] != recipe["prompt"]:
                yield Variation(preset.name, f"they were made as the authors of {preset.about} do", varied)


def _with_picture(recipe: Mapping[str, Any], template: str) -> dict[str, Any]:
    """Vary the template of pictures; that of searches too, where it is the same one."""
    text = recipe["text"]
    if text["template"] == recipe["prompt"].replace(PICTURE, "%s"):
        text = {**text, "template": template.replace(PICTURE, "%s")}
    return {**recipe, "prompt": template, "text": text}
