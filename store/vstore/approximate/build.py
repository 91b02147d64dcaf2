"""Builds the approximate index of a space, and keeps it up with new segments. The caller holds `ingest`.

A killed build goes on: centroids and each part of lists are files of their own, written once, and used by the next run.
The generation that serves stays until the new one covers every segment.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vstore.approximate.about import LISTS, RECALL, AboutRecall
from vstore.approximate.coder import Coder
from vstore.approximate.covering import PART, Covering, full
from vstore.approximate.generation import (
    GROWN,
    Generation,
    generations,
    lists_for,
    parts_of_other_generations,
    read_generation,
    write_generation,
)
from vstore.approximate.kmeans import ITERATIONS, train
from vstore.approximate.lists import Lists
from vstore.approximate.measuring import (
    Asked,
    Truth,
    answered,
    asked,
    best_way,
    held_out,
    new_truth,
    places_in,
    read_truth,
    write_truth,
)
from vstore.approximate.opened import DEPTH, EXACT, WANTED, Approximate, BadPart, Way
from vstore.approximate.recoding import coded_generation
from vstore.approximate.rotation import rotated
from vstore.approximate.rows import sample_of, unit
from vstore.disk import durable
from vstore.errors import Interrupted, VstoreError
from vstore.format.entries import FileRef
from vstore.format.layout import DTYPES
from vstore.progress import Stages
from vstore.quick_tuple import NamedTuple
from vstore.repository.index_parts import index_parts
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from vstore.approximate.gpu import Gpu

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

_ONE = 1_000_000
_SAMPLE = 32  # rows for each centroid, and
_SAMPLE_BYTES = 2 << 30  # of them as float32 at most
TAIL = 2 << 20  # bytes of rows without lists that a sync leaves to exact search: `bench_index_commit.py`


class Wanted(NamedTuple):
    """The wishes of whoever builds an index; None leaves what was kept.

    recall: recall at 10, in millionths.
    exact:  bytes of live rows up to which a search is exact.
    """

    recall: int | None = None
    exact: int | None = None


class Built(NamedTuple):
    """The result of a build.

    generation: its id; None if the space is small enough for exact search.
    trained:    the centroids are new.
    encoded:    rows that were coded.
    merged:     parts that were merged into others.
    reached:    recall at 10, in millionths; None if it was not measured.
    notes:      remarks for people: a GPU that failed.
    """

    generation: str | None = None
    trained: bool = False
    encoded: int = 0
    merged: int = 0
    reached: int | None = None
    notes: tuple[str, ...] = ()


def build(
    repo: Repository,
    space: str,
    wanted: Wanted,
    *,
    stages: Stages,
    stop: threading.Event | None = None,
    again: bool = False,
    device: str = "auto",
) -> Built:
    """Build the index of a space, or bring it up to its segments.

    stop:   if it is set, the build ends; the next one goes on from there.
    again:  train new centroids although the old ones fit.
    device: compares rows with centroids: a GPU of faiss that is named, or else the CPU.
    Raises: Damage, Interrupted; DiskTrouble if the disk is full; UsageError, MissingPackage if there is no such device.
    """
    from vstore.approximate.gpu import gpu_of  # a sync, which keeps an index up, names none

    return _Builder(repo, space, wanted, stages, stop, gpu_of(device)).run(again=again)


def keep_up(
    repo: Repository,
    space: str,
    *,
    most: int = PART,
    stages: Stages | None = None,
    stop: threading.Event | None = None,
) -> Built | None:
    """Cover new segments by the generation that has codes, if there is one: in proportion to what is new.

    Rows of segments that were merged or rewritten keep their codes, which are found by key.

    most:    rows at most of a part that is merged.
    stop:    if it is set, this ends; the next one goes on from there.
    Returns: None if there is no index, or nothing to do. Errors leave the index as it is, and raise nothing: they cost
             speed alone, and a note says so.
    """
    try:
        if _bytes_left(repo, space) <= TAIL:
            return None
        return _Builder(repo, space, Wanted(), stages or Stages(), stop).follow(most)
    except Interrupted:
        return None
    except (VstoreError, OSError, MemoryError, RuntimeError) as err:  # faiss raises the last ones
        if stages is not None:
            reason = " ".join(str(err).split())[:200] or type(err).__name__
            stages.note(f"new vectors have no place in the index yet, and are compared one by one: {reason}")
        return None


def _bytes_left(repo: Repository, space: str) -> int:
    """Count the bytes of rows that no lists of the generation with most codes have; 0 if there are none."""
    refs = repo.state.segments(space)
    generation = coded_generation(repo, space)
    if generation is None:
        return 0
    covered: set[str] = set()
    for part in index_parts(repo, space, LISTS, refs):
        with part:
            if part.head.parameters.get("generation") == generation:
                covered |= {one.name for one in part.head.covers}
    width = repo.state.spaces[space].dim * DTYPES[repo.dtype]
    return sum(ref.rows for ref in refs if ref.name not in covered) * width


class _Builder:
    def __init__(
        self,
        repo: Repository,
        space: str,
        wanted: Wanted,
        stages: Stages,
        stop: threading.Event | None,
        gpu: Gpu | None = None,
    ) -> None:
        self._gpu = gpu
        self._repo = repo
        self._space = space
        self._wanted = wanted
        self._stages = stages
        self._stop = stop
        self._refs: Sequence[FileRef] = repo.state.segments(space)
        self._segments = [repo.segment(ref) for ref in self._refs]
        self._rows = sum(ref.rows for ref in self._refs)

    def run(self, *, again: bool) -> Built:
        known = read_truth(self._repo, self._space)
        exact = EXACT if known is None else known[0].exact
        exact = exact if self._wanted.exact is None else self._wanted.exact
        if self._bytes <= exact or self._rows < 2:
            if known is not None:
                kept = known[0]._replace(exact=exact, wanted=self._recall(known[0].wanted))
                if kept != known[0]:
                    self._keep(kept, known[1])
            return Built()
        generation, trained = self._generation(again=again)
        about = generation.about
        covering = self._covering(generation)
        parts = covering.cover(covering.proved(covering.distinct(covering.parts())), 0)
        parts = covering.merge(parts, self._rows)
        reached = self._measure(covering, parts, exact)
        covering.delete_stale()
        covering.delete_useless()
        for path in list(parts_of_other_generations(self._repo, self._space, about.generation)):
            durable.remove(path)
        return Built(about.generation, trained, covering.encoded, covering.merged, reached, self._notes)

    def _recall(self, kept: int) -> int:
        return kept if self._wanted.recall is None else self._wanted.recall

    def follow(self, most: int) -> Built | None:
        """Cover new segments by the generation that answers, if they are worth it. None if nothing was written.

        After a gc none may answer: the only lists cover a segment that was rewritten, and their codes are still true.
        """
        chosen = coded_generation(self._repo, self._space)
        generation = None if chosen is None else read_generation(self._repo, self._space, chosen)
        if chosen is None or generation is None:
            return None
        covering = self._covering(generation)
        parts = covering.cover(covering.distinct(covering.parts()), TAIL)
        parts = covering.merge(parts, most)
        if not covering.written:
            return None
        known = read_truth(self._repo, self._space, chosen)
        reached = self._measure(covering, parts, EXACT if known is None else known[0].exact, tune=False)
        covering.delete_stale()
        return Built(chosen, False, covering.encoded, covering.merged, reached)

    def _covering(self, generation: Generation) -> Covering:
        coder = Coder(generation.centroids, self._gpu)
        about = generation.about
        return Covering(self._repo, self._space, about.generation, coder, self._segments, self._stages, self._advance)

    @property
    def _notes(self) -> tuple[str, ...]:
        return () if self._gpu is None else self._gpu.notes

    @property
    def _bytes(self) -> int:
        return sum(segment.footer.rows * segment.footer.width for segment in self._segments)

    def _go_on(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Interrupted("stopped; what was built so far is kept", "run the command again: it goes on from there")

    def _advance(self, rows: int) -> None:
        self._stages.advance(rows)
        self._go_on()

    def _generation(self, *, again: bool) -> tuple[Generation, bool]:
        """Choose the centroids: those that fit the rows, or new ones. Returns: them, and whether they are new."""
        for one in generations(self._repo, self._space) if not again else ():
            if one.rows * GROWN > self._rows and one.rows < self._rows * GROWN:
                found = read_generation(self._repo, self._space, one.generation)
                if found is not None:  # they are whole
                    return found, False
        lists = min(lists_for(self._rows), self._rows)
        dim = self._segments[0].footer.dim
        count = min(self._rows, max(lists, min(lists * _SAMPLE, _SAMPLE_BYTES // (4 * dim))))
        import numpy as np

        left = np.setdiff1d(np.arange(self._rows), self._held_out())
        count = min(count, len(left)) if len(left) >= lists else self._rows
        pool = left if len(left) >= lists else np.arange(self._rows)
        chosen = np.sort(np.random.default_rng(lists).choice(pool, size=count, replace=False))
        self._stages.begin("reading a sample of vectors", count, unit="vectors")
        sample = rotated(unit(sample_of(self._segments, chosen, self._advance)))
        self._stages.begin("training lists", ITERATIONS, unit="rounds")
        centroids = train(sample, lists, lambda: self._advance(1), self._gpu)
        about = write_generation(self._repo, self._space, centroids, self._rows)
        new = None if about is None else read_generation(self._repo, self._space, about.generation)
        if new is None:
            raise full()
        return new, True

    def _held_out(self) -> Ints:
        """Find the rows that recall is measured by: no centroid is trained on them."""
        import numpy as np

        known = read_truth(self._repo, self._space)
        if known is None:
            return held_out(self._segments)
        wanted, firsts = known[1].keys.tobytes(), np.cumsum([0, *(ref.rows for ref in self._refs)])
        found = [places_in(wanted, segment.keys, self._repo.hash.size) for segment in self._segments]
        return np.concatenate([at[at >= 0] + first for at, first in zip(found, firsts, strict=False)])

    def _best_way(self, index: Approximate, queries: Asked, wanted: float, first: Way) -> tuple[Way, float]:
        """Find the best way to search; a part that turns out to be damaged is left out, as searches do."""
        while True:
            try:
                return best_way(index, queries, wanted, lambda: self._advance(1), first=first)
            except BadPart as bad:
                index = index.without(bad.part)

    def _measure(self, covering: Covering, parts: list[Lists], exact: int, *, tune: bool = True) -> int | None:
        """Measure recall, and choose how the lists are searched. Returns: recall at 10, in millionths."""
        coder, generation = covering.coder, covering.generation
        index = Approximate(coder, parts, self._refs, None)
        known = read_truth(self._repo, self._space)
        names = tuple(ref.name for ref in self._refs)
        if known is None:
            seen, truth = frozenset[str](), new_truth(self._segments)
            wanted = WANTED
        else:
            seen, truth, wanted = frozenset(known[0].segments), known[1], known[0].wanted
        wanted = self._recall(wanted)
        new = [segment for segment in self._segments if segment.ref.name not in seen]
        self._stages.begin("comparing exactly", sum(segment.footer.rows for segment in new), unit="vectors")
        truth = answered(truth, new, self._advance)
        queries = asked(truth, self._segments)
        if queries is None:  # too many of its pictures are gone
            truth = new_truth(self._segments)
            self._stages.begin("comparing exactly", self._rows, unit="vectors")
            truth = answered(truth, self._segments, self._advance)
            queries = asked(truth, self._segments)
        if queries is None:
            return None
        self._stages.begin("measuring recall", unit="tries")
        kept = known[0] if known is not None and known[0].generation == generation and not tune else None
        first = Way(1, DEPTH) if kept is None else Way(min(kept.probes, coder.lists), kept.depth)
        way, found = self._best_way(index, queries, wanted / _ONE, first)
        reached = math.floor(found * _ONE)
        about = AboutRecall(
            generation, wanted, reached, way.probes, way.depth, exact, len(truth.keys), truth.scores.shape[1], names
        )
        self._keep(about, truth)
        return reached

    def _keep(self, about: AboutRecall, truth: Truth) -> None:
        """Write what was measured in the place of what was measured before."""
        old = self._paths(RECALL)
        if write_truth(self._repo, self._space, about, truth) is None:
            raise full()
        for path in old:
            durable.remove(path)

    def _paths(self, kind: str) -> list[Path]:
        found = []
        for part in index_parts(self._repo, self._space, kind):
            with part:
                found.append(part.path)
        return found
