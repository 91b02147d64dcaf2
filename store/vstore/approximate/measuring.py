"""Measured recall: rows of a space that are held out, with exact answers, asked whenever an index changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from vstore.approximate.about import RECALL, AboutRecall
from vstore.approximate.opened import Approximate, Way
from vstore.approximate.rows import blocks_of
from vstore.disk.segments import Segment
from vstore.errors import Damage
from vstore.format.key_places import places_of
from vstore.quick_tuple import NamedTuple
from vstore.repository.index_parts import index_parts, write_index_part
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]
    Codes = npt.NDArray[np.uint8]
    Marks = npt.NDArray[np.bool_]

QUERIES = 256
ANSWERS = 24  # that are kept: some of their pictures may be gone when the next ones are counted
AT = 10  # of them count
_ONE = 1_000_000
_DEPTHS = (10, 20, 50)
_FIRST = Way(1, _DEPTHS[0])
_TIE = 2e-6  # between two scores: of equal rows, a product of matrices gives scores that differ by as much
_SEED = 2
_MARKS = 1 << 20  # bits of a filter before keys are looked up: 1 MiB as bytes


class Truth(NamedTuple):
    """Held-out rows and their exact answers.

    keys:    uint8 (q, key size), of the queries.
    vectors: float32 (q, dim), of norm 1.
    answers: uint8 (q, a, key size), the keys of the nearest other rows, best first.
    scores:  float32 (q, a), theirs; -inf where there are fewer.
    """

    keys: Codes
    vectors: Floats
    answers: Codes
    scores: Floats


def held_out(segments: Sequence[Segment]) -> Ints:
    """Choose the rows that are held out: int64 (q,), rising, numbered through all segments."""
    import numpy as np

    rows = sum(segment.footer.rows for segment in segments)
    chosen = np.random.default_rng(_SEED).choice(rows, size=min(QUERIES, rows), replace=False)
    return np.sort(chosen)


def new_truth(segments: Sequence[Segment]) -> Truth:
    """Choose queries, without answers yet."""
    import numpy as np

    numbers, size = held_out(segments), segments[0].footer.key_size
    firsts = list(accumulate((segment.footer.rows for segment in segments), initial=0))
    vectors, keys = np.empty((len(numbers), segments[0].footer.dim), np.float32), []
    for segment, (first, end) in zip(segments, pairwise(firsts), strict=True):
        here = (numbers >= first) & (numbers < end)
        vectors[here] = segment.rows()[numbers[here] - first]
        keys.append(np.frombuffer(segment.keys, np.uint8).reshape(-1, size)[numbers[here] - first])
    vectors = np.nan_to_num(vectors, posinf=0, neginf=0)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-6))
    empty = np.zeros((len(numbers), 0, size), np.uint8), np.zeros((len(numbers), 0), np.float32)
    return Truth(np.concatenate(keys), vectors, *empty)


def answered(truth: Truth, segments: Iterable[Segment], read: Callable[[int], None]) -> Truth:
    """Compare the queries with every row of some more segments.

    read: is told how many rows were compared, block after block; it may raise.
    """
    import numpy as np

    size = truth.keys.shape[1]
    scores, answers = truth.scores, truth.answers
    for segment in segments:
        keys = np.frombuffer(segment.keys, np.uint8).reshape(-1, size)
        for first, rows in blocks_of(segment):
            some = keys[first : first + len(rows)]
            found = truth.vectors @ rows.T
            # A row is no answer to itself.
            own = places_of(some.tobytes(), truth.keys.tobytes(), size)
            found[np.flatnonzero(own >= 0), own[own >= 0]] = -np.inf
            best = min(ANSWERS, found.shape[1])
            at = np.argpartition(-found, best - 1, axis=1)[:, :best]
            scores = np.concatenate([scores, np.take_along_axis(found, at, axis=1)], axis=1)
            answers = np.concatenate([answers, some[at]], axis=1)
            scores, answers = _best(scores, answers)
            read(len(rows))
    return truth._replace(scores=scores, answers=answers)


def _best(scores: Floats, answers: Codes) -> tuple[Floats, Codes]:
    """Keep the best answers of each query, each key once."""
    import numpy as np

    order = np.argsort(-scores, axis=1, kind="stable")
    scores, answers = np.take_along_axis(scores, order, axis=1), np.take_along_axis(answers, order[:, :, None], axis=1)
    whole = np.ascontiguousarray(answers).view(np.dtype((np.void, answers.shape[2])))[:, :, 0]
    for at in range(len(scores)):
        _, first = np.unique(whole[at], return_index=True)
        again = np.ones(scores.shape[1], bool)
        again[first] = False
        scores[at, again] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :ANSWERS]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(answers, order[:, :, None], axis=1)


class Asked(NamedTuple):
    """Queries that can be asked of an index.

    vectors: float32 (q, dim).
    rows:    int64 (q, 24), the rows of the exact answers, numbered through all segments; -1 where there are fewer.
    better:  bool (q, 24), whether the row scores more than the tenth: an index must find it.
    equal:   bool (q, 24), whether it scores as much as the tenth: these are as good as one another.
    places:  int64 (q,), of the ten, those that rows as good as the tenth fill. 0 where there may be more such rows than
             are known: whichever of them are found, they are right.
    """

    vectors: Floats
    rows: Ints
    better: Marks
    equal: Marks
    places: Ints


def asked(truth: Truth, segments: Sequence[Segment]) -> Asked | None:
    """Find the rows of the exact answers; None if too many are gone to know the first ten of each query."""
    import numpy as np

    if not truth.scores.shape[1]:
        return None
    size = truth.keys.shape[1]
    wanted = truth.answers.reshape(-1, size).tobytes()
    rows, first = np.full(truth.scores.size, -1), 0
    for segment in segments:
        at = places_in(wanted, segment.keys, size)
        new = (at >= 0) & (rows < 0)
        rows[new] = at[new] + first
        first += segment.footer.rows
    rows_of = rows.reshape(truth.scores.shape)
    is_there = (rows_of >= 0) & np.isfinite(truth.scores)
    had = np.isfinite(truth.scores).sum(axis=1)
    enough = is_there.sum(axis=1) >= np.minimum(had, AT) if had.max(initial=0) < ANSWERS else is_there.sum(axis=1) >= AT
    if not enough.all() or not is_there.any():
        return None
    order = np.argsort(~is_there, axis=1, kind="stable")
    there = np.take_along_axis(is_there, order, 1)
    scores = np.where(there, np.take_along_axis(truth.scores, order, 1), -np.inf)
    found = np.where(there, np.take_along_axis(rows_of, order, 1), -1)
    counts = np.minimum(there.sum(axis=1), AT)
    tenth = np.take_along_axis(scores, np.maximum(counts - 1, 0)[:, None], 1)
    better = there & (scores > tenth + _TIE)
    equal = there & ~better & (scores >= tenth - _TIE)
    last = truth.scores[:, -1:]  # -inf where all are known
    is_open = (truth.scores.shape[1] == ANSWERS) & (last >= tenth - _TIE)[:, 0] & (tenth[:, 0] > -np.inf)
    places = np.where(is_open, 0, counts - better.sum(axis=1))
    return Asked(truth.vectors, found, better, equal, places)


def places_in(wanted: bytes, column: bytes, size: int) -> Ints:
    """Find the place of each of a few keys in a long column, as `places_of` does; it sorts the few."""
    import numpy as np

    from vstore.format.key_places import words

    have, want = words(column, size), words(wanted, size)
    order = np.argsort(want[:, 0], kind="stable")
    begins = want[order, 0]
    found = np.full(len(want), -1)
    if not len(want):
        return found
    # Keys are digests: their last bits tell nearly all that are not wanted, in a sixth of the time.
    marked = np.zeros(_MARKS, bool)
    marked[begins % _MARKS] = True
    likely = np.flatnonzero(marked[have[:, 0] % _MARKS])
    near = np.searchsorted(begins, have[likely, 0])
    hit = np.flatnonzero(begins[near.clip(max=len(begins) - 1)] == have[likely, 0])
    for place, at in zip(likely[hit[::-1]].tolist(), near[hit[::-1]].tolist(), strict=True):
        # Of a key that stands twice the first row wins.
        while at < len(begins) and begins[at] == have[place, 0]:
            if (want[order[at]] == have[place]).all():
                found[order[at]] = place
            at += 1
    return found


def recall(index: Approximate, asked: Asked, tail: Sequence[bytes], way: Way) -> float:
    """Measure the share of the ten nearest that an index finds; a row that scores as much as the tenth is as good.

    tail: as `every_row` gives it.
    """
    import numpy as np

    joined = index.bitmaps_of(tail)
    found = index.candidates(asked.vectors, joined, way.probes, way.depth * AT + 1)  # each query finds itself, too
    ends = np.cumsum([0, *(ref.rows for ref in index.refs)])
    segment = np.searchsorted(ends, asked.rows, side="right") - 1
    is_exact = ~np.array(index.covered)[segment.clip(min=0)]  # rows that no list has are compared exactly
    hits = np.array([np.isin(wanted, some) for wanted, some in zip(asked.rows, found, strict=True)]) | is_exact
    right = (hits & asked.better).sum(axis=1) + np.minimum((hits & asked.equal).sum(axis=1), asked.places)
    count = int(asked.better.sum() + asked.places.sum())
    return int(right.sum()) / count if count else 1.0


def every_row(refs: Sequence[int]) -> list[bytes]:
    """Mark every row of some segments. refs: the rows of each."""
    return [bytes([0xFF]) * (rows // 8) + (bytes([(1 << rows % 8) - 1]) if rows % 8 else b"") for rows in refs]


def best_way(
    index: Approximate, asked: Asked, wanted: float, tried: Callable[[], None], *, first: Way = _FIRST
) -> tuple[Way, float]:
    """Find the fewest lists to look into that reach a recall; more rows get an exact score where these do not suffice.

    wanted:  from 0 to 1.
    first:   the way to begin with: one that reached it before.
    tried:   is called after each try; it may raise.
    Returns: the way, and the recall that it reaches: the best one, where none reaches the wanted one.
    """
    bitmaps = every_row([ref.rows for ref in index.refs])
    best = first, -1.0
    for depth in sorted({first.depth, *(depth for depth in _DEPTHS if depth > first.depth)}):
        probes = first.probes
        while True:
            way = Way(min(probes, index.coder.lists), depth)
            found = recall(index, asked, bitmaps, way)
            tried()
            if found > best[1]:
                best = way, found
            if found >= wanted:
                return best
            if probes >= index.coder.lists:
                break
            probes *= 2
    return best


def read_truth(repo: Repository, space: str, generation: str | None = None) -> tuple[AboutRecall, Truth] | None:
    """Read the held-out rows of a space and their answers; None if there are none, or they are damaged.

    generation: of this one alone.
    """
    import numpy as np

    dim, size = repo.state.spaces[space].dim, repo.hash.size
    for part in index_parts(repo, space, RECALL):
        with part:
            about = AboutRecall.of(part.head.parameters)
            if about is None or part.head.size != about.size(dim, size):
                continue
            if generation is not None and about.generation != generation:
                continue
            try:
                payload = b"".join(part.blocks())
            except (Damage, OSError):
                continue
        q, a = about.queries, about.answers
        ends = list(accumulate((q * size, q * dim * 4, q * a * size, q * a * 4), initial=0))
        keys, vectors, answers, scores = (payload[begin:end] for begin, end in pairwise(ends))
        truth = Truth(
            np.frombuffer(keys, np.uint8).reshape(q, size),
            np.frombuffer(vectors, "<f4").reshape(q, dim).astype(np.float32),
            np.frombuffer(answers, np.uint8).reshape(q, a, size),
            np.frombuffer(scores, "<f4").reshape(q, a).astype(np.float32),
        )
        if np.isfinite(truth.vectors).all() and not np.isnan(truth.scores).any():
            return about, truth
    return None


def write_truth(repo: Repository, space: str, about: AboutRecall, truth: Truth) -> Path | None:
    """Write what was measured. The caller holds `ingest`. Returns: the part; None if nothing could be written."""
    payload = [
        truth.keys.tobytes(),
        truth.vectors.astype("<f4").tobytes(),
        truth.answers.tobytes(),
        truth.scores.astype("<f4").tobytes(),
    ]
    size = about.size(truth.vectors.shape[1], truth.keys.shape[1])
    return write_index_part(repo, space, RECALL, payload, size=size, covers=(), parameters=about.to_document())
