"""A folder of pictures and a store of a tiny model, and what may happen to the model's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from support.folders import put

from vstore.repository import proof
from vstore.repository.repository import Repository
from vstore.store import Store


class World:
    """A folder of pictures and a store with a model's space."""

    def __init__(self, top: Path, model: Path, adapter: Path | None = None, **words: Any) -> None:
        self.model, self.adapter = model, adapter
        self.pictures = top / "pictures"
        self.pictures.mkdir()
        put(self.pictures, {f"{i}.png": i for i in range(5)})
        self.folder = top / ".vstore"
        Store.init(self.folder, model=str(model), adapter=adapter and str(adapter), device="cpu", name="one", **words)
        self.store = Store(self.folder)

    def sync(self, **options: Any) -> Any:
        return self.store.sync([self.pictures], device="cpu", **options)

    @property
    def repo(self) -> Repository:
        return Repository(self.folder)


def settle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the files of a folder had been written long ago."""
    monkeypatch.setattr("vstore.embed.hf.digests._SETTLED_NS", 0)


def change_weight(folder: Path, name: str = "model.safetensors") -> None:
    weights = load_file(folder / name)
    first = max(weights)
    save_file({**weights, first: weights[first] + 0.5}, folder / name, {"format": "pt"})


def change_json(folder: Path, name: str, **values: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def proved(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Note the probes that were embedded, run by run."""
    runs: list[list[str]] = []
    plain = proof.embed_probes

    def noted(embedder: Any, names: list[str]) -> Any:
        runs.append(names)
        return plain(embedder, names)

    monkeypatch.setattr(proof, "embed_probes", noted)
    return runs
