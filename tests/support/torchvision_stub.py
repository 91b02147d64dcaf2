"""The little of torchvision that open_clip and timm use for one picture, so that both run as they are without it.

For processes of the tests alone. The rules are written from torchvision's documentation, and use nothing of vstore.
"""

from __future__ import annotations

import sys
from enum import Enum
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps


class InterpolationMode(Enum):
    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def resize(img: Image.Image, size: Any, interpolation: Any = InterpolationMode.BILINEAR) -> Image.Image:
    """By one number the shorter edge, by two the height and the width."""
    width, height = img.size
    if isinstance(size, int):
        size = [size]
    if len(size) == 1:
        short = size[0]
        size = [int(short * height / width), short] if width <= height else [short, int(short * width / height)]
    name = interpolation if isinstance(interpolation, str) else interpolation.name
    return img if (height, width) == tuple(size) else img.resize((size[1], size[0]), Image.Resampling[name.upper()])


def get_dimensions(img: Image.Image) -> list[int]:
    return [len(img.getbands()), img.height, img.width]


def pad(img: Image.Image, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Image.Image:
    assert padding_mode == "constant"
    colour = (fill,) * 3 if isinstance(fill, int) else tuple(fill)
    return ImageOps.expand(img, tuple(padding), colour)


def crop(img: Image.Image, top: int, left: int, height: int, width: int) -> Image.Image:
    return img.crop((left, top, left + width, top + height))


def center_crop(img: Image.Image, size: Any) -> Image.Image:
    height, width = (size, size) if isinstance(size, int) else size
    if width > img.width or height > img.height:
        more = max(width - img.width, 0), max(height - img.height, 0)
        img = pad(img, [more[0] // 2, more[1] // 2, (more[0] + 1) // 2, (more[1] + 1) // 2])
    return crop(img, round((img.height - height) / 2.0), round((img.width - width) / 2.0), height, width)


class Compose:
    def __init__(self, transforms: list[Any]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for one in self.transforms:
            img = one(img)
        return img


class Resize:
    def __init__(self, size: Any, interpolation: Any = InterpolationMode.BILINEAR) -> None:
        self.size, self.interpolation = size, interpolation

    def __call__(self, img: Any) -> Any:
        return resize(img, self.size, self.interpolation)


class CenterCrop:
    def __init__(self, size: Any) -> None:
        self.size = size

    def __call__(self, img: Any) -> Any:
        return center_crop(img, self.size)


def to_tensor(img: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(img)).permute(2, 0, 1).float() / 255


class ToTensor:
    def __call__(self, img: Any) -> torch.Tensor:
        return to_tensor(img)


class Normalize:
    def __init__(self, mean: Any, std: Any) -> None:
        self.mean, self.std = (torch.as_tensor(value, dtype=torch.float32)[:, None, None] for value in (mean, std))

    def __call__(self, value: torch.Tensor) -> torch.Tensor:
        return (value - self.mean) / self.std


class FrozenBatchNorm2d(torch.nn.Module):
    """Of models that are being trained: none of these."""


class _Module(ModuleType):
    """A module in which every other name is an empty class: of training, of data sets."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def install() -> None:
    """Put it in the place of torchvision, for this process."""
    names = ("", ".transforms", ".transforms.functional", ".ops", ".ops.misc", ".datasets", ".utils")
    modules = {name: _Module(f"torchvision{name}") for name in names}
    for name, module in modules.items():
        module.__spec__ = ModuleSpec(f"torchvision{name}", None, is_package=True)
        module.__path__ = []
        sys.modules[f"torchvision{name}"] = module
        if name:
            setattr(modules[name.rpartition(".")[0]], name.rpartition(".")[2], module)
    for made in (Compose, Resize, CenterCrop, ToTensor, Normalize, InterpolationMode):
        setattr(modules[".transforms"], made.__name__, made)
    for made in (resize, get_dimensions, pad, crop, center_crop, to_tensor, InterpolationMode):
        setattr(modules[".transforms.functional"], made.__name__, made)
    modules[".ops.misc"].FrozenBatchNorm2d = FrozenBatchNorm2d
