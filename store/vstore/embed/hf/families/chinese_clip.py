"""Chinese-CLIP: the picture tower of CLIP, and a BERT for texts, whose class token is projected."""

from __future__ import annotations

from typing import Any

from vstore.embed.hf.families.clip import Clip
from vstore.embed.hf.source.model_folder import ModelFolder

_LENGTH = 52  # tokens; every published model was trained on texts of this length (cn_clip.clip.tokenize)


class ChineseClip(Clip):
    """Chinese-CLIP."""

    name = "chinese-clip"
    title = "Chinese-CLIP"
    model_types = frozenset({"chinese_clip"})

    @classmethod
    def text_recipe(cls, folder: ModelFolder) -> dict[str, Any]:
        # The BERT below has positions for 512 tokens; those after the 52nd were never trained with pictures.
        return {"padding": True, "max_length": _LENGTH, "lowercase": True, "attention_mask": True}
