"""Arbitrary bytes where an old index should be: a list or an index, or a UsageError that says why not; nothing else."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vstore.errors import UsageError
from vstore.importing.bundles import Bundle, open_bundle
from vstore.importing.faiss_structure import structure
from vstore.importing.metadata import read_metadata
from vstore.importing.npy_source import NpySource
from vstore.importing.rclip import RclipSource

QUICK = settings(
    max_examples=int(os.environ.get("VSTORE_EXAMPLES", "200")), deadline=None, suppress_health_check=list(HealthCheck)
)
TEXTS = st.text(max_size=30)
NUMBERS = st.one_of(st.integers(), st.floats(), st.just(10**400))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.text(min_size=4090, max_size=4100, alphabet="a/\n"))
FIELDS = st.one_of(st.sampled_from(["path", "file", "images", "row", "index", "size", "mtime", "0", "1"]), TEXTS)
VALUES = st.recursive(
    SCALARS, lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(FIELDS, below, max_size=4))
)
ENDINGS = st.sampled_from([".json", ".jsonl", ".csv", ".tsv", ".txt", ".parquet"])


def read(data: bytes, ending: str, reading: Callable[[Path], Any]) -> Any:
    """Read, or return None where it is refused by a UsageError of one paragraph."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"old{ending}"
        path.write_bytes(data)
        try:
            return reading(path)
        except UsageError as err:
            assert err.message
            assert len(err.message) < 2000
            return None


@given(st.binary(max_size=400), ENDINGS)
@QUICK
def test_a_list_of_any_bytes_is_a_list_of_paths_or_refused(data: bytes, ending: str) -> None:
    found = read(data, ending, lambda path: read_metadata(path, 3))
    assert found is None or all(isinstance(entry.path, bytes) for entry in found.entries)


@given(VALUES, st.sampled_from([".json", ".jsonl"]))
@QUICK
def test_any_json_is_a_list_of_paths_or_refused(value: Any, ending: str) -> None:
    found = read(json.dumps(value).encode(), ending, lambda path: read_metadata(path, 2))
    assert found is None or all(isinstance(entry.path, bytes) for entry in found.entries)


@pytest.mark.parametrize("opening", ["[", '{"images":', '{"a":'])
def test_json_that_is_nested_without_end_is_refused(opening: str) -> None:
    assert read(opening.encode() * 100_000, ".json", lambda path: read_metadata(path, 1)) is None


def _saved(rows: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, rows)
    return out.getvalue()


ROWS = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
QUANTISER = faiss.IndexFlatIP(8)
INVERTED = faiss.IndexIVFFlat(QUANTISER, 8, 2, faiss.METRIC_INNER_PRODUCT)
INVERTED.cp.min_points_per_centroid = 1
INVERTED.train(ROWS)
NUMBERED = faiss.IndexIDMap(faiss.IndexFlatIP(8))
NUMBERED.add_with_ids(ROWS, np.arange(40))
GRAPH, REFINED = faiss.IndexHNSWFlat(8, 4), faiss.index_factory(8, "SQ8,RFlat")
REFINED.train(ROWS)
FLAT, HALF = faiss.IndexFlatIP(8), faiss.IndexScalarQuantizer(8, faiss.ScalarQuantizer.QT_fp16)
for index in (INVERTED, FLAT, HALF, GRAPH, REFINED):
    index.add(ROWS)
INDEXES = [
    np.asarray(faiss.serialize_index(index)).tobytes() for index in (FLAT, HALF, INVERTED, NUMBERED, GRAPH, REFINED)
]


@given(st.sampled_from(INDEXES), st.data())
@QUICK
def test_an_index_that_is_spoilt_anywhere_is_refused_or_has_as_many_rows_as_it_says(whole: bytes, data: Any) -> None:
    spoilt = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, min(len(spoilt) - 1, 400)))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(spoilt)))
    found = read(bytes(spoilt[: end or None]), ".faiss", structure)
    assert found is None or 0 <= found.rows * found.dim <= len(whole)


@given(st.binary(max_size=300), st.data())
@QUICK
def test_an_npy_of_any_bytes_has_rows_or_is_refused(junk: bytes, data: Any) -> None:
    whole = _saved(ROWS)
    at = data.draw(st.integers(0, len(whole)))
    for bytes_ in (junk, whole[:at] + junk, whole[:at] + junk + whole[at + len(junk) :]):
        found = read(bytes_, ".npy", lambda path: NpySource([path]))
        if found is not None:
            assert found.rows * found.dim * 2 <= len(bytes_)


def _bundles() -> dict[str, bytes]:
    npz, compressed, parquet = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(npz, vectors=ROWS[:4], paths=np.array(["a", "b", "c", "d"]))
    np.savez_compressed(
        compressed, vectors=ROWS[:2], paths=np.array(['["r/a"]', '["r/b"]']), keys=np.array(["0" * 32] * 2)
    )
    pq.write_table(pa.table({"path": ["a", "b"], "vector": ROWS[:2].tolist()}), parquet)
    own = {"key": "0" * 32, "paths": ["pictures/a.png"], "vector": [0.5, 0.25]}
    return {
        ".npz": npz.getvalue(),
        ".compressed.npz": compressed.getvalue(),
        ".parquet": parquet.getvalue(),
        ".jsonl": json.dumps(own).encode() * 2,
    }


BUNDLES = _bundles()


@given(st.sampled_from(sorted(BUNDLES)), st.binary(max_size=60), st.data())
@QUICK
def test_vectors_with_their_list_of_any_bytes_are_read_or_refused(ending: str, junk: bytes, data: Any) -> None:
    whole = BUNDLES[ending]
    at = data.draw(st.integers(0, len(whole)))
    for bytes_ in (junk, whole[:at] + junk, whole[:at] + junk + whole[at + len(junk) :]):
        found = read(bytes_, ending, lambda path: _all_of(open_bundle(path, None, listed=False)))
        assert found is None or found.shape[1] >= 1


def _all_of(bundle: Bundle) -> np.ndarray:
    return bundle.source.block(0, bundle.source.rows)


@given(st.dictionaries(st.sampled_from(["key", "paths", "vector", "paths_b64", "path"]), VALUES, max_size=5))
@QUICK
def test_any_line_is_a_vector_with_its_paths_or_refused(value: Any) -> None:
    read(json.dumps(value).encode(), ".jsonl", lambda path: open_bundle(path, None, listed=False))


@given(st.binary(max_size=300))
@QUICK
def test_a_table_of_rclip_of_any_bytes_is_refused(junk: bytes) -> None:
    for data in (junk, b"SQLite format 3\0" + junk):
        assert read(data, ".db", RclipSource) is None
