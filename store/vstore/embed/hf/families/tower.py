"""Picture towers alone: of CLIP, SigLIP and their like, and those under a classifier. They have no text side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.embed.hf.config import effective_config, side_of
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families.family import Family, Prepared
from vstore.embed.hf.pixel_values import PixelValues
from vstore.embed.hf.processor import describe_fixed_processor, load_processor
from vstore.embed.hf.source.model_folder import ModelFolder, tensor_names
from vstore.embed.model_words import Words
from vstore.embed.variations import Variation

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed.hf.loaded import Loaded
    from vstore.format.recipes import Recipe


class _Tower(NamedTuple):
    """A kind of towers.

    alone:       its class.
    projected:   its class with the projection that pictures and texts share; None if there is no such class.
    first_patch: the position of the first patch in the last hidden state: 1 after a class token.
    """

    alone: str
    projected: str | None
    first_patch: int


_TOWERS = {
    "aimv2": _Tower("Aimv2VisionModel", None, 0),
    "altclip": _Tower("AltCLIPVisionModel", None, 1),
    "chinese_clip": _Tower("ChineseCLIPVisionModel", None, 1),
    "clip": _Tower("CLIPVisionModel", "CLIPVisionModelWithProjection", 1),
    "metaclip_2": _Tower("MetaClip2VisionModel", "MetaClip2VisionModelWithProjection", 1),
    "siglip": _Tower("SiglipVisionModel", None, 0),
    "siglip2": _Tower("Siglip2VisionModel", None, 0),
}
_ALONE = "_vision_model"  # at the end of the model type of a tower without its other half


class VisionTower(Family):
    """A tower, saved alone or under a classifier.

    The pooling `features` is the projected vector where the folder has the projection, else the tower's pooled output.
    The pooling `mean`, that of the last hidden state's patches, is what a classifier takes, and the default of one.
    """

    name = "vision-tower"
    title = "picture towers"
    model_types = frozenset(f"{name}{_ALONE}" for name in _TOWERS)
    poolings = ("features", "mean")

    @classmethod
    def takes(cls, folder: ModelFolder) -> bool:
        return super().takes(folder) or (folder.model_type in _TOWERS and _has_classifier(folder))

    @classmethod
    def poolings_for(cls, folder: ModelFolder) -> tuple[str, ...]:
        if not _pools(folder):
            return ("mean",)
        return ("mean", "features") if _has_classifier(folder) else cls.poolings

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        tower = _TOWERS[folder.model_type.removesuffix(_ALONE)]
        pooling = words.pooling or cls.poolings_for(folder)[0]
        projects = pooling == "features" and tower.projected and "visual_projection.weight" in tensor_names(folder)
        config = _vision_config(folder)
        return {
            "model_class": tower.projected if projects else tower.alone,
            "processor": describe_fixed_processor(folder, side_of(config)),
            "positions": "learned",
            "text": None,
            "dim": int(config.projection_dim if projects else config.hidden_size),
        }

    @classmethod
    def model_class(cls, recipe: Recipe) -> str:
        return str(recipe["model_class"])

    def variations(self) -> list[Variation]:
        # Without the projection a vector has another width, and would need another model.
        projected = self.recipe["model_class"].endswith("WithProjection")
        return [one for one in super().variations() if not (projected and one.name.startswith("pooling-"))]

    def set_up(self) -> None:
        self._processor = load_processor(self.recipe["processor"])
        self._values = PixelValues(self._processor)
        self._first_patch = _TOWERS[self.recipe["model_type"].removesuffix(_ALONE)].first_patch

    def prepare(self, picture: Image) -> Prepared | None:
        if self._values.is_quick:
            return {"pixel_values": self._values(picture)}
        prepared = self._processor(images=picture, return_tensors="np")
        return {name: prepared[name][0] for name in self._processor.model_input_names}

    def forward(self, on: Loaded, batch: list[Prepared]) -> torch.Tensor:
        inputs = {name: on.tensor([one[name] for one in batch]) for name in batch[0]}
        output = on.model(**inputs)
        found: torch.Tensor
        if self.recipe["pooling"] == "mean":
            patches = output.last_hidden_state[:, self._first_patch :]
            found = _mean(patches, inputs.get("pixel_attention_mask"))
        elif hasattr(output, "image_embeds"):
            found = output.image_embeds
        else:
            found = output.pooler_output
        return found


def _mean(patches: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Average (n, patches, dim) over the patches; those that the mask (n, patches) leaves out are padding."""
    if mask is None:
        return patches.mean(1)
    weights = mask[..., None].to(patches.dtype)
    return (patches * weights).sum(1) / weights.sum(1)


def _has_classifier(folder: ModelFolder) -> bool:
    return any(str(name).endswith("ForImageClassification") for name in folder.config.get("architectures") or ())


def _pools(folder: ModelFolder) -> bool:
    """Tell whether a tower has a pooled output: some of SigLIP's and AIMv2's were saved without their pooling head."""
    config = folder.config.get("vision_config") or folder.config
    return bool(config.get("use_head", True) and config.get("vision_use_head", True))


def _vision_config(folder: ModelFolder) -> Any:
    config = effective_config(folder)
    return getattr(config, "vision_config", config)
