"""Tiny picture towers of the real classes: alone, with a projection, and under a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from support.tiny import seeded, widen

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "patch_size": 8}
KINDS = {
    "clip": "CLIP",
    "metaclip_2": "MetaClip2",
    "chinese_clip": "ChineseCLIP",
    "altclip": "AltCLIP",
    "siglip": "Siglip",
    "siglip2": "Siglip2",
    "aimv2": "Aimv2",
}


def save_tower(folder: Path, kind: str, seed: int = 0, *, projected: bool = False, **changes: Any) -> Path:
    """A tower alone. kind: as in KINDS. projected: with the projection that pictures and texts share."""
    cls = getattr(transformers, f"{KINDS[kind]}VisionModel{'WithProjection' if projected else ''}")
    values = {**_values(kind), **({"projection_dim": 24} if projected else {}), **changes}
    return _saved(folder, kind, cls, getattr(transformers, f"{KINDS[kind]}VisionConfig")(**values), seed)


def save_classifier(folder: Path, kind: str, seed: int = 0) -> Path:
    """A tower under a classifier of three kinds. kind: clip, metaclip_2, siglip or siglip2."""
    config = getattr(transformers, f"{KINDS[kind]}Config")(
        vision_config=_values(kind), text_config={name: TOWER[name] for name in TOWER if name != "patch_size"}
    )
    config.num_labels = 3
    return _saved(folder, kind, getattr(transformers, f"{KINDS[kind]}ForImageClassification"), config, seed)


def _values(kind: str) -> dict[str, Any]:
    return {**TOWER, **({"num_patches": 16} if kind == "siglip2" else {"image_size": 32})}


def _saved(folder: Path, kind: str, cls: Any, config: Any, seed: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with seeded(seed):
        model = cls(config)
        widen(model)
        model.save_pretrained(folder)
    if kind == "siglip2":
        processor: Any = transformers.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=24)
    elif kind == "siglip":
        processor = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32})
    elif kind == "chinese_clip":
        processor = transformers.ChineseCLIPImageProcessorPil(
            size={"height": 32, "width": 32}, crop_size={"height": 32, "width": 32}, do_center_crop=False
        )
    else:
        processor = transformers.CLIPImageProcessorPil(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        )
    processor.save_pretrained(folder)
    return folder
