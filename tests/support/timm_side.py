"""Tiny models in timm's layout, and their vectors by timm itself: `python -m support.timm_side FOLDER`.

A process of its own: timm does not work without torchvision, whose place the stub takes here.
Each model is a folder KIND, as timm writes it for the hub; its vectors are in KIND.npz: pixels, pictures.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """A tiny model.

    name: of its architecture. args: that make it small. data: its own preparation.
    """

    name: str
    args: dict[str, Any]
    data: dict[str, Any]


_SMALL = {"embed_dim": 32, "depth": 2, "num_heads": 4}
# Each has what another has not: a classifier, registers, a mean of patches, convolutions; the three ways to crop.
KINDS = {
    "vit": Kind(
        "vit_tiny_patch16_224",
        {**_SMALL, "img_size": 32, "patch_size": 8, "num_classes": 7},
        {"input_size": (3, 32, 32)},
    ),
    "dinov2": Kind(
        "vit_small_patch14_reg4_dinov2",
        {**_SMALL, "img_size": 28, "num_classes": 0},
        {"input_size": (3, 28, 28), "crop_pct": 1.0, "crop_mode": "squash"},
    ),
    "siglip": Kind(
        "vit_base_patch16_siglip_224", {**_SMALL, "img_size": 32, "num_classes": 0}, {"input_size": (3, 32, 32)}
    ),
    "convnext": Kind(
        "convnext_atto",
        {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32), "num_classes": 5},
        {"input_size": (3, 64, 48), "crop_pct": 0.8, "crop_mode": "border", "interpolation": "bilinear"},
    ),
    "resnet": Kind(
        "resnet18", {"channels": (8, 16, 24, 32)}, {"input_size": (3, 40, 64), "crop_pct": 0.7, "mean": (0.5, 0.4, 0.3)}
    ),
}


def main(top: Path) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    from support.torchvision_stub import install

    install()
    import timm
    import torch

    torch.set_num_threads(1)
    for name, kind in KINDS.items():
        make(top / name, kind, timm)


def make(folder: Path, kind: Kind, timm: Any) -> None:
    import numpy as np
    import torch
    from support.embedders import probes
    from support.tiny import seeded

    folder.mkdir(parents=True)
    with seeded(5):
        model = timm.create_model(kind.name, pretrained_cfg_overlay=kind.data, **kind.args).eval()
        with torch.no_grad():
            for name, value in model.state_dict().items():
                if "running_var" in name:
                    value.add_(torch.rand(value.shape))
                elif value.is_floating_point():
                    # At first biases and norms are 0 and 1, and matrices so small that all pictures look alike.
                    value.mul_(4 if value.ndim == 2 else 1).add_(
                        torch.randn(value.shape) * (0.2 if value.ndim < 2 else 0.02)
                    )
    timm.models.save_for_hf(model, folder, safe_serialization=True, model_args=kind.args)
    data = timm.data.resolve_model_data_config(model)
    prepare = timm.data.create_transform(**data, is_training=False)
    model.reset_classifier(0)
    with torch.inference_mode():
        pixels = torch.stack([prepare(picture) for picture in probes().values()])
        pictures = torch.nn.functional.normalize(model(pixels))
    np.savez(folder.with_suffix(".npz"), pixels=pixels, pictures=pictures)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
