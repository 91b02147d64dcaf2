"""Finds a model or an adapter, by folder or hub id, and checks that its files are there."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from vstore.embed.hf.source.hub import fetch
from vstore.embed.hf.source.json_file import read_json
from vstore.embed.hf.source.layouts import layout_of, read_config
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.source.pickles import refuse_pickles
from vstore.errors import ModelError


def find_model(name: str, revision: str | None = None, *, code: bool = False) -> ModelFolder:
    """Find a model by folder or hub id.

    code:   fetch the Python files of a hub repository too.
    Raises: ModelError, naming what is missing and what to do.
    """
    path, commit = _locate(name, revision, "model", code)
    layout = layout_of(path)
    if layout is None:
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
    folder = ModelFolder(name, path, commit, read_config(path, layout), layout)
    weights = folder.weights()
    refuse_pickles(folder.path, layout.weights, has_weights=bool(weights))
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
    folder = ModelFolder(name, path, commit, read_json(path / "adapter_config.json"))
    has_weights = (path / "adapter_model.safetensors").is_file()
    refuse_pickles(path, "adapter_model.safetensors", has_weights=has_weights)
    return folder


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
    return fetch(name, revision, what, code)
