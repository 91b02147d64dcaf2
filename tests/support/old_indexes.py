"""Old indexes for tests: a folder of tiny drawn pictures, and the files that another tool made from it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from support.folders import drawn, put

from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore.testing import FakeEmbedder

Floats = npt.NDArray[np.float32]


def unit(rows: npt.NDArray[Any]) -> Floats:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class OldIndex:
    """`pictures/`, and beside it `old.faiss`, `old.npy` and `old.json`: picture i is `drawn(i)`, its row `rows[i]`."""

    def __init__(self, top: Path, count: int = 12, dim: int = 8, old_folder: str = "../o00_images") -> None:
        self.top = top
        self.rows = unit(np.random.default_rng(7).standard_normal((count, dim)))
        self.names = [f"p{i:02}.png" for i in range(count)]
        self.paths = [f"{old_folder}/{name}" for name in self.names]
        self.pictures = top / "pictures"
        self.put({name: i for i, name in enumerate(self.names)})
        self.folder = top / ".vstore"
        self.npy, self.faiss, self.json = top / "old.npy", top / "old.faiss", top / "old.json"
        self.write()

    def put(self, files: dict[str, int | bytes], *, newer: bool = False) -> None:
        """Write pictures, an hour before the index was written, or an hour after."""
        put(self.pictures, files)
        when = time.time() + (3600 if newer else -3600)
        for name in files:
            os.utime(self.pictures / name, (when, when))

    def write(self, paths: Any = None, rows: npt.NDArray[Any] | None = None) -> None:
        """Write the three files again."""
        import faiss

        vectors = self.rows if rows is None else rows
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors, np.float32))
        faiss.write_index(index, str(self.faiss))
        np.save(self.npy, vectors.astype(np.float16))
        self.json.write_text(json.dumps(self.paths if paths is None else paths))

    def embed(self, fake: FakeEmbedder) -> None:
        """Write the three files as if this embedder had made them."""
        self.rows = np.stack([fake.of(prepare(drawn(i), Preparation())[0]) for i in range(len(self.names))])
        self.write()

    def triple(self) -> dict[str, Any]:
        return {"faiss": self.faiss, "embeddings": self.npy, "metadata": self.json, "root": self.pictures}

    def new(self, **options: Any) -> Any:
        """Import into a store that is made for it."""
        return Store.import_new(self.folder, **{**self.triple(), **options})

    def only(self, *names: str, **options: Any) -> Any:
        """Import some of the three files."""
        given = self.triple()
        return Store.import_new(self.folder, **{name: given[name] for name in (*names, "root")}, **options)

    @property
    def store(self) -> Store:
        return Store(self.folder)

    @property
    def repo(self) -> Repository:
        return Repository(self.folder)

    def key(self, what: int | bytes) -> bytes:
        return self.repo.hash.digest(drawn(what) if isinstance(what, int) else what)

    def stored(self) -> dict[bytes, npt.NDArray[Any]]:
        """Key -> row, of every segment of every space."""
        repo = self.repo
        found: dict[bytes, npt.NDArray[Any]] = {}
        for space in repo.state.spaces:
            for ref in repo.state.segments(space):
                segment = repo.segment(ref)
                for key, row in zip(segment.key_list(), segment.rows(), strict=True):
                    found.setdefault(key, np.array(row))
        return found

    def aliases(self) -> dict[str, bytes]:
        repo = self.repo
        return {os.fsdecode(path): key for path, key in repo.tree(repo.snapshot("current"))}


def states(report: Any) -> dict[str, int]:
    """The counts of a report that are not 0."""
    return {state: count for state, count in report.counts().items() if count}


def reasons(report: Any, state: str) -> Sequence[str]:
    return [row.reason for row in report.of(state)]
