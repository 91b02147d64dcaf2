"""The recall that is measured, and the one that searches have: of few hits, and among rows that score the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.builder import key, unit_vectors
from support.inverted import Asked as Answers
from support.inverted import Floats, again, built, clustered, forged, parts, store

from vstore.approximate import summary
from vstore.approximate.about import LISTS
from vstore.approximate.build import Built
from vstore.approximate.measuring import Asked, Truth, asked
from vstore.approximate.opened import Approximate
from vstore.approximate.summary import index_status
from vstore.repository.repository import Repository
from vstore.search import nearest


def test_few_hits_are_found_as_well_as_ten(tmp_path: Path) -> None:
    builder = store(tmp_path, [6000])
    assert built(builder).reached is not None
    for k in (1, 2, 3, 10):
        assert Answers(builder, clustered(200, seed=7), k).recall > 0.97


def recall_of(result: Built) -> float:
    assert result.reached is not None
    return result.reached / 1_000_000


def test_rows_that_are_all_the_same_are_as_good_as_one_another(tmp_path: Path) -> None:
    builder = store(tmp_path, [500, 500], np.repeat(unit_vectors(1, 32), 1000, axis=0))
    assert recall_of(built(builder)) == 1


def test_many_rows_that_are_the_same_take_nothing_from_the_measured_recall(tmp_path: Path) -> None:
    rows = clustered(2000)
    rows[::2] = rows[0]
    builder = store(tmp_path, [1200, 800], rows)
    assert recall_of(built(builder)) > 0.95


def test_pairs_of_the_same_row_take_nothing_from_the_measured_recall(tmp_path: Path) -> None:
    rows = np.repeat(clustered(700), 4, axis=0)  # the tenth is one of four that score the same
    builder = store(tmp_path, [len(rows)], rows)
    assert recall_of(built(builder)) > 0.95


def asked_of(folder: Path, scores: list[int]) -> Asked:
    """Give one query whose 24 known answers, rows of a store, score so."""
    builder = store(folder, [25])
    keys = np.frombuffer(b"".join(key(number) for number in range(25)), np.uint8).reshape(25, 16)
    truth = Truth(keys[24:], unit_vectors(1, 32), keys[None, :24], np.array([scores], np.float32))
    found = asked(truth, [builder.repo.segment(ref) for ref in builder.repo.state.segments(builder.space)])
    assert found is not None
    return found


def test_rows_that_score_more_than_equal_ones_must_be_found(tmp_path: Path) -> None:
    """Of the ten nearest, three are better than the tenth; seven of the eight that score as it does fill the rest."""
    one = asked_of(tmp_path, [9, 8, 7, *[5] * 8, *[1] * 13])
    assert (one.better.sum(), one.equal.sum(), one.places.tolist()) == (3, 8, [7])


def test_rows_beyond_those_that_are_known_may_score_as_much_as_the_tenth(tmp_path: Path) -> None:
    one = asked_of(tmp_path, [9, 8, *[5] * 22])
    assert (one.better.sum(), one.places.tolist()) == (2, [0])


def test_lists_that_another_faiss_coded_are_deleted_by_the_next_build(tmp_path: Path) -> None:
    builder = store(tmp_path, [300, 100])
    for _ in range(3):
        built(builder)
        (path,) = parts(builder, LISTS)
        forged(path, {"sample": "00" * 4})
    assert built(builder).encoded == 400
    assert len(parts(builder, LISTS)) == 1
    assert Answers(builder, clustered(3, seed=5)).is_approximate


def test_a_status_while_a_build_deletes_the_old_lists_says_that_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = store(tmp_path, [300])
    built(builder)
    first = summary.generations

    def gone(repo: Repository, space: str) -> list[object]:
        assert first(repo, space)
        return []

    monkeypatch.setattr(summary, "generations", gone)
    assert index_status(again(builder), builder.space).lists is None


def test_the_candidates_of_many_queries_do_not_lie_in_memory_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = store(tmp_path, [400])
    built(builder)
    queries = clustered(50, seed=5)
    together, first, asked_at_once = Answers(builder, queries).hits, Approximate.candidates, []

    def candidates(self: Approximate, queries: Floats, *rest: Any) -> Any:
        asked_at_once.append(len(queries))
        return first(self, queries, *rest)

    monkeypatch.setattr(nearest, "_QUERIES", 20, raising=False)
    monkeypatch.setattr(Approximate, "candidates", candidates)
    apart = Answers(builder, queries).hits
    assert max(asked_at_once) == 20
    assert (apart.scores == together.scores).all() and (apart.rows == together.rows).all()
