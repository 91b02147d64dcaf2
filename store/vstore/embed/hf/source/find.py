"""Finds a model or an adapter, by folder or hub id, and checks that its files are there."""

from __future__ import annotations

import os
from pathlib import Path

from vstore.embed.hf.source.adapter_config import read_adapter_config
from vstore.embed.hf.source.hub import ONLINE, Hub, Wanted, fetch, is_downloaded
from vstore.embed.hf.source.hub_errors import Unfound
from vstore.embed.hf.source.hub_name import hub_name
from vstore.embed.hf.source.layouts import layout_of, read_config
from vstore.embed.hf.source.misnamed import is_no_folder, not_a_model, not_an_adapter
from vstore.embed.hf.source.missing import is_written_as_a_path, nearest_folder, no_such_folder
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.source.modules import modules_of
from vstore.embed.hf.source.other_words import OtherWords
from vstore.embed.hf.source.own_code import refuse_kernels
from vstore.embed.hf.source.paths import refuse_path
from vstore.embed.hf.source.pickles import refuse_pickles
from vstore.embed.hf.source.quantised import refuse_quantised
from vstore.embed.hf.source.whole import require_whole
from vstore.errors import ModelError
from vstore.quoting import quoted


def find_model(
    name: str, revision: str | None = None, *, code: bool = False, text: bool = True, hub: Hub = ONLINE
) -> ModelFolder:
    """Find a model by folder or hub id.

    code:   fetch the Python files of a hub repository too.
    text:   an earlier download without the tokenizer of a model that reads texts is not enough.
    hub:    the way to the hub in this run.
    Raises: ModelError, naming what is missing and what to do; DiskTrouble.
    """
    path, commit = _locate(name, revision, "model", hub, code=code, text=text)
    modules = modules_of(name, path)
    path = path if modules is None else modules.inner
    layout = layout_of(path)
    if layout is None or (path / "adapter_config.json").is_file():
        raise not_a_model(name, path)
    pooling = None if modules is None else modules.pooling
    folder = ModelFolder(name, path, commit, read_config(path, layout), layout, pooling)
    refuse_kernels(folder)
    refuse_quantised(folder)
    weights = folder.weights()
    refuse_pickles(name, folder.path, layout.weights, has_weights=bool(weights), commit=commit)
    require_whole(folder, weights)
    return folder


def find_adapter(name: str, revision: str | None = None, *, hub: Hub = ONLINE) -> ModelFolder:
    """Find a peft adapter by folder or hub id. Its `config` is the adapter's. Raises: ModelError, DiskTrouble."""
    path, commit = _locate(name, revision, "adapter", hub)
    if not (path / "adapter_config.json").is_file():
        raise not_an_adapter(name, path)
    folder = ModelFolder(name, path, commit, read_adapter_config(name, path))
    weights = path / "adapter_model.safetensors"
    if not weights.is_file() and (path / f"{weights.name}.index.json").is_file():
        raise _in_several_files(name, path)
    refuse_pickles(name, path, weights.name, has_weights=weights.is_file(), commit=commit)
    require_whole(folder, [weights])
    return folder


def _in_several_files(name: str, path: Path) -> ModelError:
    """Make the error for an adapter in several weight files, which peft neither writes nor reads."""
    join = (
        "import glob; from safetensors.torch import load_file, save_file; save_file({name: tensor for file in "
        'glob.glob("adapter_model-*.safetensors") for name, tensor in load_file(file).items()}, '
        '"adapter_model.safetensors")'
    )
    return ModelError(
        f"the adapter {name} has its weights in several files, which peft does not read",
        f"join them: cd {quoted(str(path))} && python -c {quoted(join)}",
    )


def find_pickled(name: str, revision: str | None, hub: Hub) -> tuple[Path, str | None]:
    """Find the folder of a model or an adapter with pickled weights, by folder or hub id.

    Returns: the folder, and the commit of a hub model.
    Raises:  UsageError, ModelError, DiskTrouble.
    """
    return _locate(name, revision, "model", hub, pickles=True)


def _locate(name: str, revision: str | None, what: str, hub: Hub, **files: bool) -> tuple[Path, str | None]:
    """Find the folder of a model, or fetch it from the hub. files: the fields of `Wanted`."""
    folder = Path(name)
    if folder.is_dir():
        real = os.path.realpath(folder)
        refuse_path(real)
        return Path(real), None
    if folder.exists():
        raise is_no_folder(folder, what)
    found = hub_name(name)
    wanted = found and Wanted(found, revision, what, **files)
    # A commit was noted by a space; a name that was downloaded before is one on the hub.
    if wanted is None or (is_written_as_a_path(name) and not revision and not is_downloaded(wanted)):
        raise no_such_folder(name, what)
    try:
        return fetch(wanted, hub)
    except Unfound as err:
        nearest = None if name.startswith("hf://") else nearest_folder(name, what)
        if nearest is None:
            raise
        raise OtherWords(err.message, "the folder of the nearest name here", **{what: nearest}) from err
