"""The tiny models and adapters of the tests, made when they are first asked for."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from support import tiny, tiny_duals, tiny_pooled, tiny_towers
from support.adapters import save_adapter

torch.set_num_threads(1)  # threads that wait for one another cost such small models most of their time

MAKERS = {
    "clip": tiny.save_clip,
    "metaclip_2": lambda folder: tiny.save_clip(folder, kind="MetaClip2"),
    "siglip": tiny.save_siglip,
    "naflex": tiny.save_naflex,
    "dinov2": tiny.save_dinov2,
    "dinov2_with_registers": lambda folder: tiny.save_dinov2(folder, kind="Dinov2WithRegisters"),
    "dinov3": tiny.save_dinov3,
    "vit": tiny.save_vit,
    "vit_mae": lambda folder: tiny.save_masked(folder, "ViTMAE"),
    "vit_msn": lambda folder: tiny.save_masked(folder, "ViTMSN"),
    "chinese_clip": tiny_duals.save_chinese_clip,
    "altclip": tiny_duals.save_altclip,
    "aimv2": tiny_duals.save_aimv2,
    "clip_vision": lambda folder: tiny_towers.save_tower(folder, "clip"),
    "clip_projected": lambda folder: tiny_towers.save_tower(folder, "clip", projected=True),
    "clip_classifier": lambda folder: tiny_towers.save_classifier(folder, "clip"),
    "metaclip_2_projected": lambda folder: tiny_towers.save_tower(folder, "metaclip_2", projected=True),
    "metaclip_2_classifier": lambda folder: tiny_towers.save_classifier(folder, "metaclip_2"),
    "chinese_clip_vision": lambda folder: tiny_towers.save_tower(folder, "chinese_clip"),
    "altclip_vision": lambda folder: tiny_towers.save_tower(folder, "altclip"),
    "siglip_vision": lambda folder: tiny_towers.save_tower(folder, "siglip"),
    "siglip_classifier": lambda folder: tiny_towers.save_classifier(folder, "siglip"),
    "naflex_vision": lambda folder: tiny_towers.save_tower(folder, "siglip2"),
    "naflex_classifier": lambda folder: tiny_towers.save_classifier(folder, "siglip2"),
    "aimv2_vision": lambda folder: tiny_towers.save_tower(folder, "aimv2"),
    "aimv2_headless": lambda folder: tiny_towers.save_tower(folder, "aimv2", use_head=False),
    "convnext": lambda folder: tiny_pooled.save_pooled(folder, "convnext"),
    "convnextv2": lambda folder: tiny_pooled.save_pooled(folder, "convnextv2"),
    "dinov3_convnext": lambda folder: tiny_pooled.save_pooled(folder, "dinov3_convnext"),
    "swin": lambda folder: tiny_pooled.save_pooled(folder, "swin"),
    "swinv2": lambda folder: tiny_pooled.save_pooled(folder, "swinv2"),
    "resnet": lambda folder: tiny_pooled.save_pooled(folder, "resnet"),
    "beit": lambda folder: tiny_pooled.save_pooled(folder, "beit"),
    "data2vec-vision": lambda folder: tiny_pooled.save_pooled(folder, "data2vec-vision"),
    "qwen2_vl": lambda folder: tiny.save_qwen(folder, "qwen2_vl"),
    "qwen2_5_vl": lambda folder: tiny.save_qwen(folder, "qwen2_5_vl"),
    "qwen3_vl": lambda folder: tiny.save_qwen(folder, "qwen3_vl"),
}


class Zoo:
    """Model folders by name, made when they are first asked for."""

    def __init__(self, top: Path) -> None:
        self._top = top

    def __getitem__(self, name: str) -> Path:
        folder = self._top / name
        if not folder.exists():
            MAKERS[name](folder)
        return folder

    def adapter(self, base: str, kind: str = "lora") -> Path:
        """An adapter of a base. kind: lora, rslora, dora, or idle, which changes nothing."""
        folder = self._top / f"{base}-{kind}"
        if not folder.exists():
            options = {"rslora": {"use_rslora": True}, "dora": {"use_dora": True}}.get(kind, {})
            strength = 0.0 if kind == "idle" else 0.3
            full = {
                "qwen2_vl": transformers.Qwen2VLForConditionalGeneration,
                "qwen2_5_vl": transformers.Qwen2_5_VLForConditionalGeneration,
                "qwen3_vl": transformers.Qwen3VLForConditionalGeneration,
            }.get(base, transformers.AutoModel)
            save_adapter(folder, self[base], ["q_proj", "v_proj"], cls=full, strength=strength, **options)
        return folder
