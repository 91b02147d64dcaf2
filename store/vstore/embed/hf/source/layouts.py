"""The layouts in which model files are published: which configuration, which weights. Pure but for `layout_of`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from vstore.embed.hf.source.json_file import read_json


class Layout(NamedTuple):
    """A layout.

    config:     name of its configuration.
    weights:    name of its weight file; it may be in parts, beside an index of that name.
    model_type: the type of its models where the configuration has none, as only transformers' has.
    """

    config: str
    weights: str
    model_type: str | None = None


TRANSFORMERS = Layout("config.json", "model.safetensors")
OPEN_CLIP = Layout("open_clip_config.json", "open_clip_model.safetensors", "open_clip")
# In this order: a folder may have several, and spaces were made of transformers' first.
LAYOUTS = (TRANSFORMERS, OPEN_CLIP)


def layout_of(path: Path) -> Layout | None:
    """Find the layout of a folder: the first with weights, else the first with a configuration. Raises: ModelError."""
    found = [layout for layout in LAYOUTS if (path / layout.config).is_file()]
    return next((one for one in found if weight_files(path, one)), found[0] if found else None)


def weight_files(path: Path, layout: Layout) -> list[Path]:
    """List the weight files of a layout: one, or those that the index names. Raises: ModelError."""
    whole = path / layout.weights
    if whole.is_file():
        return [whole]
    index = path / f"{layout.weights}.index.json"
    return sorted({path / name for name in read_json(index).get("weight_map", {}).values()} if index.is_file() else ())


def read_config(path: Path, layout: Layout) -> dict[str, Any]:
    """Read the configuration of a folder. Raises: ModelError."""
    config = read_json(path / layout.config)
    return config if layout.model_type is None else {"model_type": layout.model_type, **config}
