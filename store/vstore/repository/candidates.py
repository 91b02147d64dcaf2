"""Matches new pictures with rows set aside by an import, by name and by vector."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from vstore.format.canonical import Json, named_path
from vstore.format.rest_entry import Import
from vstore.repository.leftovers import BLOCK, LeftVectors, as_of, left_rows
from vstore.repository.repository import Repository
from vstore.repository.stored_rows import stored_rows

SAME = 0.9999  # cosine of two vectors of one picture; look-alikes that score so hardly differ either
PREFIX = 64  # numbers of two vectors that are compared first
# |a - b|² is at most 2 (1 - SAME) for vectors of norm 1, and these are within a thousandth of it.
APART = 2 * (1 - SAME) + 1e-4
MOST = 1e8  # pairs that a sync compares: a second or so


class Candidate(NamedTuple):
    """A path that may belong to a row set aside by an import.

    id:   the import.
    old:  the path of the row in the old index.
    path: the stored path.
    by:   the shared fact: "name" or "vector".
    """

    id: str
    old: bytes
    path: bytes
    by: str

    def to_json(self) -> dict[str, Json]:
        return {"import_id": self.id, "old": named_path(self.old), **named_path(self.path), "by": self.by}


def candidates(repo: Repository, space: str, new: Sequence[tuple[bytes, bytes]]) -> list[Candidate]:
    """Find the new aliases that may belong to rows without a picture.

    new: stored paths and their keys. Vectors are compared only if it takes no noticeable time.
    Raises: Damage.
    """
    found: list[Candidate] = []
    for kept in repo.state.imports.values():
        waiting = {at: left.path for at, left in enumerate(left_rows(repo, kept)) if left.state == "missing"}
        named = {_name(path): path for path in waiting.values()}
        others: dict[bytes, bytes] = {}
        for path, key in new:
            old = named.get(_name(path))
            if old is not None:
                found.append(Candidate(kept.id, old, path, "name"))
            else:
                others.setdefault(key, path)
        here = as_of(repo, kept, space)
        if here.space == space and len(waiting) * len(others) <= MOST:
            same = same_vectors(repo, here, list(waiting), set(others))
            found += [Candidate(kept.id, waiting[at], others[key], "vector") for at, key in same.items()]
    return sorted(found, key=lambda candidate: candidate.path)


def same_vectors(repo: Repository, found: Import, rows: Sequence[int], keys: Collection[bytes]) -> dict[int, bytes]:
    """Find the rows with the vector of one of these pictures: it was embedded again under another name.

    rows:    numbers of rows among those set aside. keys: of the pictures.
    Returns: number of the row -> key. Raises: Damage.
    """
    import numpy as np

    if not rows or not keys:
        return {}
    left = LeftVectors(repo, found)
    stored = list(stored_rows(repo, found.space, keys).items())
    asked = np.concatenate([left.block(row, row + 1) for row in rows])
    best: dict[int, tuple[float, bytes]] = {}
    for first in range(0, len(stored), BLOCK):
        some = stored[first : first + BLOCK]
        for at, number in _near(asked, [row for _, row in some]):
            scored = _cosine(asked[at], some[number][1])
            if scored >= SAME and scored > best.get(rows[at], (0.0, b""))[0]:
                best[rows[at]] = (scored, some[number][0])
    return {row: key for row, (_, key) in best.items()}


def _near(asked: Any, stored: Sequence[Any]) -> list[tuple[int, int]]:
    """Find the pairs of possibly equal vectors: their first numbers differ little enough."""
    import numpy as np

    a = asked[:, :PREFIX].astype(np.float32)
    b = np.stack([row[:PREFIX] for row in stored]).astype(np.float32)
    apart = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * (a @ b.T)
    return [(at, number) for at, number in np.argwhere(apart <= APART).tolist()]


def _cosine(a: Any, b: Any) -> float:
    import numpy as np

    x, y = a.astype(np.float64), b.astype(np.float64)
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def _name(path: bytes) -> bytes:
    return os.path.basename(path.replace(b"\\", b"/"))
