"""Builds the approximate index of a space, and keeps it up with new segments. The caller holds `ingest`.

A killed build goes on: centroids and each part of lists are files of their own, written once, and used by the next run.
The generation that serves stays until the new one covers every segment.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vstore.approximate.about import LISTS, RECALL, AboutCentroids, AboutLists, AboutRecall
from vstore.approximate.coder import Coder
from vstore.approximate.generation import (
    GROWN,
    generations,
    lists_for,
    parts_of_other_generations,
    read_generation,
    write_generation,
)
from vstore.approximate.kmeans import ITERATIONS, train
from vstore.approximate.levels import merge_of
from vstore.approximate.lists import Lists, merged_payload, payload_of, spans_of
from vstore.approximate.measuring import (
    answered,
    asked,
    best_way,
    held_out,
    new_truth,
    read_truth,
    write_truth,
)
from vstore.approximate.opened import EXACT, WANTED, Approximate, parts_of
from vstore.approximate.recoding import Recoder, stale_lists
from vstore.approximate.rotation import rotated
from vstore.approximate.rows import blocks_of, sample_of
from vstore.disk import durable
from vstore.disk.segments import Segment
from vstore.errors import Damage, DiskTrouble, Interrupted, VstoreError
from vstore.format.entries import FileRef
from vstore.progress import Stages
from vstore.quick_tuple import NamedTuple
from vstore.repository.index_parts import index_parts, write_index_part
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    from typing_extensions import Buffer

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

_ONE = 1_000_000
_SAMPLE = 32  # rows for each centroid, and
_SAMPLE_BYTES = 2 << 30  # of them as float32 at most
_PART = 1 << 18  # rows from which on a part is written: a kill loses what came since
TAIL = 8 << 20  # bytes of rows without lists that a sync leaves to exact search


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
    """

    generation: str | None = None
    trained: bool = False
    encoded: int = 0
    merged: int = 0
    reached: int | None = None


def _full() -> DiskTrouble:
    return DiskTrouble(
        "the index could not be written: the disk is full, or the store may not be changed",
        "make room, and run: vstore index build; searches answer as before meanwhile",
    )


def build(
    repo: Repository,
    space: str,
    wanted: Wanted,
    *,
    stages: Stages,
    stop: threading.Event | None = None,
    again: bool = False,
) -> Built:
    """Build the index of a space, or bring it up to its segments.

    stop:   if it is set, the build ends; the next one goes on from there.
    again:  train new centroids although the old ones fit.
    Raises: Damage, Interrupted; DiskTrouble if the disk is full.
    """
    return _Builder(repo, space, wanted, stages, stop).run(again=again)


def _unit(rows: Floats) -> Floats:
    """Bring rows to norm 1; those without a norm stay. rows: float32 (n, dim)."""
    import numpy as np

    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-6))
    return unit


def keep_up(repo: Repository, space: str, *, most: int = _PART, stages: Stages | None = None) -> Built | None:
    """Cover new segments by the generation that serves, if there is one: in proportion to what is new.

    most:    rows at most of a part that is merged.
    Returns: None if there is no index, or nothing to do; errors leave the index as it is.
    """
    try:
        found = generations(repo, space)
        return _Builder(repo, space, Wanted(), stages or Stages(), None).follow(most) if found else None
    except (VstoreError, OSError):
        return None  # it costs speed alone, and the next build says why


