"""Picture encoders that pool by themselves: ConvNeXt, Swin, ResNet, BEiT. The vector is what their heads take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.embed.hf.config import effective_config
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

_POSITIONS = {  # by model type; those of convolutions are in their order
    "beit": "relative",
    "convnext": "none",
    "convnextv2": "none",
    "data2vec-vision": "relative",
    "dinov3_convnext": "none",
    "resnet": "none",
    "swin": "relative",
    "swinv2": "relative",
}


class Pooled(Family):
    """An encoder whose pooled output is its vector: a mean of positions, normalised where its head wants it so."""

    name = "pooled"
    title = "picture encoders that pool"
    model_types = frozenset(_POSITIONS)
    poolings = ("features",)

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        config = effective_config(folder)
        own = folder.model_type.startswith("dinov3")
        return {
            "processor": describe_dinov3(folder) if own else describe_fixed_processor(folder),
            "positions": _POSITIONS[folder.model_type],
            "text": None,
            "dim": int(config.hidden_sizes[-1] if hasattr(config, "hidden_sizes") else config.hidden_size),
        }

    @classmethod
    def load_options(cls, recipe: Recipe) -> dict[str, Any]:
        # Its bare class leaves the pooler out unless told, unlike that of BEiT; its classifier has it.
        return {"add_pooling_layer": True} if recipe["model_type"] == "data2vec-vision" else {}

    def set_up(self) -> None:
        own = self.recipe["processor"]["backend"] == "vstore"
        self._values = None if own else PixelValues(load_processor(self.recipe["processor"]))

    def prepare(self, picture: Image) -> Prepared | None:
        if self._values is None:
            return {"pixel_values": prepare_dinov3(picture, self.recipe["processor"])}
        return {"pixel_values": self._values(picture)}

    def forward(self, on: Loaded, batch: list[Prepared]) -> torch.Tensor:
        output = on.model(pixel_values=on.tensor([one["pixel_values"] for one in batch]))
        found: torch.Tensor = output.pooler_output.flatten(1)  # ResNet leaves a height and a width of 1
        return found
