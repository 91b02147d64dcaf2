"""Preparation by transformers' own processors on Pillow and numpy alone: an installed torchvision changes no vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.embed.hf.faults import DOCTOR, reason
from vstore.errors import ModelError

if TYPE_CHECKING:
    from vstore.embed.hf.folder import ModelFolder


def describe_processor(folder: ModelFolder) -> dict[str, Any]:
    """The effective processor of a model: every value that it works with, its class and backend. Raises: ModelError."""
    from vstore.embed.hf.libraries import libraries, quiet

    _, transformers = libraries()
    try:
        with quiet():
            processor = transformers.AutoImageProcessor.from_pretrained(
                folder.path, backend="pil", local_files_only=True, trust_remote_code=False
            )
    except Exception as err:
        copy = "copy preprocessor_config.json (or processor_config.json) of the model into its folder"
        raise ModelError(
            f"{folder.name} does not say how pictures are prepared: {reason(err)}",
            DOCTOR if isinstance(err, ImportError) else copy,
        ) from err
    return effective(processor)


def effective(processor: Any) -> dict[str, Any]:
    """A processor as plain values. Raises: ModelError if it is not the Pillow one: `backend` may be passed over."""
    name = type(processor).__name__
    if not name.endswith("Pil"):
        raise ModelError(
            f"the image processor is {name}, not the one that works on Pillow",
            "this transformers took another backend than it was told: see vstore doctor",
        )
    values = {
        k: _plain(v) for k, v in processor.to_dict().items() if k not in ("image_processor_type", "processor_class")
    }
    return {**values, "class": name, "backend": "pil"}


def load_processor(recipe: dict[str, Any]) -> Any:
    """The processor that a recipe describes, whatever stands in the model's folder today. Raises: ModelError."""
    from vstore.embed.hf.libraries import libraries, quiet

    _, transformers = libraries()
    values = {name: value for name, value in recipe.items() if name not in ("class", "backend")}
    with quiet():
        processor = getattr(transformers, recipe["class"])(**values)
    now = effective(processor)
    differing = [name for name, value in recipe.items() if now.get(name) != value]
    if differing:
        raise ModelError(
            f"the image processor {recipe['class']} of this transformers does not take "
            f"{', '.join(differing)} as the space has it",
            "install the version of transformers that the space was made with",
        )
    return processor


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)  # Pillow's resamplings are numbers with a name
    return value
