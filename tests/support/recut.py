"""The same model in other files: cut otherwise, annotated otherwise, with the names of other times."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def resharded(folder: Path, parts: int = 3) -> Path:
    """The weights of a folder in several files, in place."""
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = {}
    for number in range(parts):
        name = f"model-{number + 1:05}-of-{parts:05}.safetensors"
        some = {key: weights[key] for key in sorted(weights)[number::parts]}
        save_file(some, folder / name, {"format": "pt"})
        names |= dict.fromkeys(some, name)
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": names}))
    return folder


def with_weights(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]], file: str = WEIGHTS) -> Path:
    """Other weights in a folder, in place."""
    weights = change(load_file(folder / file))
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / file, {"format": "pt"})
    return folder


def renamed(folder: Path, *rules: tuple[str, str]) -> Path:
    """Other names of weights in a folder, in place."""

    def rename(name: str) -> str:
        for old, new in rules:
            name = re.sub(old, new, name)
        return name

    return with_weights(folder, lambda weights: {rename(name): value for name, value in weights.items()})


def with_json(folder: Path, file: str, **values: Any) -> Path:
    """Other values in a JSON file of a folder, in place; a dict of values goes into the dict that is there."""
    path = folder / file
    now = json.loads(path.read_text()) if path.exists() else {}
    for name, value in values.items():
        now[name] = {**now[name], **value} if isinstance(value, dict) and isinstance(now.get(name), dict) else value
    path.write_text(json.dumps(now))
    return folder


def annotated(folder: Path) -> Path:
    save_file(load_file(folder / WEIGHTS), folder / WEIGHTS, {"format": "pt", "trained_on": "a Tuesday"})
    return folder


def one_bit(folder: Path, file: str = WEIGHTS) -> None:
    """Turn the lowest bit of one number."""

    def turned(weights: dict[str, Any]) -> dict[str, Any]:
        name = max(weights, key=lambda key: weights[key].numel())
        weights[name].view(torch.int32).view(-1)[0] ^= 1
        return weights

    with_weights(folder, turned, file)


def another_word(folder: Path) -> None:
    path = folder / "tokenizer.json"
    value = json.loads(path.read_text())
    words = value["model"]["vocab"]
    words["A"], words["B"] = words["B"], words["A"]
    path.write_text(json.dumps(value))
