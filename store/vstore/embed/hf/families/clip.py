"""CLIP and models built like it: two towers and a projection; shortest edge, centre crop."""

from __future__ import annotations

from typing import Any

from vstore.embed.hf.families.dual import DualEncoder
from vstore.embed.hf.source.model_folder import ModelFolder


class Clip(DualEncoder):
    """CLIP and MetaCLIP 2."""

    name = "clip"
    title = "CLIP"
    model_types = frozenset({"clip", "metaclip_2"})

    @classmethod
    def width(cls, folder: ModelFolder) -> int:
        return int(folder.config.get("projection_dim", 512))

    @classmethod
    def text_recipe(cls, folder: ModelFolder) -> dict[str, Any]:
        length = folder.config.get("text_config", {}).get("max_position_embeddings", 77)
        return {"padding": True, "max_length": length, "lowercase": False, "attention_mask": True}
