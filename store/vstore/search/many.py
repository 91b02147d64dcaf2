"""Many queries at once: matrix products over blocks of rows, then exact scores of the rows that are left.

A product adds in another order than faiss does. So the rows that come near the k-th best are kept, too, and faiss gives
the scores by which they are ordered: the answers are those of `Index.top_k`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

from vstore.errors import UsageError
from vstore.format.recipes import Recipe
from vstore.repository.repository import Repository
from vstore.search.hit import Hit
from vstore.search.index import Hits, Index
from vstore.search.narrowing import Narrowing, narrowed
from vstore.search.open_snapshot import OpenSnapshot
from vstore.search.operand import Operand
from vstore.search.report import SearchReport
from vstore.search.reporter import Reporter
from vstore.search.rescoring import CROWD, best_of, floor, rounding
from vstore.search.search import Limits, Query, in_order, query_of
from vstore.search.terms import read_terms
from vstore.search.wanted import Wanted, is_picture
from vstore.threads import cores, share

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.embed.embedder import Embedder

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

_BLOCK = 4096  # rows at most, and
_BLOCK_BYTES = 16 << 20  # bytes of a block as float32
_QUERIES = 1024  # at once: scores of 16 MiB a block


class _Block(NamedTuple):
    """Marked rows of one segment. rows: int64 (m,), in the segment."""

    part: int
    rows: Ints


def search_many(
    repo: Repository,
    opened: OpenSnapshot,
    queries: Floats | Iterable[Wanted | Iterable[Wanted]],
    limits: Limits,
    narrowing: Narrowing,
    *,
    load: Callable[[Recipe], Embedder],
    turn: AbstractContextManager[object] | None = None,
) -> list[SearchReport]:
    """Answer many queries from an opened snapshot, each as `answer` does.

    queries: float (n, dim), or what each looks for.
    Raises:  as `answer`.
    """
    import numpy as np

    if isinstance(queries, (str, bytes, bytearray, os.PathLike, Operand, Hit, Mapping)) or is_picture(queries):
        raise UsageError("these are many queries, and one thing to search for was given", "give a list of queries")
    if not isinstance(queries, Iterable):
        raise UsageError(f"{repr(queries)[:100]} is no list of queries", "give a list of queries, or an array")
    part = narrowed(repo, opened, narrowing)
    if isinstance(queries, (np.ndarray, memoryview)):
        vectors = np.asarray(queries)  # of a matrix or a masked array, too
        ready = [Query(vector, None, set(), False) for vector in _of_norm_1(vectors, opened.space.dim)[:, None]]
        notes: list[tuple[str, ...]] = [part.notes] * len(ready)
    else:
        terms = [read_terms(repo, one, opened) for one in queries]
        notes = [one.notes + part.notes for one in terms]
        if not part.rows.count:  # before a model is loaded for nothing
            return [SearchReport(opened.snapshot.name, (), notes=some) for some in notes]
        ready = [query_of(repo, opened, one, load=load, turn=turn) for one in terms]
    if not ready:
        return []
    vectors, near = (
        np.concatenate([query.vector for query in ready]),
        opened.nearest(repo, part.rows, exact=limits.exact),
    )
    honesty = near.honesty(limits.k)
    found = near.top_k(vectors, limits.k) if honesty[0] else nearest_of_many(part.rows, vectors, limits.k)
    nearest = [limits.kept(in_order(part.rows, found, query.own, limits.k, at)) for at, query in enumerate(ready)]
    keys = {key for one in nearest for key, _ in one}.union(*(query.keys for query in ready))
    flats, reporter, name = opened.flats(repo, keys), Reporter(repo, opened, part.paths), opened.snapshot.name
    reports = []
    notes[0] += part.rows.notes() + opened.notes(near)
    for query, one, some in zip(ready, nearest, notes, strict=True):
        is_flat = query.flat or not query.keys.isdisjoint(flats)
        hits = reporter.hits(one, flats)
        reports.append(SearchReport(name, hits, is_flat, some, None, None, *honesty, source=opened.source))
    return reports


def _of_norm_1(queries: Floats, dim: int) -> Floats:
    """Bring queries to norm 1: float32 (n, dim). Raises: UsageError."""
    import numpy as np

    if queries.ndim != 2 or queries.shape[1] != dim or queries.dtype.kind not in "fiu":
        shape = " x ".join(map(str, queries.shape))
        raise UsageError(
            f"the queries are an array of {shape} {queries.dtype}",
            f"give one of n x {dim} floats: a row for each query",
        )
    unit: Floats = np.empty(queries.shape, np.float32)
    for begin in range(0, len(queries), _QUERIES):  # as float64 a few at a time
        rows = queries[begin : begin + _QUERIES].astype(np.float64)
        largest = np.abs(rows).max(axis=1, initial=0)
        for at in np.flatnonzero(~(np.isfinite(largest) & (largest > 0))).tolist():
            place = begin + at
            raise UsageError(
                f"query {place} is no vector: it is zero, or has a number that is not finite", "leave it out"
            )
        rows /= largest[:, None]  # the squares of very large or small numbers are none
        unit[begin : begin + _QUERIES] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def nearest_of_many(index: Index, queries: Floats, k: int) -> Hits:
    """Find the k nearest marked rows of each query, as `Index.top_k` does. Memory does not grow with the rows.

    queries: float32 (n, dim), rows of L2 norm 1.
    Returns: as `Index.top_k`.
    Raises:  Damage, FileNotFoundError.
    """
    import numpy as np

    index.wait()
    k = min(k, index.count)
    scores, rows = np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1, np.int64)
    for begin in range(0, len(queries), _QUERIES) if k else ():
        some = queries[begin : begin + _QUERIES]
        near = None if index.device is None else index.device.near(index, some, k)
        if near is None:
            near = _near(index, some, k)
        end = begin + len(some)
        scores[begin:end], rows[begin:end] = best_of(index, some, k, near)
    index.prove(rows)
    return Hits(scores, rows)


def _near(index: Index, queries: Floats, k: int) -> list[Ints | None]:
    """Find the marked rows that may be among the k nearest of each query; None where they are too many."""
    near = _Near(len(queries), k, queries.shape[1])

    def work(block: _Block) -> None:
        near.offer(queries @ index.codes(block.part, block.rows).T, block.rows + index.first(block.part))

    share(work, list(_blocks(index, queries.shape[1])), cores())
    return list(near.of_each())


def _blocks(index: Index, dim: int) -> Iterator[_Block]:
    import numpy as np

    size = max(1, min(_BLOCK, _BLOCK_BYTES // (4 * dim)))
    marked = index.marked_rows()
    edges = np.searchsorted(marked, index.firsts).tolist()
    for part, (first, begin, end) in enumerate(zip(index.firsts, edges, edges[1:], strict=False)):
        for at in range(begin, end, size):
            yield _Block(part, marked[at : min(at + size, end)] - first)


class _Near:
    """The rows that may be among the k nearest of each query, by scores that are off by a little."""

    def __init__(self, queries: int, k: int, dim: int) -> None:
        import numpy as np

        self._k = k
        self._off = rounding(dim)
        self._floors = np.full(queries, -np.inf, np.float32)  # the k-th best score of each query so far
        self._is_crowded = np.zeros(queries, bool)
        self._found: list[tuple[Ints, Ints, Floats]] = []  # queries, rows, scores
        self._count = 0
        self._sifted = 0
        self._lock = threading.Lock()

    def offer(self, scores: Floats, rows: Ints) -> None:
        """Take those of some rows that are near. scores: float32 (queries, m). rows: int64 (m,)."""
        import numpy as np

        floors = self._floors.copy()
        if len(rows) > self._k and np.isneginf(floors).any():
            known = np.where(np.isnan(scores), -np.inf, scores)  # a row that is no number is in no answer
            kth = np.partition(known, len(rows) - self._k, axis=1)[:, len(rows) - self._k]
            floors = np.maximum(floors, floor(kth, self._off))
        at = np.flatnonzero(scores >= (floors - self._off)[:, None])
        queries, columns = np.divmod(at, len(rows))
        with self._lock:
            np.maximum(self._floors, floors, out=self._floors)
            self._found.append((queries, rows[columns], scores.ravel()[at]))
            self._count += len(at)
            if self._count > 2 * self._sifted + 8 * len(self._floors):
                self._sift()

    def _sift(self) -> None:
        """Drop the rows that are no longer near."""
        import numpy as np

        queries, rows, scores = (np.concatenate(column) for column in zip(*self._found, strict=True))
        order = np.lexsort((-scores, queries))
        queries, rows, scores = queries[order], rows[order], scores[order]
        kth = np.searchsorted(queries, np.arange(len(self._floors))) + self._k - 1
        has = kth < len(queries)
        has[has] = queries[kth[has]] == np.flatnonzero(has)
        self._floors[has] = np.maximum(self._floors[has], floor(scores[kth[has]], self._off))
        near = scores >= self._floors[queries] - self._off
        counts = np.bincount(queries[near], minlength=len(self._floors))
        self._is_crowded |= counts > self._k + CROWD
        self._floors[self._is_crowded] = np.inf
        near &= ~self._is_crowded[queries]
        self._found = [(queries[near], rows[near], scores[near])]
        self._count = self._sifted = int(near.sum())

    def of_each(self) -> Iterator[Ints | None]:
        """Yield for each query the rows that are near, int64 (m,); None if they are too many."""
        import numpy as np

        self._sift()
        ((queries, rows, _),) = self._found
        edges = np.searchsorted(queries, np.arange(len(self._floors) + 1)).tolist()
        for at, is_crowded in enumerate(self._is_crowded.tolist()):
            yield None if is_crowded else rows[edges[at] : edges[at + 1]]
