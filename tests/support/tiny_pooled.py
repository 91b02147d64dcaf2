"""Tiny picture encoders that pool by themselves, under a classifier or bare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from support.tiny import DINOV3_PROCESSOR, _write, seeded, widen

_WINDOWS = {"embed_dim": 16, "depths": [1, 2], "num_heads": [2, 4], "window_size": 4, "image_size": 32, "patch_size": 4}
_STAGES = {"hidden_sizes": [16, 16, 24, 32], "depths": [1, 1, 1, 1]}
_LAYERS = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}
# name of the classes, configuration, image processor; by model type
KINDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "convnext": ("ConvNext", _STAGES, "ConvNext"),
    "convnextv2": ("ConvNextV2", _STAGES, "ConvNext"),
    "dinov3_convnext": ("DINOv3ConvNext", _STAGES, ""),
    "swin": ("Swin", _WINDOWS, "ViT"),
    "swinv2": ("Swinv2", _WINDOWS, "ViT"),
    "resnet": ("ResNet", {**_STAGES, "embedding_size": 16, "layer_type": "basic"}, "ConvNext"),
    "beit": ("Beit", {**_LAYERS, "use_relative_position_bias": True}, "Beit"),
    "data2vec-vision": ("Data2VecVision", {**_LAYERS, "use_relative_position_bias": True}, "Beit"),
}


def save_pooled(folder: Path, kind: str, seed: int = 0, *, classifier: bool = True) -> Path:
    """kind: a model type of KINDS. classifier: as most are published; DINOv3 has none."""
    folder.mkdir(parents=True, exist_ok=True)
    name, values, processor = KINDS[kind]
    has_head = classifier and kind != "dinov3_convnext"
    with seeded(seed):
        config = getattr(transformers, f"{name}Config")(**values)
        model = getattr(transformers, f"{name}{'ForImageClassification' if has_head else 'Model'}")(config)
        widen(model, 12.0)
        _unsettle(model)
        model.save_pretrained(folder)
    if processor:
        size = {"shortest_edge": 32} if processor == "ConvNext" else {"height": 32, "width": 32}
        more = {"do_center_crop": False} if processor == "Beit" else {}
        getattr(transformers, f"{processor}ImageProcessorPil")(size=size, **more).save_pretrained(folder)
    else:
        _write(folder, "preprocessor_config.json", DINOV3_PROCESSOR)
    return folder


def _unsettle(model: torch.nn.Module) -> None:
    """Move what begins as zero, as one or as nearly none: layers with it would do nothing."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim <= 1 or "layer_scale" in name or "grn" in name or "lambda" in name:
                value.add_(0.5 * torch.randn(value.shape))
        for name, value in model.named_buffers():
            if name.endswith("running_mean"):
                value.add_(0.1 * torch.randn(value.shape))
