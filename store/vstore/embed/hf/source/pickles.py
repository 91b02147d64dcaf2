"""Pickled weights: never opened here, as reading one may run any program; converted in a process of their own."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from vstore.embed.hf.source.again import get_again
from vstore.errors import ModelError
from vstore.quoting import quoted

ENDINGS = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
# What trainers save beside the weights to go on from: no weights of the model.
_STATES = (
    *("training_args.bin", "optimizer*", "scheduler*", "scaler*", "rng_state*", "*_optim_states.pt"),
    *("*_model_states.pt", "random_states*", "events.out.*", "sampler*", "dataloader*", "custom_checkpoint*"),
)
_SHARD = re.compile(r"pytorch_(model-\d+-of-\d+)\.bin")
_WRITTEN = {
    "pytorch_model.bin": "model.safetensors",
    "adapter_model.bin": "adapter_model.safetensors",
    "open_clip_pytorch_model.bin": "open_clip_model.safetensors",
}


class Pickled(NamedTuple):
    """A file of pickled weights.

    source: its path.
    target: the name of its safetensors file.
    """

    source: Path
    target: str


def refuse_pickles(name: str, path: Path, wanted: str, *, has_weights: bool, commit: str | None = None) -> None:
    """Refuse weights that are only there as pickles. They are never opened: reading them may run any code.

    name:   of the model or the adapter, as the user wrote it.
    commit: of a hub model.
    """
    if has_weights:
        return
    found = [pickled.source.name for pickled in pickles_in(path)]
    if not found:
        raise ModelError(f"{name} holds no weights: there is no {wanted} in {path}", get_again(path, [wanted]))
    raise only_pickled(name, found, commit)


def only_pickled(name: str, found: list[str], commit: str | None) -> ModelError:
    """Make the error for a model or an adapter whose weights are pickles alone. found: their names."""
    revision = "" if commit is None else f" --revision {commit}"
    return ModelError(
        f"{name} has its weights only as pickles ({', '.join(found[:5])}), which may run any program when they are "
        "read; vstore reads only safetensors",
        f"convert them in a process of their own, with a reader that runs nothing: vstore model convert "
        f"{quoted(name)}{revision}",
    )


def pickles_in(folder: Path) -> list[Pickled]:
    """List the pickled weights in a folder with the name that each has as safetensors, in the order of their names."""
    there = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS and path.is_file())
    weights = [path for path in there if not any(fnmatch(path.name, state) for state in _STATES)]
    known = [Pickled(path, target) for path in weights if (target := target_of(path.name)) is not None]
    if known or len(weights) != 1:
        return known
    is_open_clip = (folder / "open_clip_config.json").is_file()
    return [Pickled(weights[0], "open_clip_model.safetensors" if is_open_clip else "model.safetensors")]


def target_of(name: str) -> str | None:
    """Choose the name of the safetensors file for a file of pickled weights; None if its name says nothing."""
    shard = _SHARD.fullmatch(name)
    return f"{shard[1]}.safetensors" if shard else _WRITTEN.get(name)
