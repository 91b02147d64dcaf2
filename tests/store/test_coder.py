"""The lists that are nearest to a query."""

from __future__ import annotations

import numpy as np
import pytest

from vstore.approximate.coder import FEW, Coder
from vstore.packages import faiss_module

DIM, LISTS = 16, 40


def unit(rows: int, seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal((rows, DIM)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.mark.parametrize("count", [1, 7, LISTS])
def test_few_queries_get_the_lists_that_many_get(count: int) -> None:
    coder, queries = Coder(unit(LISTS, 0)), unit(2 * FEW, 1)
    lists, scores = coder.nearest_lists(queries, count)
    assert lists.dtype == np.int64 and (np.diff(scores, axis=1) <= 0).all()
    for at in range(2 * FEW):
        few, near = coder.nearest_lists(queries[at : at + 1], count)
        assert few.dtype == np.int64 and few.tolist() == lists[at : at + 1].tolist()
        np.testing.assert_allclose(near, scores[at : at + 1], atol=1e-6)


def test_few_queries_take_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    coder, faiss, threads = Coder(unit(LISTS, 0)), faiss_module(), []
    search = coder._quantizer.search

    def noting(*args: object) -> object:
        threads.append(faiss.omp_get_max_threads())
        return search(*args)

    monkeypatch.setattr(coder._quantizer, "search", noting)
    before = faiss.omp_get_max_threads()
    coder.nearest_lists(unit(FEW - 1, 1), 3)
    assert threads == [1] and faiss.omp_get_max_threads() == before
