"""Stores of near-duplicates, and their pairs in the form of `support.plain_pairs`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from support.builder import Builder, Floats, key, unit_vectors
from support.plain_pairs import Decided

from vstore.progress import Stages
from vstore.search.pairs import Pairs, near_pairs

FAKE = {"family": "fake", "name": "fake-1"}


def store(folder: Path, rows: Floats, sizes: Collection[int], dtype: str = "float16") -> Builder:
    """A store of some rows, in segments of these sizes."""
    folder.mkdir(exist_ok=True)
    builder = Builder(folder / ".vstore", dtype=dtype, recipe={**FAKE, "dim": rows.shape[1]})
    at = 0
    for size in sizes:
        builder.add_segment([key(n) for n in range(at, at + size)], rows[at : at + size])
        at += size
    return builder


def stored(builder: Builder) -> dict[bytes, Any]:
    """The rows as they are stored, by key; of a key that stands twice the first one."""
    found: dict[bytes, Any] = {}
    for ref in builder.repo.state.segments(builder.space):
        segment = builder.repo.segment(ref)
        for one, row in zip(segment.key_list(), segment.rows(), strict=True):
            found.setdefault(one, np.array(row))
    return found


def crowded(count: int, dim: int, seed: int) -> Floats:
    """Rows round a few centres: some equal, some to be folded, some near, some far."""
    rng = np.random.default_rng(seed)
    centres = unit_vectors(max(1, count // 6), dim, seed)
    spread = rng.choice([0, 0.01, 0.02, 0.03, 0.2], count)[:, None]
    rows = centres[rng.integers(0, len(centres), count)] + spread * rng.standard_normal((count, dim)) / dim**0.5
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def found(pairs: Pairs) -> tuple[list[list[bytes]], dict[tuple[bytes, bytes], int]]:
    """The nodes and pairs, as the plain way gives them."""
    nodes: dict[int, list[bytes]] = {}
    for at, first in enumerate(pairs.node.tolist()):
        nodes.setdefault(first, []).append(pairs.keys[at])
    assert all(pairs.keys[first] == inside[0] for first, inside in nodes.items())
    ends = zip(pairs.one.tolist(), pairs.other.tolist(), strict=True)
    named = [(pairs.keys[one], pairs.keys[other]) for one, other in ends]
    assert len(set(named)) == len(named)
    return list(nodes.values()), dict(zip(named, pairs.score.tolist(), strict=True))


def near(builder: Builder, keys: Collection[bytes], least: float, **words: Any) -> Pairs:
    return near_pairs(builder.repo, builder.space, keys, least, stages=Stages(), **words)


def different(*pairs: tuple[bytes, bytes]) -> Decided:
    named = {frozenset(pair) for pair in pairs}
    return lambda one, other: frozenset((one, other)) in named
