"""Picture encoders in the layout of timm, computed by timm: its features before the classifier."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from vstore.embed.faults import reason
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families.family import Family, Opened, Prepared
from vstore.embed.hf.families.torchvision_absent import torchvision_absent
from vstore.embed.hf.libraries import libraries
from vstore.embed.hf.pixels import pixels_recipe, prepare_pixels
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.model_words import Words
from vstore.errors import ModelError
from vstore.packages import TIMM

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed.hf.loaded import Loaded

_OLDEST = (1, 0, 22)
_PLUG_IN = "write a plug-in (examples/plugin in the sources)"


class Timm(Family):
    """A model of timm."""

    name = "timm"
    title = "picture encoders of timm"
    model_types = frozenset({"timm"})
    poolings = ("features",)
    takes_adapter = False
    libraries = ("timm",)

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        timm = timm_module()
        torch, _ = libraries()
        # Without numbers: it tells what pictures it takes and how many numbers a vector has.
        with torch.device("meta"), torch.inference_mode():
            model = _made(timm, folder, pretrained=False)
            found = _processor(folder, timm.data.resolve_model_data_config(model))
            shape = tuple(_features(model, torch.zeros(2, 3, *found["crop"])).shape)
        if len(shape) != 2 or shape[0] != 2:
            raise ModelError(f"{folder.name} gives no vector for a picture, but numbers of the shape {shape}", _PLUG_IN)
        return {"processor": found, "positions": "timm", "text": None, "dim": int(shape[1])}

    @classmethod
    def open(cls, folder: ModelFolder, options: dict[str, Any], dtype: torch.dtype, model_class: str) -> Opened:
        import torch

        model = _made(timm_module(), folder, pretrained=True)

        class Features(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
            """The model without its classifier, with what vstore asks of a model of transformers."""

            config = SimpleNamespace(_attn_implementation="timm")

            def __init__(self) -> None:
                super().__init__()
                self.model = model

            @property
            def dtype(self) -> torch.dtype:
                found: torch.dtype = next(value.dtype for value in self.parameters() if value.is_floating_point())
                return found

            def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
                return _features(self.model, pixel_values)

        # timm itself refuses a weight that is missing, odd or of another size.
        return Features().to(dtype), {"missing_keys": [], "mismatched_keys": [], "unexpected_keys": []}

    def prepare(self, picture: Image) -> Prepared | None:
        return {"pixel_values": prepare_pixels(picture, self.recipe["processor"])}

    def forward(self, on: Loaded, batch: list[Prepared]) -> torch.Tensor:
        found: torch.Tensor = on.model(on.tensor([one["pixel_values"] for one in batch]))
        return found


def timm_module() -> Any:
    """Import timm. Raises: ModelError if it is missing, or too old."""
    with torchvision_absent():
        timm = TIMM.load()
    if tuple(int(part) for part in re.findall(r"\d+", timm.__version__)[:3]) < _OLDEST:
        raise ModelError(
            f"timm {timm.__version__} is too old: it cannot tell the size of a vector before a model has its numbers",
            f"upgrade it: {TIMM.pip} --upgrade",
        )
    return timm


def _features(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = model.forward_head(model.forward_features(pixels), pre_logits=True)
    return found


def _made(timm: Any, folder: ModelFolder, *, pretrained: bool) -> Any:
    """Make the model of a folder. Raises: ModelError if timm does not know it, or its weights do not fit it."""
    name = folder.config["architecture"]
    if not timm.is_model(name) or name.startswith("naflex"):
        raise ModelError(
            f"{folder.name} is a model {name!r}, which "
            + ("takes pictures of any size" if timm.is_model(name) else f"timm {timm.__version__} does not know"),
            _PLUG_IN if timm.is_model(name) else f"upgrade timm: {TIMM.pip} --upgrade",
        )
    try:
        return timm.create_model(f"local-dir:{folder.path}", pretrained=pretrained).eval()
    except RuntimeError as err:
        if "state_dict" not in str(err):
            raise
        raise ModelError(
            f"the weights of {folder.name} are not those of the model {name} that its configuration describes: "
            f"{reason(err)}",
            "copy or download the model again, or name one whose files fit its config.json",
        ) from err


def _processor(folder: ModelFolder, data: dict[str, Any]) -> dict[str, Any]:
    """Describe the preparation, by the values that timm works out. Raises: ModelError for another one."""
    channels, *crop = data["input_size"]
    if channels != 3:
        raise ModelError(f"{folder.name} takes pictures of {channels} channels", _PLUG_IN)
    resize = {"center": "shortest", "squash": "squash", "border": "longest"}.get(data["crop_mode"])
    scaled = [math.floor(side / data["crop_pct"]) for side in crop]
    fill = [round(255 * one) for one in data["mean"]] if resize == "longest" else [0, 0, 0]
    return pixels_recipe(
        resize=resize or data["crop_mode"],
        resize_to=(scaled[0], scaled[1]),
        crop=(crop[0], crop[1]),
        fill=(fill[0], fill[1], fill[2]),
        interpolation=data["interpolation"],
        mean=data["mean"],
        std=data["std"],
    )
