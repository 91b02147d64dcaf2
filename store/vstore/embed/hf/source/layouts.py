"""The layouts in which model files are published: which configuration, which weights. Pure but for `layout_of`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from vstore.embed.hf.source.again import get_again
from vstore.embed.hf.source.json_file import read_json
from vstore.errors import ModelError


class Layout(NamedTuple):
    """A layout.

    config:     name of its configuration.
    weights:    name of its weight file; it may be in parts, beside an index of that name.
    model_type: the type of its models where the configuration has none, as only transformers' has.
    word:       stands in its configuration alone, where several layouts call it alike.
    """

    config: str
    weights: str
    model_type: str | None = None
    word: str | None = None


TRANSFORMERS = Layout("config.json", "model.safetensors")
OPEN_CLIP = Layout("open_clip_config.json", "open_clip_model.safetensors", "open_clip")
TIMM = Layout("config.json", "model.safetensors", "timm", word="architecture")
# In this order, as a folder may have several: spaces were made of transformers', and timm's has no text side.
LAYOUTS = (TRANSFORMERS, OPEN_CLIP, TIMM)


def layout_of(path: Path) -> Layout | None:
    """Find the layout of a folder: the first with weights, else the first with a configuration. Raises: ModelError."""
    found = [layout for layout in LAYOUTS if _is_in(path, layout)]
    return next((one for one in found if weight_files(path, one)), found[0] if found else None)


def _is_in(path: Path, layout: Layout) -> bool:
    """Tell whether a folder has the configuration of a layout. Raises: ModelError."""
    if not (path / layout.config).is_file():
        return False
    others = {one.word for one in LAYOUTS if one.config == layout.config and one.word is not None}
    if not others:
        return True
    config = read_json(path / layout.config)
    words = set() if "model_type" in config else others & config.keys()
    return words == ({layout.word} if layout.word else set())


def weight_files(path: Path, layout: Layout) -> list[Path]:
    """List the weight files of a layout: one, or those that the index names. Raises: ModelError."""
    whole = path / layout.weights
    if whole.is_file():
        return [whole]
    index = path / f"{layout.weights}.index.json"
    if not index.is_file():
        return []
    files = read_json(index).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        raise ModelError(f"{index} does not say which file holds which weight", get_again(path, [index.name]))
    return sorted({path / name for name in files.values()})


def read_config(path: Path, layout: Layout) -> dict[str, Any]:
    """Read the configuration of a folder. Raises: ModelError."""
    config = read_json(path / layout.config)
    other = config.get("transformers_weights")
    if other is not None:  # transformers would read that file, and no digest covers it
        raise ModelError(
            f"{path / layout.config} names a file of weights of its own ({other!r}), and vstore reads {layout.weights}",
            "take that line out of it if these are the same weights, or rename the file",
        )
    return config if layout.model_type is None else {"model_type": layout.model_type, **config}
