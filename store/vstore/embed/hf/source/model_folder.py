"""A checked folder of model files, and the files in it that decide vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.source.layouts import TRANSFORMERS, Layout, weight_files

# Words of a configuration that say nothing about the vectors.
_IDLE = frozenset(
    ["_name_or_path", "name_or_path", "_commit_hash", "transformers_version", "torch_dtype", "dtype", "architectures"]
)


class ModelFolder(NamedTuple):
    """A checked folder of model files.

    name:   as the user wrote it.
    path:   its real path.
    commit: of a hub model, else None.
    config: its config.json, or its adapter_config.json.
    layout: of a model.
    pooling: of its tokens, as sentence-transformers calls it; None if the files say nothing.
    """

    name: str
    path: Path
    commit: str | None
    config: dict[str, Any]
    layout: Layout = TRANSFORMERS
    pooling: str | None = None

    @property
    def model_type(self) -> str:
        return str(self.config.get("model_type", ""))

    def weights(self) -> list[Path]:
        """List the weight files of its layout: one, or those that the index names."""
        return weight_files(self.path, self.layout)


def is_stored_in_bf16(folder: ModelFolder) -> bool:
    """Tell whether all floats of the weight files are bf16: a model in bf16 then has exactly their numbers."""
    from safetensors import safe_open

    kinds: set[str] = set()
    for path in folder.weights():
        with safe_open(path, "np") as file:
            kinds.update(file.get_slice(key).get_dtype() for key in file.keys())  # noqa: SIM118  # no mapping
    return {kind for kind in kinds if kind.startswith(("F", "BF"))} == {"BF16"}


def tensor_names(folder: ModelFolder) -> set[str]:
    """Read the names of all tensors from the headers of the weight files, which are whole."""
    from safetensors import safe_open

    names: set[str] = set()
    for path in folder.weights():
        with safe_open(path, "np") as file:
            names.update(file.keys())
    return names


def weight_digests(folder: ModelFolder, digests: Digests) -> list[str]:
    """Compute the sha256 of every weight file, sorted: names say nothing about vectors."""
    return sorted(digests.of(path) for path in folder.weights())


def canonical_config(config: dict[str, Any]) -> dict[str, Any]:
    """Strip a configuration, at every depth, of the words that say nothing about the vectors."""
    return {
        name: canonical_config(value) if isinstance(value, dict) else value
        for name, value in config.items()
        if name not in _IDLE
    }
