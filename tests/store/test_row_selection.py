"""The selector of a snapshot's rows: it reaches no index that may not obey it, such as the classic ones of a GPU."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from support.builder import unit_vectors

import vstore
from vstore.row_selection import OBEDIENT, only_marked

MAKERS = ("IDSelector", "SearchParameters")


class GpuIndexFlatIP:
    """An index as the classic faiss-gpu has it: it takes a selector, and gives rows that it leaves out."""

    def __init__(self, rows: Any) -> None:
        self.rows, self.ntotal = rows, len(rows)
        self.was_asked = False

    def search(self, queries: Any, k: int, params: Any = None) -> Any:
        self.was_asked = True
        scores = queries @ self.rows.T
        order = np.argsort(-scores, axis=1)[:, :k]
        return np.take_along_axis(scores, order, axis=1), order


_held: list[Any] = []


def made(kind: str, rows: Any) -> Any:
    dim = rows.shape[1]
    quantizer = faiss.IndexFlatIP(dim)
    half, metric = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    index: Any = {
        "IndexFlatIP": lambda: faiss.IndexFlatIP(dim),
        "IndexFlatL2": lambda: faiss.IndexFlatL2(dim),
        "IndexScalarQuantizer": lambda: faiss.IndexScalarQuantizer(dim, half, metric),
        "IndexRaBitQ": lambda: faiss.IndexRaBitQ(dim, metric),
        "IndexIVFFlat": lambda: faiss.IndexIVFFlat(quantizer, dim, 4, metric),
        "IndexIVFScalarQuantizer": lambda: faiss.IndexIVFScalarQuantizer(quantizer, dim, 4, half, metric),
        "IndexIVFRaBitQ": lambda: faiss.IndexIVFRaBitQ(quantizer, dim, 4, metric),
    }[kind]()
    _held.append(quantizer)  # faiss 1.12 does not hold it for all kinds
    index.train(rows)
    index.add(rows)
    return index


@pytest.mark.parametrize("kind", OBEDIENT)
def test_each_kind_gives_marked_rows_alone(kind: str) -> None:
    rows = unit_vectors(400, 16, 3)
    marks = np.random.default_rng(4).random(len(rows)) < 0.1
    index, bits = made(kind, rows), np.packbits(marks, bitorder="little")
    more = {"nprobe": 4} if "IVF" in kind else {}
    found = index.search(rows[:50], int(marks.sum()), params=only_marked(faiss, index, bits, **more))[1]
    assert set(found[found >= 0].tolist()) == set(np.flatnonzero(marks).tolist())


def test_no_selector_reaches_an_index_of_a_gpu() -> None:
    rows = unit_vectors(40, 16, 3)
    index, bits = GpuIndexFlatIP(rows), np.packbits(np.arange(40) < 4, bitorder="little")
    with pytest.raises(TypeError, match="GpuIndexFlatIP may not obey"):
        index.search(rows[:1], 4, params=only_marked(faiss, index, bits))
    assert not index.was_asked


@pytest.mark.parametrize("kind", ["GpuIndexIVFFlat", "GpuIndexCagra", "IndexReplicas", "IndexShards", "IndexIDMap"])
def test_nor_one_that_may_lead_to_a_gpu(kind: str) -> None:
    with pytest.raises(TypeError, match=f"{kind} may not obey"):
        only_marked(faiss, type(kind, (), {})(), np.zeros(5, np.uint8))


def test_all_selectors_are_made_in_one_place() -> None:
    top = Path(vstore.__file__).parent
    found = {
        path.relative_to(top).as_posix()
        for path in top.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr.startswith(MAKERS)
    }
    assert found == {"row_selection.py"}
