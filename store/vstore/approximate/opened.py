"""An open approximate index: the lists of one generation that cover segments of a space, and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vstore.approximate.about import LISTS, RECALL, AboutLists, AboutRecall
from vstore.approximate.coder import FEW, Coder
from vstore.approximate.generation import generations, read_generation
from vstore.approximate.lists import Lists, open_lists
from vstore.approximate.rotation import rotated
from vstore.errors import Damage
from vstore.format.entries import FileRef
from vstore.packages import faiss_threads
from vstore.quick_tuple import NamedTuple
from vstore.repository.index_parts import index_parts
from vstore.repository.repository import Repository
from vstore.threads import cores

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

EXACT = 400_000_000  # bytes of live rows up to which a search is exact: 20 to 40 ms on two cores
PROBES = 32  # where nothing was measured
DEPTH = 10
WANTED = 970_000  # recall at 10, in millionths
_BATCH = 1024  # queries


class Way(NamedTuple):
    """How an index is searched.

    probes: lists that a query looks into.
    depth:  rows that get an exact score, for each hit that is wanted.
    """

    probes: int = PROBES
    depth: int = DEPTH


class BadPart(Exception):
    """A part that turned out to be damaged. A search goes on without it."""

    def __init__(self, part: Lists) -> None:
        super().__init__(str(part.path))
        self.part = part


class Approximate:
    """An open approximate index of the segments of a space, in their order.

    parts:   lists, each of whole segments, none of one segment.
    covered: for each segment, whether lists cover it.
    refs:    the segments.
    recall:  what was measured; None if nothing was.
    is_damaged: lists that it should have could not be opened.
    """

    is_damaged = False

    def __init__(
        self, coder: Coder, parts: Sequence[Lists], refs: Sequence[FileRef], recall: AboutRecall | None
    ) -> None:
        import numpy as np

        self.coder = coder
        self.recall = recall
        self.refs = refs
        place = {ref.name: number for number, ref in enumerate(refs)}
        firsts = np.cumsum([0, *(ref.rows for ref in refs)]).tolist()
        self._of: list[tuple[Lists, list[int], Ints]] = []  # with its segments, and what to add to its numbers of rows
        self.covered = [False] * len(refs)
        for part in parts:
            segments = [place[one.name] for one in part.covers]
            if any(self.covered[number] for number in segments):
                continue  # another part, of more rows, has them
            for number in segments:
                self.covered[number] = True
            shifts = np.array([firsts[number] - first for number, first in zip(segments, part.firsts, strict=False)])
            self._of.append((part, segments, shifts))

    @property
    def parts(self) -> list[Lists]:
        return [part for part, _, _ in self._of]

    def without(self, bad: Lists) -> Approximate:
        """Give this index without a part: its segments are no longer covered."""
        return Approximate(self.coder, [part for part in self.parts if part is not bad], self.refs, self.recall)

    @property
    def way(self) -> Way:
        """How it is searched, as measured."""
        recall = self.recall
        return Way() if recall is None else Way(min(recall.probes, self.coder.lists), recall.depth)

    def bitmaps_of(self, bitmaps: Sequence[bytes]) -> list[Any]:
        """Join the bitmaps of segments to those of parts: uint8."""
        import numpy as np

        joined = (b"".join(bytes(bitmaps[number]) for number in segments) for _, segments, _ in self._of)
        return [np.frombuffer(one, np.uint8) for one in joined]

    def candidates(self, queries: Floats, bitmaps: Sequence[Any], probes: int, depth: int) -> Ints:
        """Find the rows that seem nearest to queries.

        queries: float32 (n, dim), of norm 1.
        bitmaps: of each part, as `bitmaps_of` gives them.
        probes:  lists to look into; more where they hold too few rows that count.
        depth:   rows that are wanted for each query.
        Returns: int64 (n, depth), rows through all segments, -1 where there are fewer.
        Raises:  BadPart; `without` gives an index that has it no more.
        """
        import numpy as np

        found = np.empty((len(queries), depth), np.int64)
        for begin in range(0, len(queries), _BATCH):
            turned = rotated(queries[begin : begin + _BATCH])
            found[begin : begin + _BATCH] = self._candidates(turned, bitmaps, probes, depth)
        return found

    def _candidates(self, turned: Floats, bitmaps: Sequence[Any], probes: int, depth: int) -> Ints:
        import numpy as np

        if not self._of:
            return np.full((len(turned), depth), -1)
        while True:
            lists, near = self.coder.nearest_lists(turned, min(probes, self.coder.lists))
            with faiss_threads(1 if len(turned) < FEW else cores()):
                found = [self._of_part(at, turned, lists, near, bitmap, depth) for at, bitmap in enumerate(bitmaps)]
            scores, rows = (np.concatenate(column, axis=1) for column in zip(*found, strict=True))
            if probes >= self.coder.lists or not depth or ((rows >= 0).sum(axis=1) >= depth).all():
                break
            probes *= 4
        if rows.shape[1] > depth:
            best = np.argpartition(-np.where(rows < 0, -np.inf, scores), depth - 1, axis=1)[:, :depth]
            rows = np.take_along_axis(rows, best, axis=1)
        return rows

    def _of_part(
        self, at: int, turned: Floats, lists: Ints, near: Floats, bitmap: Any, depth: int
    ) -> tuple[Floats, Ints]:
        import numpy as np

        part, _, shifts = self._of[at]
        try:
            scores, rows = part.search(self.coder, turned, lists, near, bitmap, depth)
        except (Damage, OSError) as err:
            raise BadPart(part) from err
        segment = np.searchsorted(part.firsts, rows, side="right") - 1
        return scores, np.where(rows < 0, -1, rows + shifts[segment.clip(0, len(shifts) - 1)])


def serving(repo: Repository, space: str, refs: Sequence[FileRef]) -> str | None:
    """Choose the generation that answers: that whose lists cover most rows of some segments. None if there is none."""
    about = {one.generation: one for one in generations(repo, space)}
    rows = dict.fromkeys(about, 0)
    for part in index_parts(repo, space, LISTS, refs) if about else ():
        with part:
            lists = AboutLists.of(part.head.parameters)
            if lists is not None and lists.generation in rows:
                rows[lists.generation] += lists.rows
    # Of two that cover as much the one that was trained on more rows is the newer one.
    best = max(rows, key=lambda one: (rows[one], about[one].rows, one), default=None)
    return best if best is not None and rows[best] else None


def open_approximate(repo: Repository, space: str, refs: Sequence[FileRef]) -> Approximate | None:
    """Open the index of some segments of a space; None if there is none. Raises: MissingPackage."""
    generation = serving(repo, space, refs)
    if generation is None:
        return None
    found = read_generation(repo, space, generation)
    if found is None:
        return None
    coder = Coder(found.centroids)
    parts = parts_of(repo, space, coder, generation, refs)
    opened = Approximate(coder, parts, refs, recall_of(repo, space, generation))
    opened.is_damaged = sum(part.rows for part in parts) < _rows_by_heads(repo, space, generation, refs)
    return opened


def _rows_by_heads(repo: Repository, space: str, generation: str, refs: Sequence[FileRef]) -> int:
    """Count the rows that the lists of a generation say they have."""
    rows = 0
    for part in index_parts(repo, space, LISTS, refs):
        with part:
            lists = AboutLists.of(part.head.parameters)
            if lists is not None and lists.generation == generation:
                rows += lists.rows
    return rows


def parts_of(
    repo: Repository, space: str, coder: Coder, generation: str, refs: Sequence[FileRef] | None = None
) -> list[Lists]:
    """Open the lists of a generation whose segments are all there, those with most rows first.

    refs: the segments; None means those of the log.
    """
    listed = repo.state.segments(space) if refs is None else refs
    known = {ref.name: ref for ref in listed}
    parts = index_parts(repo, space, LISTS, listed)
    found = [open_lists(part, known, repo.hash.size, coder, generation) for part in parts]
    return sorted((part for part in found if part is not None), key=lambda part: (-part.rows, part.path))


def recall_of(repo: Repository, space: str, generation: str) -> AboutRecall | None:
    """Read what was measured of a generation last."""
    for part in index_parts(repo, space, RECALL):
        with part:
            about = AboutRecall.of(part.head.parameters)
            if about is not None and about.generation == generation:
                return about
    return None
