"""AltCLIP: the picture tower of CLIP, and an XLM-RoBERTa for texts of many languages, its first token projected."""

from __future__ import annotations

from typing import Any

from vstore.embed.hf.families.clip import Clip
from vstore.embed.hf.source.model_folder import ModelFolder

_LENGTH = 77  # tokens; those of the CLIP whose text side it was trained to replace (flagai.model.mm.AltCLIP)


class AltClip(Clip):
    """AltCLIP."""

    name = "altclip"
    title = "AltCLIP"
    model_types = frozenset({"altclip"})

    @classmethod
    def width(cls, folder: ModelFolder) -> int:
        return int(folder.config.get("projection_dim", 768))

    @classmethod
    def text_recipe(cls, folder: ModelFolder) -> dict[str, Any]:
        return {"padding": True, "max_length": _LENGTH, "lowercase": False, "attention_mask": True}
