"""Hits without repetition: near-duplicates of a better hit are folded under it."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING

from vstore.search.hit import Fold
from vstore.search.index import Index
from vstore.search.pair_scores import WHOLE, millionths
from vstore.search.turned import TURNS, turned

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Doubles = npt.NDArray[np.float64]

_FIRST = 32  # hits that are asked for beyond twice as many as are wanted
_MORE = 4  # times as many where these are too few


def collapsed(
    index: Index,
    nearest: Callable[[int], list[tuple[bytes, float]]],
    k: int,
    alike: float,
    *,
    turns: bool,
    flats: Callable[[Sequence[bytes]], Container[bytes]],
    are_apart: Callable[[bytes, bytes], bool],
) -> list[Fold]:
    """Find the k best hits of which none is a near-duplicate of a better one.

    Each hit before the one that would be the next of them is one of them, or folded under the best that it is a
    near-duplicate of.

    index:   holds the rows of the hits.
    nearest: finds so many hits, best first; fewer if there are no more.
    alike:   the score from which two pictures are near-duplicates.
    turns:   the space is one of the built-in embedder: turned and mirrored pictures are near-duplicates, too.
    flats:   finds the pictures of one colour among some: these are near-duplicates of nothing.
    are_apart: tells whether two pictures are decided to be different.
    Raises:  Damage, FileNotFoundError.
    """
    import numpy as np

    ask = 2 * k + _FIRST
    while True:
        hits = nearest(ask)
        plain = flats([key for key, _ in hits])
        folds: list[Fold] = []
        firsts: list[bytes] = []  # the folds that are not of one colour,
        others: list[list[tuple[bytes, float]]] = []  # their near-duplicates, and
        rows = np.empty((min(k, index.count), index.dim))  # rows
        is_whole = len(hits) < ask
        for key, score in hits:
            row = None if key in plain else _row(index, key)
            near = [] if row is None else _alike(rows[: len(firsts)], row, millionths(alike), turns=turns)
            found = next((at for at in near if not are_apart(firsts[at], key)), None)
            if found is not None:
                others[found].append((key, score))
                continue
            if len(folds) == k:
                is_whole = True
                break
            under: list[tuple[bytes, float]] = []
            folds.append(Fold((key, score), under))
            if row is not None:
                rows[len(firsts)] = row
                firsts.append(key)
                others.append(under)
        if is_whole:
            return folds
        ask *= _MORE


def _row(index: Index, key: bytes) -> Doubles:
    """Read the row of a picture: float64 (dim,), norm 1."""
    import numpy as np

    at = index.find(key)
    assert at is not None
    row: Doubles = index.vector(at).astype(np.float64)
    row /= np.sqrt(row @ row)
    return row


def _alike(rows: Doubles, row: Doubles, least: int, *, turns: bool) -> list[int]:
    """Find those of some rows that score so many millionths with another one."""
    import numpy as np

    forms = np.concatenate([turned(row[None], turn) for turn in range(len(TURNS))]) if turns else row[None]
    scores = np.rint((rows @ forms.T).max(axis=1, initial=-1) * WHOLE)
    found: list[int] = np.flatnonzero(scores >= least).tolist()
    return found
