"""Stores with an approximate index, made of vectors alone: what they answer, held against every row."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from support.builder import RECIPE, Builder, key, unit_vectors
from support.index_parts import by_hand

from vstore.approximate.build import Built, Wanted, build
from vstore.approximate.opened import Approximate, open_approximate
from vstore.disk.index_parts import IndexPart
from vstore.progress import Stages
from vstore.repository.repository import Repository
from vstore.search.index import Hits
from vstore.search.nearest import Nearest
from vstore.search.open_snapshot import OpenSnapshot

DIM = 32
Floats = npt.NDArray[np.float32]


def clustered(count: int, seed: int = 0, dim: int = DIM) -> Floats:
    """Draw rows of norm 1 around 40 centres."""
    around = np.random.default_rng(seed).integers(40, size=count)
    rows = unit_vectors(40, dim, 99)[around] + 0.6 * unit_vectors(count, dim, seed)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def store(folder: Path, sizes: Sequence[int], vectors: Floats | None = None) -> Builder:
    """Make a store with segments of these sizes, and a snapshot of all their rows; picture `i` has row `i`."""
    builder = Builder(folder / ".vstore", recipe={**RECIPE, "dim": DIM})
    grow(builder, sizes, clustered(sum(sizes)) if vectors is None else vectors)
    return builder


def grow(builder: Builder, sizes: Sequence[int], vectors: Floats) -> None:
    """Add segments of these sizes, and a snapshot of all rows."""
    first = rows_of(builder)
    for size, end in zip(sizes, np.cumsum(sizes).tolist(), strict=True):
        numbers = range(first + end - size, first + end)
        builder.add_segment([key(number) for number in numbers], vectors[end - size : end])
    show(builder, range(rows_of(builder)))


def show(builder: Builder, numbers: Iterable[int]) -> str:
    """Publish a snapshot of some pictures. Returns: its name."""
    return builder.add_snapshot({b"r/%d.png" % number: key(number) for number in numbers}).name


def copied(builder: Builder, folder: Path) -> Builder:
    """Copy a store to `folder/.vstore`."""
    place = shutil.copytree(builder.repo.layout.folder, folder / ".vstore")
    other = copy(builder)
    other.repo = Repository(place)
    return other


def rows_of(builder: Builder) -> int:
    return sum(ref.rows for ref in builder.repo.state.segments(builder.space))


def again(builder: Builder) -> Repository:
    """Open the store as another process would."""
    return Repository(builder.repo.layout.folder)


def built(builder: Builder, recall: int | None = None, exact: int = 0, **options: Any) -> Built:
    repo = again(builder)
    with repo.lock("ingest") as lock:
        lock.acquire(0, "index")
        return build(repo, builder.space, Wanted(recall, exact), stages=Stages(), **options)


def approximate_of(builder: Builder) -> Approximate | None:
    repo = again(builder)
    return open_approximate(repo, builder.space, repo.state.segments(builder.space))


def parts(builder: Builder, kind: str) -> list[Path]:
    """List the parts of a kind that can be read."""
    found = []
    for path in sorted((builder.repo.layout.indexes / builder.space).glob("*.part")):
        with IndexPart(path) as part:
            found += [path] if part.head.kind == kind else []
    return found


def forged(path: Path, parameters: dict[str, Any] | None = None, payload: bytes | None = None, **head: Any) -> None:
    """Change a part, with right checksums."""
    with IndexPart(path) as part:
        about, data = part.head, b"".join(part.blocks())
    data = data if payload is None else payload
    document = {**about._asdict(), "parameters": {**about.parameters, **(parameters or {})}, "size": len(data), **head}
    path.write_bytes(by_hand(document, data))


def payload_of(path: Path) -> bytes:
    with IndexPart(path) as part:
        return b"".join(part.blocks())


def parameters_of(path: Path) -> dict[str, Any]:
    with IndexPart(path) as part:
        return dict(part.head.parameters)


class Asked:
    """The answers to some queries at a snapshot.

    hits:           of the index, if there is one, or else of all rows.
    every:          of all rows.
    is_approximate: the index answered.
    """

    def __init__(self, builder: Builder, queries: Floats, k: int = 10, at: str = "current") -> None:
        repo = again(builder)
        opened = OpenSnapshot(repo, at)
        self._index = opened.rows
        near = opened.nearest(repo, opened.rows)
        self.hits = near.top_k(queries, k)
        self.is_approximate = isinstance(near, Nearest) and near.answers_approximately(k)
        self.every: Hits = opened.rows.top_k(queries, k)
        self._queries = queries

    @property
    def recall(self) -> float:
        pairs = zip(self.hits.rows, self.every.rows, strict=True)
        return float(np.mean([np.isin(every, some).mean() for some, every in pairs]))

    @property
    def is_exact(self) -> bool:
        """Whether the answers are those of all rows, bit for bit."""
        return all(one.tobytes() == other.tobytes() for one, other in zip(self.hits, self.every, strict=True))

    def is_true(self) -> bool:
        """Whether each answer has as many rows as it should, each once, marked, with its own score, best first."""
        for query, scores, rows, every in zip(self._queries, *self.hits, self.every.rows, strict=True):
            found = rows[rows >= 0]
            in_order = sorted(
                zip((-scores).tolist(), [self._index.key(int(row)) for row in found], found.tolist(), strict=False)
            )
            if (
                len(set(found.tolist())) != (every >= 0).sum()
                or not all(self._index.is_marked(int(row)) for row in found)
                or self._index.scores(query[None], found).tobytes() != scores[: len(found)].tobytes()
                or [row for _, _, row in in_order] != found.tolist()
            ):
                return False
        return True
