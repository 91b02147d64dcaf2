"""The folder of a model or an adapter, local or from the hub. Pickles are refused: reading one may run any code."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any, NamedTuple

from vstore.embed.hf.digests import Digests
from vstore.errors import ModelError
from vstore.packages import HUB

# The files that are fetched from the hub: never pickles, and code only where it was asked for.
_PATTERNS = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "tokenizer*", "merges*", "vocab*"]
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
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
    """

    name: str
    path: Path
    commit: str | None
    config: dict[str, Any]

    @property
    def model_type(self) -> str:
        return str(self.config.get("model_type", ""))

    def weights(self) -> list[Path]:
        """List the weight files that transformers reads: one, or those that the index names."""
        if (self.path / "model.safetensors").is_file():
            return [self.path / "model.safetensors"]
        index = self.path / "model.safetensors.index.json"
        return sorted(
            {self.path / name for name in _json(index).get("weight_map", {}).values()} if index.is_file() else ()
        )


def find_model(name: str, revision: str | None = None, *, code: bool = False) -> ModelFolder:
    """Find a model by folder or hub id.

    code:   fetch the Python files of a hub repository too.
    Raises: ModelError, naming what is missing and what to do.
    """
    path, commit = _locate(name, revision, "model", code)
    if not (path / "config.json").is_file():
        if (path / "adapter_config.json").is_file():
            raise ModelError(
                f"{name} is an adapter, not a model: it holds adapter_config.json and no config.json",
                f"name it with --adapter {shlex.quote(name)}, and its base with --model",
            )
        raise ModelError(
            f"{name} holds no model: there is no config.json in {path}",
            "name the folder that save_pretrained wrote, or a hub id such as openai/clip-vit-base-patch32",
        )
    if (path / "adapter_config.json").is_file():
        # transformers would apply it by itself, even in part.
        raise ModelError(
            f"{name} holds a model and an adapter in one folder",
            "move adapter_config.json and adapter_model.safetensors into a folder of their own, for --adapter",
        )
    folder = ModelFolder(name, path, commit, _json(path / "config.json"))
    weights = folder.weights()
    _refuse_pickles(folder.path, "model.safetensors", has_weights=bool(weights))
    missing = [weight.name for weight in weights if not weight.is_file()]
    if missing:
        raise ModelError(
            f"{name} is not complete: files listed in its index are missing: {', '.join(missing[:5])}",
            "copy or download the model again",
        )
    return folder


def find_adapter(name: str, revision: str | None = None) -> ModelFolder:
    """Find a peft adapter by folder or hub id. Its `config` is the adapter's. Raises: ModelError."""
    path, commit = _locate(name, revision, "adapter", False)
    if not (path / "adapter_config.json").is_file():
        inside = sorted(found.parent.name for found in path.glob("*/adapter_config.json"))
        hint = f"; its folders {', '.join(inside[:5])} hold one" if inside else ""
        raise ModelError(
            f"{name} holds no adapter: there is no adapter_config.json in {path}{hint}",
            "name the folder that peft's save_pretrained wrote",
        )
    folder = ModelFolder(name, path, commit, _json(path / "adapter_config.json"))
    has_weights = (path / "adapter_model.safetensors").is_file()
    _refuse_pickles(path, "adapter_model.safetensors", has_weights=has_weights)
    return folder


def is_stored_in_bf16(folder: ModelFolder) -> bool:
    """Tell whether all floats of the weight files are bf16: a model in bf16 then has exactly their numbers."""
    from safetensors import safe_open

    kinds: set[str] = set()
    for path in folder.weights():
        with safe_open(path, "np") as file:
            kinds.update(file.get_slice(key).get_dtype() for key in file.keys())  # noqa: SIM118  # no mapping
    return {kind for kind in kinds if kind.startswith(("F", "BF"))} == {"BF16"}


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


def _locate(name: str, revision: str | None, what: str, code: bool) -> tuple[Path, str | None]:
    folder = Path(name)
    if folder.is_dir():
        return Path(os.path.realpath(folder)), None
    looks_local = name.startswith((".", "/", "~")) or name.count("/") != 1 or name.endswith("/")
    if looks_local:
        raise ModelError(
            f"there is no {what} folder {name}",
            "check the path; a hub id has the form OWNER/NAME, such as openai/clip-vit-base-patch32",
        )
    return _from_hub(name, revision, what, code)


def _from_hub(name: str, revision: str | None, what: str, code: bool) -> tuple[Path, str]:
    snapshot_download = HUB.load().snapshot_download
    patterns = [*_PATTERNS, "*.py"] if code else _PATTERNS
    try:
        # An earlier download is used as it is: a sync must neither wait for the network nor change with it.
        fetched = snapshot_download(name, revision=revision, allow_patterns=patterns, local_files_only=True)
        if not list(Path(fetched).glob("*.safetensors")):
            raise FileNotFoundError(fetched)
    except Exception:
        try:
            fetched = snapshot_download(name, revision=revision, allow_patterns=patterns)
        except Exception as err:
            reason = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
            raise ModelError(
                f"the {what} {name} is not a folder here, and it could not be fetched from the hub: {reason}",
                f"check the name and the network (HF_HUB_OFFLINE, HF_TOKEN), or download it elsewhere with "
                f"'hf download {name}' and name the folder",
            ) from err
    return Path(fetched), Path(fetched).name


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as err:
        raise ModelError(f"{path} cannot be read: {err}", "copy or download the model again") from err
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a valid configuration", "copy or download the model again")
    return value


def _refuse_pickles(path: Path, wanted: str, *, has_weights: bool) -> None:
    """Refuse weights that are only there as pickles. They are never opened: reading them may run any code."""
    if has_weights:
        return
    found = sorted({file.name for pattern in _PICKLES for file in path.glob(pattern)} - {"training_args.bin"})
    if not found:
        raise ModelError(f"{path} holds no weights: there is no {wanted}", "copy or download the model again")
    raise ModelError(
        f"{path} has its weights only as pickles ({', '.join(found[:5])}), which may run any program when they are "
        "read; vstore reads only safetensors",
        f"if you trust them, convert them once: {conversion(path, found, wanted)}",
    )


def conversion(path: Path, names: list[str], wanted: str) -> str:
    """Write the command that turns pickled weights into safetensors; torch's reader for bare weights runs no code."""
    code = (
        "import sys,torch;from safetensors.torch import save_file;t={};"
        "[t.update(torch.load(f,map_location='cpu',weights_only=True)) for f in sys.argv[2:]];"
        "save_file({k:v.clone().contiguous() for k,v in t.items()},sys.argv[1],{'format':'pt'})"
    )
    words = ["python", "-c", code, str(path / wanted), *(str(path / name) for name in names)]
    return " ".join(shlex.quote(word) for word in words)
