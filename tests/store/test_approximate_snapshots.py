"""One approximate index answers every snapshot, in any thread."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from support.builder import Builder, key

from vstore import Store, View
from vstore.approximate.build import Wanted, build
from vstore.approximate.levels import SMALLEST, WIDTH, merge_of
from vstore.approximate.measuring import answered, asked, new_truth
from vstore.approximate.rows import unit
from vstore.progress import Stages

DIM, EACH = 32, 400
RECIPE = {"family": "fake", "name": "fake-1", "dim": DIM}


def clustered(count: int, seed: int) -> np.ndarray:
    """Draw rows of 40 clusters, as pictures of one kind are near one another."""
    made = np.random.default_rng(seed)
    centres = made.standard_normal((40, DIM))
    return unit((centres[made.integers(0, 40, count)] + 0.6 * made.standard_normal((count, DIM))).astype(np.float32))


ROWS = clustered(3 * EACH, 1)


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """A store of three segments and an index of them."""
    builder = Builder(tmp_path / ".vstore", recipe=RECIPE)
    for first in range(0, 3 * EACH, EACH):
        builder.add_segment([key(n) for n in range(first, first + EACH)], ROWS[first : first + EACH])
    build(builder.repo, builder.space, Wanted(exact=0), stages=Stages())
    return builder


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.01])
def test_snapshots_of_any_share_find_their_nearest(builder: Builder, share: float) -> None:
    """The recall that was measured holds where a snapshot has few of the rows, too."""
    chosen = np.flatnonzero(np.random.default_rng(6).random(3 * EACH) < share).tolist()
    builder.add_snapshot({b"p/%d.jpg" % number: key(number) for number in chosen})
    builder.add_snapshot({b"p/%d.jpg" % number: key(number) for number in range(3 * EACH)})
    hits = wanted = 0
    with Store(builder.repo.layout.folder) as store, store.view(at="v1") as view:
        for number in chosen[:40]:
            exact = view.search(key(number), k=10, exact=True)
            near = view.search(key(number), k=10)
            assert near.approximate and {hit.key for hit in near.hits} <= {key(one) for one in chosen}
            scores = {hit.key: hit.score for hit in exact.hits}
            assert all(scores.get(hit.key, hit.score) == hit.score for hit in near.hits)
            hits += len(scores.keys() & {hit.key for hit in near.hits})
            wanted += len(scores)
    assert hits >= 0.95 * wanted


def ten(view: View, *, exact: bool) -> list[list[tuple[bytes, float]]]:
    every = [view.search(key(number), k=10, exact=exact) for number in range(0, EACH, 40)]
    return [[(hit.key, hit.score) for hit in one.hits] for one in every]


def test_older_snapshots_are_searched_after_rollback_and_forget(builder: Builder) -> None:
    for last in (EACH, 2 * EACH, 3 * EACH):
        builder.add_snapshot({b"p/%d.jpg" % number: key(number) for number in range(last)})
    with Store(builder.repo.layout.folder) as store:
        store.rollback("v1")
        store.snapshot_forget(["v2"])
        report = store.search(key(3), k=10)
        assert report.approximate
        assert {hit.key for hit in report.hits} <= {key(number) for number in range(EACH)}
        assert store.search(key(2 * EACH + 1), at="v3").hits[0].key == key(2 * EACH + 1)


def test_exact_answers_of_held_out_rows_are_the_nearest_ones(builder: Builder) -> None:
    segments = [builder.repo.segment(ref) for ref in builder.repo.state.segments(builder.space)]
    truth = answered(new_truth(segments), segments, lambda rows: None)
    found = asked(truth, segments)
    assert found is not None
    rows = ROWS[: 3 * EACH].astype(np.float16).astype(np.float32)
    for query, own, nearest in zip(found.vectors, truth.keys, found.rows, strict=True):
        scores = rows @ query
        scores[[key(number) == own.tobytes() for number in range(len(rows))]] = -np.inf
        assert np.allclose(scores[nearest], np.sort(scores)[::-1][: len(nearest)], atol=1e-5)


def test_threads_find_what_one_finds(builder: Builder) -> None:
    builder.add_snapshot({b"p/%d.jpg" % number: key(number) for number in range(3 * EACH)})
    with Store(builder.repo.layout.folder) as store, store.view() as view:
        several: list[list[list[tuple[bytes, float]]]] = []
        together = threading.Barrier(4)

        def ask() -> None:
            together.wait()
            several.append(ten(view, exact=False))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert several == [ten(view, exact=False)] * 4


def test_no_part_grows_beyond_what_is_allowed() -> None:
    assert merge_of([SMALLEST] * WIDTH, WIDTH * SMALLEST) == [0, 1, 2, 3]
    assert merge_of([SMALLEST] * WIDTH, WIDTH * SMALLEST - 1) is None
    assert merge_of([SMALLEST] * (WIDTH - 1), 10**9) is None
