"""The preparation of DINOv3's models, written here: transformers has it for torchvision alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.errors import ModelError

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats

_RESAMPLES = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


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


def describe_dinov3(folder: ModelFolder) -> dict[str, Any]:
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
