"""Folders and files that are named as a model or an adapter and are neither: what they are, and what may be meant."""

from __future__ import annotations

import os
import re
import tarfile
import zipfile
from pathlib import Path

from vstore.embed.hf.source.checkpoints import checkpoints_in
from vstore.embed.hf.source.other_words import OtherWords
from vstore.errors import ModelError
from vstore.quoting import quoted

ADAPTER, MODEL = "adapter_config.json", "config.json"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_CACHED = re.compile(r"models--([^/]+?)--([^/]+)")  # a repository's folder in the cache of the hub
_A = {"adapter": "an adapter", "model": "a model"}
_SHOWN = 5  # folders that a message names


def not_a_model(name: str, path: Path) -> ModelError:
    """Make the error for a folder that was named as a model, and holds none or an adapter too."""
    if (path / MODEL).is_file():
        return _model_and_adapter(name, path)
    if (path / ADAPTER).is_file():
        message = f"{name} is an adapter, not a model: it holds {ADAPTER} and no {MODEL}"
        return OtherWords(message, "name it with --adapter", model=None, adapter=name)
    return _looked_inside(name, path, "model") or ModelError(
        f"{name} holds no model: there is no {MODEL} in {path}",
        "name the folder that save_pretrained wrote, or a hub id such as google/siglip2-base-patch16-224",
    )


def not_an_adapter(name: str, path: Path) -> ModelError:
    """Make the error for a folder that was named as an adapter, and holds none."""
    if (path / MODEL).is_file() and any((path / weights).is_file() for weights in _WEIGHTS):
        message = f"{name} is a model, not an adapter: it was trained whole, or its adapter is merged into it already"
        return OtherWords(message, "name it with --model alone", model=name, adapter=None)
    message = f"{name} holds no adapter: there is no {ADAPTER} in {path}"
    if any(path.glob("adapter_model.*")):
        return ModelError(message, f"copy {ADAPTER} from beside its weights: the rank and the targets stand there")
    return _looked_inside(name, path, "adapter") or ModelError(
        message, "name the folder that peft's save_pretrained wrote"
    )


def is_no_folder(file: Path, what: str) -> ModelError:
    """Make the error for a file that was named in place of a folder."""
    folder = file.parent
    if zipfile.is_zipfile(file) and file.suffix not in (".bin", ".pt", ".pth", ".ckpt"):  # torch's pickles are zips
        there = f"unzip {quoted(str(file))} -d {quoted(str(file.with_suffix('')))}"
        return ModelError(f"{file} is an archive; {_A[what]} is a folder", f"unpack it, and name its folder: {there}")
    if file.suffix in (".tar", ".gz", ".tgz", ".xz", ".bz2") and tarfile.is_tarfile(file):
        there = f"tar -xf {quoted(str(file))} -C {quoted(str(folder))}"
        return ModelError(f"{file} is an archive; {_A[what]} is a folder", f"unpack it, and name its folder: {there}")
    if file.suffix == ".gguf":
        return ModelError(
            f"{file} holds weights for llama.cpp, which vstore does not read",
            "name the folder or the hub id of the original model, with its safetensors files",
        )
    message = f"{file} is one file; {_A[what]} is a folder with its configuration"
    if (folder / ADAPTER).is_file():
        return OtherWords(message, "name its folder", adapter=str(folder), **_without("model", what))
    if (folder / MODEL).is_file():
        return OtherWords(message, "name its folder", model=str(folder), **_without("adapter", what))
    return ModelError(
        message, f"name the folder that holds {ADAPTER if what == 'adapter' else MODEL} beside the weights"
    )


def _without(option: str, what: str) -> dict[str, None]:
    return {option: None} if option == what else {}


def _model_and_adapter(name: str, path: Path) -> ModelError:
    """Make the error for a model and an adapter in one folder: transformers would apply it by itself, even in part."""
    if not any((path / weights).is_file() for weights in _WEIGHTS):
        message = (
            f"{name} is an adapter: the {MODEL} beside its {ADAPTER} is its base's, and the base's weights are not here"
        )
        return OtherWords(message, "name it with --adapter", model=None, adapter=name)
    apart = quoted(f"{str(path).rstrip('/')}-adapter")
    inside = f"{quoted(str(path))}/adapter_*"
    return ModelError(
        f"{name} holds a model and an adapter in one folder, and it does not say whether the model has it already",
        f"move the adapter into a folder of its own: mkdir {apart} && mv {inside} {apart}; then name the model alone, "
        "or with --adapter if it was not merged",
    )


def _looked_inside(name: str, path: Path, option: str) -> ModelError | None:
    """Make the error for a folder whose folders hold what may be meant; None if they hold nothing."""
    cached = _CACHED.fullmatch(path.name)
    if cached and (path / "snapshots").is_dir():
        message = f"{name} is the folder in which the hub's client keeps a repository"
        return OtherWords(message, "name the repository", **{option: f"{cached[1]}/{cached[2]}"})
    run = checkpoints_in(path)
    if run is not None:
        steps = ", ".join(os.path.relpath(step, path) for step in run.steps[-_SHOWN:])
        message = f"{name} is the folder of a training run, and holds the checkpoints {steps}"
        if run.best is not None and run.best != run.newest:
            message += f"; {run.newest.name} is the newest, and {run.best.name} was the best one by its trainer's state"
            return OtherWords(message, "name one of them, the best for example", **_place(name, path, option, run.best))
        why = "name one of them, the newest for example" if len(run.steps) > 1 else "name the checkpoint"
        return OtherWords(message, why, **_place(name, path, option, run.newest))
    wanted = ADAPTER if option == "adapter" else MODEL
    inner = [one.parent for file in (wanted, ADAPTER, MODEL) for one in sorted(path.glob(f"*/{file}"))]
    inner = [one for one in dict.fromkeys(inner) if not one.name.startswith(".")]
    if not inner:
        return None
    found = _place(name, path, option, inner[0])
    if len(inner) == 1:
        kind = "an adapter" if found.get("adapter") else "a model"
        return OtherWords(f"{name} is a folder around {kind}, {inner[0].name}", "name the inner folder", **found)
    some = ", ".join(one.name for one in inner[:_SHOWN])
    return OtherWords(f"{name} holds {len(inner)} folders of models: {some}", "name one of them, for example", **found)


def _place(name: str, path: Path, option: str, inner: Path) -> dict[str, str | None]:
    """Choose the words for an inner folder, which is written as the user wrote the outer one."""
    found = "adapter" if (inner / ADAPTER).is_file() else "model"
    words: dict[str, str | None] = {found: os.path.join(name, os.path.relpath(inner, path))}
    return words if found == option else {option: None, **words}
