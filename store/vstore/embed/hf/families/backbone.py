"""Vision backbones without a text side (DINOv2, DINOv3, ViT, MSN, MAE): the class token, or the mean of the patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.embed.hf.config import effective_config, side_of
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families.dinov3 import describe_dinov3, prepare_dinov3
from vstore.embed.hf.families.family import Family, Prepared
from vstore.embed.hf.pixel_values import PixelValues
from vstore.embed.hf.processor import describe_fixed_processor, load_processor
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.model_words import Words

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed.hf.loaded import Loaded
    from vstore.format.recipes import Recipe


_OPTIONS: dict[str, dict[str, Any]] = {
    # Most checkpoints of ViT have no pooler: it would be random, and nothing but a report would say so.
    "vit": {"add_pooling_layer": False},
    # MAE hides three quarters of a picture at random, as in training, unless told.
    "vit_mae": {"mask_ratio": 0.0},
}


class Backbone(Family):
    """A backbone. Its last hidden state has the class token first, then the registers, then the patches."""

    name = "backbone"
    title = "picture encoders"
    model_types = frozenset({"dinov2", "dinov2_with_registers", "dinov3_vit", "vit", "vit_mae", "vit_msn"})
    poolings = ("cls", "mean")
    token_poolings = frozenset({"cls"})

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        own = folder.model_type == "dinov3_vit"
        return {
            "processor": describe_dinov3(folder) if own else describe_fixed_processor(folder, _side(folder)),
            "positions": "learned" if not own else "rope",
            "text": None,
            "dim": int(folder.config.get("hidden_size", 768)),
        }

    @classmethod
    def load_options(cls, recipe: Recipe) -> dict[str, Any]:
        return _OPTIONS.get(recipe["model_type"], {})

    def set_up(self) -> None:
        self._own = self.recipe["processor"]["backend"] == "vstore"
        self._values = None if self._own else PixelValues(load_processor(self.recipe["processor"]))
        default = {"dinov2_with_registers": 4, "dinov3_vit": 0}.get(self.recipe["model_type"])
        registers = 0 if default is None else int(self.folder.config.get("num_register_tokens", default))
        self._first_patch = 1 + registers

    def prepare(self, picture: Image) -> Prepared | None:
        if self._values is None:
            return {"pixel_values": prepare_dinov3(picture, self.recipe["processor"])}
        return {"pixel_values": self._values(picture)}

    def forward(self, on: Loaded, batch: list[Prepared]) -> torch.Tensor:
        inputs = {"pixel_values": on.tensor([one["pixel_values"] for one in batch])}
        if self.recipe["model_type"] == "vit_mae":
            inputs["noise"] = self._in_order(on, len(batch))
        state = on.model(**inputs).last_hidden_state
        found: torch.Tensor = state[:, 0] if self.recipe["pooling"] == "cls" else state[:, self._first_patch :].mean(1)
        return found

    def _in_order(self, on: Loaded, count: int) -> torch.Tensor:
        """Keep MAE's patches in their order, which it shuffles by random numbers: float32 (count, patches)."""
        import torch

        config = on.model.config
        order = torch.arange((config.image_size // config.patch_size) ** 2, dtype=torch.float32, device=on.device)
        return order.expand(count, -1)


def _side(folder: ModelFolder) -> int | None:
    """Find the side of the squares that a model takes; None for DINOv2, which interpolates its positions."""
    return side_of(effective_config(folder)) if folder.model_type.startswith("vit") else None
