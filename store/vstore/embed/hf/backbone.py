"""Vision backbones without a text side (DINOv2, DINOv3, ViT): the class token, or the mean of the patches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.family import Family, Prepared
from vstore.embed.hf.processor import describe_processor, load_processor
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.model_words import Words
from vstore.errors import ModelError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed.embedder import Floats
    from vstore.embed.hf.loaded import Loaded
    from vstore.format.recipes import Recipe

_RESAMPLES = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


class Backbone(Family):
    """A backbone. Its last hidden state has the class token first, then the registers, then the patches."""

    name = "backbone"
    title = "picture encoders"
    model_types = frozenset({"dinov2", "dinov2_with_registers", "dinov3_vit", "vit"})
    poolings = ("cls", "mean")

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        own = folder.model_type == "dinov3_vit"
        return {
            "processor": _describe_dinov3(folder) if own else describe_processor(folder),
            "positions": "learned" if not own else "rope",
            "text": None,
            "dim": int(folder.config.get("hidden_size", 768)),
        }

    @classmethod
    def load_options(cls, recipe: Recipe) -> dict[str, Any]:
        # Most checkpoints of ViT have no pooler: it would be random, and nothing but a report would say so.
        return {"add_pooling_layer": False} if recipe["model_type"] == "vit" else {}

    def set_up(self) -> None:
        self._own = self.recipe["processor"]["backend"] == "vstore"
        self._processor = None if self._own else load_processor(self.recipe["processor"])
        default = {"dinov2_with_registers": 4, "dinov3_vit": 0}.get(self.recipe["model_type"])
        registers = 0 if default is None else int(self.folder.config.get("num_register_tokens", default))
        self._first_patch = 1 + registers

    def prepare(self, picture: Image) -> Prepared | None:
        if self._processor is None:
            return {"pixel_values": prepare_dinov3(picture, self.recipe["processor"])}
        return {"pixel_values": self._processor(images=picture, return_tensors="np")["pixel_values"][0]}

    def forward(self, on: Loaded, batch: list[Prepared]) -> torch.Tensor:
        state = on.model(pixel_values=on.tensor([one["pixel_values"] for one in batch])).last_hidden_state
        found: torch.Tensor = state[:, 0] if self.recipe["pooling"] == "cls" else state[:, self._first_patch :].mean(1)
        return found


def prepare_dinov3(picture: Image, recipe: dict[str, Any]) -> Floats:
    """Prepare a picture in DINOv3's order: rescale, resize, normalise.

    transformers has this order for torchvision alone: here Pillow does it on floats, channel by channel.
    Returns: float32 (3, height, width).
    """
    import numpy as np
    from PIL import Image as Pillow

    size = (recipe["size"]["width"], recipe["size"]["height"])
    how = Pillow.Resampling[recipe["resample"].upper()]
    pixels = np.asarray(picture.convert("RGB"), np.float32) * np.float32(recipe["rescale_factor"])
    planes = [np.asarray(Pillow.fromarray(pixels[:, :, channel]).resize(size, how)) for channel in range(3)]
    mean, std = (np.array(recipe[name], np.float32)[:, None, None] for name in ("image_mean", "image_std"))
    prepared: Floats = (np.stack(planes) - mean) / std
    return prepared


def _describe_dinov3(folder: ModelFolder) -> dict[str, Any]:
    """Describe the preparation. Raises: ModelError if the folder asks for another one than DINOv3's."""
    path = folder.path / "preprocessor_config.json"
    if not path.is_file():
        raise ModelError(
            f"{folder.name} does not say how pictures are prepared", "copy its preprocessor_config.json into the folder"
        )
    values = json.loads(path.read_bytes())
    size = values.get("size", {"height": 224, "width": 224})
    steps = [values.get(f"do_{step}", True) for step in ("rescale", "resize", "normalize")]
    if not all(steps) or values.get("do_center_crop") or not {"height", "width"} <= set(size):
        raise ModelError(
            f"{folder.name} needs a different preparation than other DINOv3 models: "
            f"{path.name} leaves out a step or crops",
            "use the original preprocessor_config.json of the model, or write a plug-in",
        )
    return {
        "class": "dinov3",
        "backend": "vstore",
        "order": "rescale, resize, normalise",
        "size": {"height": int(size["height"]), "width": int(size["width"])},
        "resample": _RESAMPLES[int(values.get("resample", 2))],
        "rescale_factor": values.get("rescale_factor", 1 / 255),
        "image_mean": values.get("image_mean", [0.485, 0.456, 0.406]),
        "image_std": values.get("image_std", [0.229, 0.224, 0.225]),
    }
