"""Vectors with the spread of real embeddings: the same numbers from the same seed, in blocks, so memory stays small.

    python benchmarks/embedding_like.py [--rows 100000] [--dim 768] [--queries 200]

A row is a direction that all share (random pairs of CLIP's pictures have cosines far above 0), the centre of its
cluster, a place within the cluster on a curved surface of few dimensions, and a little noise in all dimensions.
Clusters lie in clusters, their sizes are heavy-tailed, and a few rows in a hundred are near copies of another one. The
command prints what to state beside a figure: the mean cosine of a row with its 1st, 10th and 100th neighbour and with a
random row, and the local dimension of its 100 neighbours (maximum likelihood, Levina and Bickel 2004).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

BLOCK = 8192  # rows that are made at once
SUPER, CLUSTERS = 256, 8192  # clusters of clusters, and clusters in all
PLANE = 160  # dimensions that centres and places lie in
LATENT = 28  # dimensions of a place within its cluster
SHARED, SUPERS, CENTRE, PLACE, NOISE = 0.50, 0.47, 0.38, 0.25, 0.22  # lengths of the parts of a row
COPIES = 0.03  # share of rows that are near copies of an earlier one of their block


class Cloud:
    """The vectors of a seed, row by row."""

    def __init__(self, dim: int, seed: int = 0) -> None:
        self.dim, self._seed = dim, seed
        random = np.random.default_rng([seed, dim])
        plane = min(PLANE, dim - 1)
        axes = np.linalg.qr(random.standard_normal((dim, plane + 1)))[0].T.astype(np.float32)
        self._shared, self._plane = axes[0], axes[1:]
        decay = 1 / np.sqrt(1 + np.arange(plane) / 12)  # real spectra fall: the first directions hold most
        supers = _of_length(random.standard_normal((SUPER, plane)) * decay, SUPERS)
        weights = random.pareto(1.1, SUPER) + 1
        self._of = random.choice(SUPER, CLUSTERS, p=weights / weights.sum())
        centres = supers[self._of] + _of_length(random.standard_normal((CLUSTERS, plane)) * decay, CENTRE)
        self._centres = centres.astype(np.float32)
        self._wide = (PLACE * random.lognormal(0, 0.35, CLUSTERS)).astype(np.float32)
        sizes = random.pareto(1.3, CLUSTERS) + 1
        self._ends = np.cumsum(sizes / sizes.sum())
        turned = random.standard_normal((SUPER, 2 * LATENT, plane)) * decay
        self._bases = _of_length(turned, 1).astype(np.float32)
        self._made: tuple[int, npt.NDArray[Any]] | None = None  # the last block: the next rows often begin in it

    def rows(self, begin: int, end: int) -> npt.NDArray[Any]:
        """Make rows `begin` to `end`: float32 (n, dim) of norm 1, the same whatever is asked for beside them."""
        return np.concatenate(list(self.blocks(begin, end)))

    def blocks(self, begin: int, end: int) -> Iterator[npt.NDArray[Any]]:
        """Make rows block by block."""
        for number in range(begin // BLOCK, -(-end // BLOCK)):
            first = number * BLOCK
            if self._made is None or self._made[0] != number:
                self._made = (number, self._block(number))
            yield self._made[1][max(begin - first, 0) : end - first]

    def _block(self, number: int) -> npt.NDArray[Any]:
        random = np.random.default_rng([self._seed, self.dim, 1 + number])
        cluster = np.minimum(np.searchsorted(self._ends, random.random(BLOCK)), CLUSTERS - 1)
        place = random.standard_normal((BLOCK, LATENT), dtype=np.float32)
        # Sines bend the surface: twice as many directions, that a row cannot all take at once.
        bent = np.concatenate([place, np.sin(2 * place)], axis=1) / np.float32(np.sqrt(1.5 * LATENT))
        flat = self._centres[cluster]
        for group in np.unique(self._of[cluster]):
            here = np.flatnonzero(self._of[cluster] == group)
            flat[here] += self._wide[cluster[here], None] * (bent[here] @ self._bases[group])
        rows: npt.NDArray[Any] = flat @ self._plane
        rows += np.float32(SHARED) * self._shared
        noise = random.standard_normal((BLOCK, self.dim), dtype=np.float32)
        rows += np.float32(NOISE / np.sqrt(self.dim)) * noise
        copies = np.flatnonzero(random.random(BLOCK) < COPIES)
        copies = copies[copies > 0]
        apart = (0.25 * random.random((len(copies), 1)) / np.sqrt(self.dim)).astype(np.float32)
        rows[copies] = rows[(random.random(len(copies)) * copies).astype(np.int64)] + apart * noise[copies]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


class Spread(NamedTuple):
    """How rows lie to one another. near: mean cosine with the 1st, 10th and 100th neighbour. random: with any row.
    dimension: the median local dimension."""

    near: tuple[float, float, float]
    random: float
    dimension: float

    def __str__(self) -> str:
        first, tenth, hundredth = self.near
        return (
            f"cos@1 {first:.3f}, @10 {tenth:.3f}, @100 {hundredth:.3f}, random pairs {self.random:.3f}, "
            f"local dimension {self.dimension:.0f}"
        )


def spread_of(blocks: Iterator[npt.NDArray[Any]], queries: npt.NDArray[Any]) -> Spread:
    """Measure the spread of rows round some of them. blocks: all rows. queries: (n, dim), each one of the rows."""
    best = np.full((len(queries), 101), -2, np.float32)
    total = np.zeros(len(queries))
    count = 0
    for block in blocks:
        scores = queries @ block.astype(np.float32).T
        total += scores.sum(axis=1)
        count += len(block)
        both = np.concatenate([best, scores], axis=1)
        best = -np.partition(-both, 100, axis=1)[:, :101]
    best = -np.sort(-best, axis=1)[:, 1:]  # the first is the row itself
    apart = np.sqrt(np.maximum(2 - 2 * best, 1e-6))
    dimension = 1 / np.mean(np.log(apart[:, -1:] / apart[:, :-1]), axis=1)
    near = best[:, [0, 9, 99]].mean(axis=0)
    return Spread((near[0], near[1], near[2]), float(total.mean() / count), float(np.median(dimension)))


def _of_length(rows: npt.NDArray[Any], length: float) -> npt.NDArray[Any]:
    scaled: npt.NDArray[Any] = length * rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return scaled


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--queries", type=int, default=200)
    args = parser.parse_args()
    cloud = Cloud(args.dim)
    some = np.random.default_rng(1).choice(args.rows, args.queries, replace=False)
    queries = np.concatenate([cloud.rows(row, row + 1) for row in np.sort(some[:50])])
    print(f"{args.rows:,} x {args.dim}: {spread_of(cloud.blocks(0, args.rows), queries)}")


if __name__ == "__main__":
    main()
