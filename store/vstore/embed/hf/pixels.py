"""The preparation of pictures by torchvision's rules, on Pillow and numpy: resize, crop or pad, normalise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.errors import ModelError

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
RESIZES = ("shortest", "longest", "squash")


def pixels_recipe(
    *,
    resize: str,
    resize_to: tuple[int, int],
    crop: tuple[int, int],
    interpolation: str,
    mean: Any,
    std: Any,
    fill: tuple[int, int, int] = (0, 0, 0),
) -> dict[str, Any]:
    """Describe a preparation.

    resize:    `shortest`, `longest` (the edge that gets the wanted length) or `squash`.
    resize_to: height and width; crop: the middle of the resized picture, padded where it is smaller.
    fill:      colour of the padding.
    Raises:    ModelError for a value that is none.
    """
    means, stds = [float(one) for one in mean], [float(one) for one in std]
    found = {
        "class": "resize-crop",
        "backend": "vstore",
        "resize": resize,
        "resize_to": list(resize_to),
        "crop": list(crop),
        "fill": list(fill),
        "interpolation": interpolation,
        "image_mean": means,
        "image_std": stds,
    }
    wrong = [
        *([f"resize {resize}"] if resize not in RESIZES else []),
        *([f"interpolation {interpolation}"] if interpolation not in INTERPOLATIONS else []),
        *([f"size {size}"] for size in (resize_to, crop) if len(size) != 2 or min(size) < 1),
        *([f"mean {means}"] if len(means) != 3 else []),
        *([f"std {stds}"] if len(stds) != 3 or min(stds) <= 0 else []),
    ]
    if wrong:
        raise ModelError(
            f"the model asks for a preparation of pictures that vstore does not know: {wrong[0]}",
            "use the original configuration of the model, or write a plug-in (examples/plugin in the sources)",
        )
    return found


def prepare_pixels(picture: Image, recipe: dict[str, Any]) -> Floats:
    """Prepare a picture as its recipe says. Returns: float32 (3, height, width)."""
    import numpy as np
    from PIL import Image as Pillow

    picture = picture.convert("RGB")
    height, width = resized(picture.height, picture.width, recipe)
    if (width, height) != picture.size:
        picture = picture.resize((width, height), Pillow.Resampling[recipe["interpolation"].upper()])
    pixels = _cropped(np.asarray(picture), recipe["crop"], recipe["fill"])
    planes = pixels.astype(np.float32).transpose(2, 0, 1) / np.float32(255)
    mean, std = (np.array(recipe[name], np.float32)[:, None, None] for name in ("image_mean", "image_std"))
    prepared: Floats = (planes - mean) / std
    return prepared


def resized(height: int, width: int, recipe: dict[str, Any]) -> tuple[int, int]:
    """Work out the height and width after the resize, rounded as torchvision and timm round them."""
    to_height, to_width = recipe["resize_to"]
    if recipe["resize"] == "squash":
        return to_height, to_width
    if recipe["resize"] == "shortest" and to_height == to_width:
        # torchvision's Resize cuts off where timm's ResizeKeepRatio rounds.
        short, long = min(height, width), max(height, width)
        other = max(1, int(to_height * long / short))
        return (to_height, other) if height <= width else (other, to_height)
    choose = max if recipe["resize"] == "longest" else min
    ratio = choose(height / to_height, width / to_width)
    return max(1, round(height / ratio)), max(1, round(width / ratio))


def _cropped(pixels: Any, crop: list[int], fill: list[int]) -> Any:
    """Take the middle of a picture, padded where it is smaller, rounded as torchvision's center_crop does.

    pixels: uint8 (height, width, 3). Returns: uint8 (*crop, 3).
    """
    import numpy as np

    canvas = np.empty((*crop, 3), np.uint8)
    canvas[:] = fill
    source, target = [], []
    for have, want in zip(pixels.shape[:2], crop, strict=True):
        # A picture that is smaller stands in the middle, the odd line after it; of a larger one the middle is kept.
        before = (want - have) // 2 if have < want else 0
        first = round((have - want) / 2) if have > want else 0
        size = min(have, want)
        target.append(slice(before, before + size))
        source.append(slice(first, first + size))
    canvas[tuple(target)] = pixels[tuple(source)]
    return canvas