class _Builder:
    def __init__(
        self, repo: Repository, space: str, wanted: Wanted, stages: Stages, stop: threading.Event | None
    ) -> None:
        self._repo = repo
        self._space = space
        self._wanted = wanted
        self._stages = stages
        self._stop = stop
        self._refs: Sequence[FileRef] = repo.state.segments(space)
        self._segments = [repo.segment(ref) for ref in self._refs]
        self._rows = sum(ref.rows for ref in self._refs)
        self._encoded = self._merged = 0

    def run(self, *, again: bool) -> Built:
        known = read_truth(self._repo, self._space)
        exact = EXACT if known is None else known[0].exact
        exact = exact if self._wanted.exact is None else self._wanted.exact
        if self._bytes <= exact or self._rows < 2:
            return Built()
        about, trained = self._generation(again=again)
        generation = read_generation(self._repo, self._space, about.generation)
        if generation is None:
            raise _full()
        coder = Coder(generation.centroids)
        parts = self._distinct(parts_of(self._repo, self._space, coder, about.generation))
        parts = self._cover(coder, about.generation, parts, 0)
        parts = self._merge(coder, about.generation, parts, self._rows)
        reached = self._measure(coder, about.generation, parts, exact)
        self._delete_others(coder, about.generation)
        return Built(about.generation, trained, self._encoded, self._merged, reached)

    def follow(self, most: int) -> Built | None:
        """Cover new segments by the newest generation that has lists, if they are worth it."""
        for about in generations(self._repo, self._space):
            if not any(self._has_lists(about.generation)):
                continue
            generation = read_generation(self._repo, self._space, about.generation)
            if generation is None:
                continue
            coder = Coder(generation.centroids)
            parts = self._distinct(parts_of(self._repo, self._space, coder, about.generation))
            before = len(parts)
            parts = self._cover(coder, about.generation, parts, TAIL)
            parts = self._merge(coder, about.generation, parts, most)
            if not self._encoded and not self._merged and before == len(parts):
                return None
            known = read_truth(self._repo, self._space, about.generation)
            exact = EXACT if known is None else known[0].exact
            reached = self._measure(coder, about.generation, parts, exact, tune=False)
            self._delete_stale(coder, about.generation)
            return Built(about.generation, False, self._encoded, self._merged, reached)
        return None

    @property
    def _bytes(self) -> int:
        return sum(segment.footer.rows * segment.footer.width for segment in self._segments)

    def _has_lists(self, generation: str) -> list[bool]:
        found = []
        for part in index_parts(self._repo, self._space, LISTS):
            with part:
                found.append(part.head.parameters.get("generation") == generation)
        return [one for one in found if one]

    def _go_on(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Interrupted("stopped; what was built so far is kept", "run the command again: it goes on from there")

    def _advance(self, rows: int) -> None:
        self._stages.advance(rows)
        self._go_on()

    def _generation(self, *, again: bool) -> tuple[AboutCentroids, bool]:
        """Choose the centroids: those that fit the rows, or new ones. Returns: them, and whether they are new."""
        known = generations(self._repo, self._space)
        fitting = [one for one in known if one.rows * GROWN > self._rows and one.rows < self._rows * GROWN]
        if fitting and not again:
            return fitting[0], False
        lists = min(lists_for(self._rows), self._rows)
        dim = self._segments[0].footer.dim
        count = min(self._rows, max(lists, min(lists * _SAMPLE, _SAMPLE_BYTES // (4 * dim))))
        import numpy as np

        left = np.setdiff1d(np.arange(self._rows), held_out(self._segments), assume_unique=True)
        count = min(count, len(left)) if len(left) >= lists else self._rows
        pool = left if len(left) >= lists else np.arange(self._rows)
        chosen = np.sort(np.random.default_rng(lists).choice(pool, size=count, replace=False))
        self._stages.begin("reading a sample", count, unit="rows")
        sample = rotated(_unit(sample_of(self._segments, chosen, self._advance)))
        self._stages.begin("training", ITERATIONS, unit="rounds")
        centroids = train(sample, lists, lambda: self._advance(1))
        about = write_generation(self._repo, self._space, centroids, self._rows)
        if about is None:
            raise _full()
        return about, True

    def _cover(self, coder: Coder, generation: str, parts: list[Lists], tail: int) -> list[Lists]:
        """Code the rows of segments that no part covers, if they have more bytes than `tail`."""
        covered = {one.name for part in parts for one in part.covers}
        left = [(ref, seg) for ref, seg in zip(self._refs, self._segments, strict=True) if ref.name not in covered]
        if sum(segment.footer.rows * segment.footer.width for _, segment in left) <= tail:
            return parts
        recoder = Recoder(self._repo, self._space, coder, generation)
        self._stages.begin("coding", sum(ref.rows for ref, _ in left), unit="rows")
        batch: list[tuple[FileRef, Segment]] = []
        for at, one in enumerate(left):
            batch.append(one)
            if sum(ref.rows for ref, _ in batch) >= _PART or at == len(left) - 1:
                self._write_lists(coder, generation, batch, recoder)
                batch = []
        return parts_of(self._repo, self._space, coder, generation)

    def _write_lists(
        self, coder: Coder, generation: str, batch: Sequence[tuple[FileRef, Segment]], recoder: Recoder
    ) -> None:
        import numpy as np

        codes, lists, numbers, keys = [], [], [], []
        firsts = spans_of([ref.rows for ref, _ in batch])
        for (ref, segment), first in zip(batch, firsts, strict=False):
            found, which = recoder.known(segment)
            for begin, rows in blocks_of(segment):
                here = slice(begin, begin + len(rows))
                new = np.flatnonzero(which[here] < 0)
                if len(new):
                    turned = rotated(_unit(rows[new]))
                    which[begin + new] = coder.assign(turned)
                    found[begin + new] = coder.encode(turned, which[begin + new])
                    self._encoded += len(new)
                self._advance(len(rows))
            codes.append(found)
            lists.append(which)
            numbers.append(np.arange(first, first + ref.rows))
            keys.append(segment.keys)
        size = self._repo.hash.size
        payload = payload_of(
            np.concatenate(codes), np.concatenate(lists), np.concatenate(numbers), b"".join(keys), size, coder.lists
        )
        self._write_part(coder, generation, [ref for ref, _ in batch], payload)

    def _write_part(self, coder: Coder, generation: str, refs: Sequence[FileRef], payload: Iterable[Buffer]) -> None:
        about = AboutLists(generation, coder.lists, sum(ref.rows for ref in refs), coder.code_size, coder.sample())
        size = about.size(self._repo.hash.size)
        document = about.to_document()
        path = write_index_part(self._repo, self._space, LISTS, payload, size=size, covers=refs, parameters=document)
        if path is None:
            raise _full()

    def _merge(self, coder: Coder, generation: str, parts: list[Lists], most: int) -> list[Lists]:
        """Merge small parts, level by level."""
        refs = {ref.name: ref for ref in self._refs}
        while (chosen := merge_of([part.rows for part in parts], most)) is not None:
            some = [parts[place] for place in chosen]
            self._stages.begin("merging", sum(part.rows for part in some), unit="rows")
            covers = [refs[one.name] for part in some for one in part.covers]
            try:
                self._write_part(coder, generation, covers, merged_payload(some, self._repo.hash.size))
            except Damage:
                for part in some:
                    self._remove_bad(part)
                return self._cover(coder, generation, parts_of(self._repo, self._space, coder, generation), 0)
            for part in some:
                durable.remove(part.path)
            self._merged += len(some)
            self._go_on()
            parts = parts_of(self._repo, self._space, coder, generation)
        return parts

    def _remove_bad(self, part: Lists) -> None:
        try:
            part.prove()
        except (Damage, OSError):
            durable.remove(part.path)

    def _measure(
        self, coder: Coder, generation: str, parts: list[Lists], exact: int, *, tune: bool = True
    ) -> int | None:
        """Measure recall, and choose how the lists are searched. Returns: recall at 10, in millionths."""
        index = Approximate(coder, parts, self._refs, None)
        known = read_truth(self._repo, self._space)
        names = tuple(ref.name for ref in self._refs)
        if known is None:
            seen, truth = frozenset[str](), new_truth(self._segments)
            wanted = WANTED
        else:
            seen, truth, wanted = frozenset(known[0].segments), known[1], known[0].wanted
        wanted = wanted if self._wanted.recall is None else self._wanted.recall
        new = [segment for segment in self._segments if segment.ref.name not in seen]
        self._stages.begin("comparing exactly", sum(segment.footer.rows for segment in new), unit="rows")
        truth = answered(truth, new, self._advance)
        queries = asked(truth, self._segments)
        if queries is None:  # too many of its pictures are gone
            truth = new_truth(self._segments)
            self._stages.begin("comparing exactly", self._rows, unit="rows")
            truth = answered(truth, self._segments, self._advance)
            queries = asked(truth, self._segments)
        if queries is None:
            return None
        self._stages.begin("measuring recall", unit="tries")
        way, found = best_way(index, queries, wanted / _ONE, lambda: self._advance(1))
        reached = math.floor(found * _ONE)
        about = AboutRecall(
            generation, wanted, reached, way.probes, way.depth, exact, len(truth.keys), truth.scores.shape[1], names
        )
        old = self._paths(RECALL)
        if write_truth(self._repo, self._space, about, truth) is None:
            raise _full()
        for path in old:
            durable.remove(path)
        return reached

    def _distinct(self, parts: list[Lists]) -> list[Lists]:
        """Delete parts whose segments larger ones cover: a merge that was killed leaves them."""
        seen: set[str] = set()
        kept = []
        for part in parts:
            names = {one.name for one in part.covers}
            if names & seen:
                durable.remove(part.path)
            else:
                seen |= names
                kept.append(part)
        return kept

    def _delete_stale(self, coder: Coder, generation: str) -> None:
        """Delete the lists that cover a segment that is gone: their codes stand in others now."""
        for part in stale_lists(self._repo, self._space, coder, generation):
            durable.remove(part.path)

    def _delete_others(self, coder: Coder, generation: str) -> None:
        """Delete what the new generation makes useless."""
        self._delete_stale(coder, generation)
        for path in list(parts_of_other_generations(self._repo, self._space, generation)):
            durable.remove(path)

    def _paths(self, kind: str) -> list[Path]:
        found = []
        for part in index_parts(self._repo, self._space, kind):
            with part:
                found.append(part.path)
        return found
