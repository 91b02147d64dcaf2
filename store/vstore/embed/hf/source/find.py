"""Finds a model or an adapter, by folder or hub id, and checks that its files are there."""

from __future__ import annotations

import os
from pathlib import Path

from vstore.embed.hf.source.hub import fetch
from vstore.embed.hf.source.json_file import read_json
from vstore.embed.hf.source.layouts import layout_of, read_config
from vstore.embed.hf.source.misnamed import is_no_folder, not_a_model, not_an_adapter
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.source.pickles import refuse_pickles
from vstore.embed.hf.source.quantised import refuse_quantised
from vstore.embed.hf.source.whole import require_whole
from vstore.errors import ModelError


def find_model(name: str, revision: str | None = None, *, code: bool = False) -> ModelFolder:
    """Find a model by folder or hub id.

    code:   fetch the Python files of a hub repository too.
    Raises: ModelError, naming what is missing and what to do.
    """
    path, commit = _locate(name, revision, "model", code)
    layout = layout_of(path)
    if layout is None or (path / "adapter_config.json").is_file():
        raise not_a_model(name, path)
    folder = ModelFolder(name, path, commit, read_config(path, layout), layout)
    refuse_quantised(folder)
    weights = folder.weights()
    refuse_pickles(folder.path, layout.weights, has_weights=bool(weights))
    require_whole(folder, weights)
    return folder


def find_adapter(name: str, revision: str | None = None) -> ModelFolder:
    """Find a peft adapter by folder or hub id. Its `config` is the adapter's. Raises: ModelError."""
    path, commit = _locate(name, revision, "adapter", False)
    if not (path / "adapter_config.json").is_file():
        raise not_an_adapter(name, path)
    folder = ModelFolder(name, path, commit, read_json(path / "adapter_config.json"))
    weights = path / "adapter_model.safetensors"
    refuse_pickles(path, weights.name, has_weights=weights.is_file())
    require_whole(folder, [weights])
    return folder


def _locate(name: str, revision: str | None, what: str, code: bool) -> tuple[Path, str | None]:
    folder = Path(name)
    if folder.is_dir():
        return Path(os.path.realpath(folder)), None
    if folder.exists():
        raise is_no_folder(folder, what)
    looks_local = name.startswith((".", "/", "~")) or name.count("/") != 1 or name.endswith("/")
    if looks_local:
        raise ModelError(
            f"there is no {what} folder {name}",
            "check the path; a hub id has the form OWNER/NAME, such as openai/clip-vit-base-patch32",
        )
    return fetch(name, revision, what, code)
