"""The background of a snapshot: how unrelated pictures score there, by a sample of its own."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import cached_property
from heapq import nsmallest
from typing import TYPE_CHECKING, NamedTuple

from vstore.format.tree import Tree
from vstore.repository.repository import Repository
from vstore.search.calibration import PLAIN, TURNED, Calibration, of_pairs, of_query
from vstore.search.space_rows import SpaceRows
from vstore.search.turned import best_of_turns, has_turns, parted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

SAMPLE = 1024  # pictures: 523,776 pairs, of which 52,378 are in the tail
_LEAST_PAIRS = 100_000  # one of so many unrelated pairs may reach the default of look-alikes,
_PAIRS = 100  # or one of so many for each picture: then one picture in 200 has a look-alike by chance
RAREST = 1_000_000_000  # pairs: of rarer ones 523,776 pairs tell nothing
_LOWEST, _HIGHEST = 0.5, 0.999  # defaults; scores from 0.9995 on are of the same picture


class NearDefault(NamedTuple):
    """The score from which pictures of a snapshot look alike.

    score:  the score.
    one_in: one of so many unrelated pairs reaches it.
    """

    score: float
    one_in: int


class Background:
    """A sample of the pictures of a snapshot, and their scores. A function of the set of pictures alone."""

    def __init__(self, rows: Floats, count: int, *, turns: bool) -> None:
        """
        rows:  float32 (m, dim), of the sample: as `sampled` chooses it.
        count: of all pictures of the snapshot.
        turns: the space is one of the built-in embedder.
        """
        import numpy as np

        self._rows: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        self._count = count
        self._turns = turns

    @cached_property
    def pairs(self) -> Calibration | None:
        """The scores of unrelated pairs; None if too few pictures are there, and vstore knows none of this space."""
        return of_pairs(self._rows @ self._rows.T) or (PLAIN if self._turns else None)

    @cached_property
    def turned_pairs(self) -> Calibration | None:
        """The same of the scores by which look-alikes are found: in the built-in space the best of all turns."""
        if not self._turns:
            return self.pairs
        rows = parted(self._rows)
        return of_pairs(best_of_turns(rows, rows)) or TURNED

    def of_query(self, query: Floats) -> Calibration | None:
        """Calibrate by one query: float32 (1, dim), norm 1. Returns: None if too few pictures are there."""
        return of_query((query @ self._rows.T)[0])

    @cached_property
    def near(self) -> NearDefault | None:
        """The score from which pictures look alike; None if it is not known."""
        found = self.turned_pairs
        if found is None:
            return None
        score = found.score(1 / max(_LEAST_PAIRS, _PAIRS * self._count))
        step = 100 if score <= 0.99 else 1000
        rounded = min(max(math.ceil(score * step) / step, _LOWEST), _HIGHEST)
        return NearDefault(rounded, one_in(found, rounded))


def one_in(calibration: Calibration, score: float) -> int:
    """Say that one of so many unrelated pairs reaches a score, with two digits; RAREST: of so many or more."""
    pairs = 1 / max(calibration.chance(score), 1 / RAREST)
    unit: int = 10 ** max(0, math.floor(math.log10(pairs)) - 1)
    return max(1, round(pairs / unit) * unit)


def sampled(keys: Sequence[bytes], flats: Collection[bytes]) -> list[int]:
    """Choose a sample: the first pictures by their keys, which are in no order of anything else.

    keys:    the first 2 * SAMPLE of the snapshot, rising.
    flats:   those of them that are of one colour: they are left out.
    Returns: the numbers of the sample.
    """
    return [number for number, key in enumerate(keys) if key not in flats][:SAMPLE]


def background_of(repo: Repository, space: str, tree: Tree) -> Background:
    """Find the background of the pictures of a tree. Writes nothing. Raises: Damage, FileNotFoundError."""
    import numpy as np

    from vstore.repository.pixel_facts import flat_among

    recipe = repo.recipe(space) if repo.state.spaces[space].recipe else None
    every = set(tree.every_key())
    keys = nsmallest(2 * SAMPLE, every)
    flats = set() if recipe is None else flat_among(repo, recipe, keys)
    rows = SpaceRows(repo, space, [keys[number] for number in sampled(keys, flats)])
    stored, _ = rows.with_norms(np.arange(len(rows)))
    return Background(stored, len(every), turns=recipe is not None and has_turns(recipe))
