"""The vectors of picture encoders another way: by the class that saved them, and by what their own heads take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers

CLASSIFIER = "ForImageClassification"


def architecture(folder: Path) -> str:
    return str(json.loads((folder / "config.json").read_text())["architectures"][0])


def is_tower(folder: Path) -> bool:
    """Of CLIP, SigLIP or their like, saved alone or under a classifier."""
    name = architecture(folder)
    return "VisionModel" in name or (name.endswith(CLASSIFIER) and name.startswith(("CLIP", "MetaClip", "Siglip")))


def pools(folder: Path) -> bool:
    """An encoder that pools by itself."""
    names = ("ConvNext", "DINOv3ConvNext", "Swin", "ResNet", "Beit", "Data2VecVision")
    return architecture(folder).startswith(names)


def load(folder: Path) -> Any:
    return getattr(transformers, architecture(folder)).from_pretrained(folder, dtype=torch.float32)


def vector(model: Any, inputs: dict[str, torch.Tensor], pooling: str) -> Any:
    """The vector of one picture: what a classifier takes, else the projected or the pooled output.

    pooling: empty for the default.
    """
    model = model.get_base_model() if hasattr(model, "get_base_model") else model  # of peft; its layers are inside
    name = type(model).__name__
    if name.endswith(CLASSIFIER):
        if pooling == "features":
            return model.vision_model(**inputs).pooler_output[0]
        return taken_by_the_head(model, inputs)
    output = model(**inputs)
    if pooling == "mean" or output.get("pooler_output", output.get("image_embeds")) is None:
        state = output.last_hidden_state[0]
        if "pixel_attention_mask" in inputs:
            return state[inputs["pixel_attention_mask"][0].bool()].mean(0)
        return state[1 if "CLIP" in name or "MetaClip" in name else 0 :].mean(0)
    return (output.image_embeds if "Projection" in name else output.pooler_output)[0]


def pooled_vector(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """What the classifier takes; of DINOv3, which has none, the class token of its last hidden state."""
    if hasattr(model, "classifier"):
        return taken_by_the_head(model, inputs).flatten()
    found: torch.Tensor = model(**inputs).last_hidden_state[0, 0]
    return found


def taken_by_the_head(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """What the classifier is given, seen by a hook."""
    seen: list[torch.Tensor] = []
    hook = model.classifier.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    model(**inputs)
    hook.remove()
    return seen[0][0]
