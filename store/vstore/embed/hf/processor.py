"""The image processors of transformers, on Pillow and numpy alone: an installed torchvision changes no vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.embed.faults import DOCTOR, reason
from vstore.embed.hf.source.own_code import refuse_own
from vstore.errors import ModelError

if TYPE_CHECKING:
    from vstore.embed.hf.source.model_folder import ModelFolder


def describe_processor(folder: ModelFolder) -> dict[str, Any]:
    """Describe the effective processor of a model: all its values, its class, its backend. Raises: ModelError."""
    from vstore.embed.hf.libraries import libraries, quiet

    _, transformers = libraries()
    try:
        with quiet():
            processor = transformers.AutoImageProcessor.from_pretrained(
                folder.path, backend="pil", local_files_only=True, trust_remote_code=False
            )
    except Exception as err:
        for name in ("preprocessor_config.json", "processor_config.json"):
            refuse_own(folder.path / name, "AutoImageProcessor", "the image processor", folder.name)
        copy = "copy preprocessor_config.json (or processor_config.json) of the model into its folder"
        raise ModelError(
            f"{folder.name} does not say how pictures are prepared: {reason(err)}",
            DOCTOR if isinstance(err, ImportError) else copy,
        ) from err
    return effective(processor)


def describe_fixed_processor(folder: ModelFolder, side: int | None = None) -> dict[str, Any]:
    """Describe the processor of a model whose pictures all have one size, as a batch needs.

    side:   of the squares that the model takes, in pixels; None if it takes others, too.
    Raises: ModelError.
    """
    from PIL import Image

    recipe = describe_processor(folder)
    processor = load_processor(recipe)
    tried = [Image.new("RGB", size) for size in ((60, 40), (40, 90))]
    heights, widths = zip(
        *(processor(one, return_tensors="np")["pixel_values"].shape[-2:] for one in tried), strict=True
    )
    if len(set(heights)) > 1 or len(set(widths)) > 1:
        raise ModelError(
            f"the image processor of {folder.name} gives each picture a size of its own "
            f"({widths[0]} x {heights[0]}, {widths[1]} x {heights[1]}), and a batch has one size",
            "name a checkpoint of a fixed size, whose preprocessor_config.json resizes or crops to a square",
        )
    if side is not None and (heights[0], widths[0]) != (side, side):
        raise ModelError(
            f"the image processor of {folder.name} makes pictures of {widths[0]} x {heights[0]} pixels, and its model "
            f"takes {side} x {side}",
            "use the preprocessor_config.json of this very model: that of another size, or one without a size, does "
            "not fit",
        )
    return recipe


def effective(processor: Any) -> dict[str, Any]:
    """Turn a processor into plain values. Raises: ModelError if it is not on Pillow: `backend` may be ignored."""
    name = type(processor).__name__
    if not name.endswith("Pil"):
        raise ModelError(
            f"the image processor is {name}, not the one that works on Pillow",
            "this version of transformers ignores the backend: see vstore doctor",
        )
    values = {
        k: _plain(v) for k, v in processor.to_dict().items() if k not in ("image_processor_type", "processor_class")
    }
    return {**values, "class": name, "backend": "pil"}


def load_processor(recipe: dict[str, Any]) -> Any:
    """Make the processor that a recipe describes, whatever the model's folder holds today. Raises: ModelError."""
    from vstore.embed.hf.libraries import libraries, quiet

    _, transformers = libraries()
    values = {name: value for name, value in recipe.items() if name not in ("class", "backend")}
    with quiet():
        processor = getattr(transformers, recipe["class"])(**values)
    now = effective(processor)
    differing = [name for name, value in recipe.items() if now.get(name) != value]
    if differing:
        raise ModelError(
            f"the image processor {recipe['class']} of this version of transformers does not accept "
            f"{', '.join(differing)} as the space records it",
            "install the version of transformers that the space was made with",
        )
    return processor


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)  # Pillow's resamplings are named integers
    return value
