"""AIMv2 with its text side, which was tuned to a locked picture tower (the models called `-lit`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.embed.hf.families.clip import Clip
from vstore.embed.hf.source.model_folder import ModelFolder

if TYPE_CHECKING:
    from vstore.embed.hf.loaded import Loaded


class Aimv2(Clip):
    """AIMv2 with both sides."""

    name = "aimv2"
    title = "AIMv2"
    model_types = frozenset({"aimv2"})

    @classmethod
    def takes(cls, folder: ModelFolder) -> bool:
        # The first uploads have this model type too, one side, other names of weights, and Python code of their own.
        return super().takes(folder) and "vision_config" in folder.config

    @classmethod
    def text_recipe(cls, folder: ModelFolder) -> dict[str, Any]:
        # Its own code lets a token see those before it alone. transformers does so where texts are padded, and lets all
        # tokens see one another where none is, as of one text: here the mask of each pair of tokens is given.
        return {**super().text_recipe(folder), "attention_mask": False, "attention": "causal"}

    def text_inputs(self, on: Loaded, text: str) -> dict[str, Any]:
        import torch

        inputs = super().text_inputs(on, text)
        length = inputs["input_ids"].shape[1]
        dtype = on.model.dtype
        hidden = torch.full((length, length), torch.finfo(dtype).min, dtype=dtype, device=on.device).triu(1)
        return {**inputs, "attention_mask": hidden[None, None]}
