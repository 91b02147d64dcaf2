"""Rows without a vector, as databases keep those of pictures that were not embedded, cost no other row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as pq
import pytest
from support.old_indexes import OldIndex, states

from vstore.errors import UsageError
from vstore.store import Store


@pytest.fixture
def old(tmp_path: Path) -> OldIndex:
    return OldIndex(tmp_path)


FIXED = pyarrow.list_(pyarrow.float32(), 8)
FREE = pyarrow.list_(pyarrow.float32())


def parquet(old: OldIndex, vectors: list[Any], kind: pyarrow.DataType, **options: Any) -> Any:
    path = old.top / "old.parquet"
    if kind is FIXED and None in vectors and int(pyarrow.__version__.split(".")[0]) < 21:
        pytest.skip("the oldest pyarrow writes and reads no list of a fixed length that is null")
    pq.write_table(pyarrow.table({"path": old.paths, "vector": pyarrow.array(vectors, kind)}), path, **options)
    return Store.import_new(old.folder, embeddings=path, root=old.pictures)


def lines(old: OldIndex, rows: list[dict[str, Any]]) -> Any:
    path = old.top / "old.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Store.import_new(old.folder, embeddings=path, root=old.pictures)


def with_holes(old: OldIndex, holes: dict[int, Any]) -> list[Any]:
    return [holes.get(number, row.tolist()) for number, row in enumerate(old.rows)]


def assert_taken(old: OldIndex, report: Any, holes: dict[int, Any]) -> None:
    assert states(report) == {"matched": 12 - len(holes), "unfit": len(holes)}
    assert [row.row for row in report.of("unfit")] == sorted(holes)
    assert {row.reason for row in report.of("unfit")} == {"it has no vector, or one of NaN, infinity or zeros"}
    stored = old.stored()
    rounded = old.rows.astype(np.float16)
    for number in range(12):
        if number in holes:
            assert old.key(number) not in stored
        else:
            assert np.abs(stored[old.key(number)].astype(float) - rounded[number]).max() < 1e-3


@pytest.mark.parametrize("kind", [FIXED, FREE], ids=["fixed", "free"])
@pytest.mark.parametrize("group", [1, 2, 5, 100])
@pytest.mark.parametrize("holes", [(3,), (0, 1, 2), (11,), (0, 5, 6, 7, 11)])
def test_null_vectors_of_parquet_are_left_out(
    old: OldIndex, kind: pyarrow.DataType, group: int, holes: tuple[int, ...]
) -> None:
    missing = dict.fromkeys(holes)
    assert_taken(old, parquet(old, with_holes(old, missing), kind, row_group_size=group), missing)


def test_vectors_with_null_in_them_and_empty_ones_are_left_out(old: OldIndex) -> None:
    holes = {2: [], 4: [None] * 8, 6: [1.0, *[0.0] * 6, None]}
    assert_taken(old, parquet(old, with_holes(old, holes), FREE), holes)


def test_vectors_of_several_lengths_are_still_refused(old: OldIndex) -> None:
    """They are of two models."""
    with pytest.raises(UsageError, match="vectors of several lengths"):
        parquet(old, with_holes(old, {3: [1.0] * 7, 4: None}), FREE)
    with pytest.raises(UsageError, match="vectors of several lengths"):
        parquet(old, with_holes(old, {11: [1.0] * 7}), FREE, row_group_size=1)


@pytest.mark.parametrize("kind", [FIXED, FREE], ids=["fixed", "free"])
def test_a_column_without_any_vector_is_refused(old: OldIndex, kind: pyarrow.DataType) -> None:
    with pytest.raises(UsageError, match="holds no vector"):
        parquet(old, [None] * 12, kind)


@pytest.mark.parametrize("hole", [{"vector": None}, {"vector": []}, {"vector": [None] * 8}, {}])
@pytest.mark.parametrize("rows", [(0, 1), (4,), (11,)])
def test_json_lines_without_a_vector_are_left_out(old: OldIndex, hole: dict[str, Any], rows: tuple[int, ...]) -> None:
    vectors = old.rows.tolist()
    said = [{"path": p, **(hole if n in rows else {"vector": vectors[n]})} for n, p in enumerate(old.paths)]
    assert_taken(old, lines(old, said), dict.fromkeys(rows))


def test_json_lines_without_any_vector_are_refused(old: OldIndex) -> None:
    with pytest.raises(UsageError, match="no line has a vector"):
        lines(old, [{"path": path, "vector": None} for path in old.paths])


def test_a_note_counts_them(old: OldIndex) -> None:
    report = parquet(old, with_holes(old, {3: None, 4: None}), FIXED)
    assert "2 rows have no vector, or one of NaN or infinity; left out: 3, 4" in report.notes


# One picture in several rows, as a database has it where a row was added again instead of being replaced


def test_a_path_that_is_listed_twice_with_different_vectors_is_said_as_that(old: OldIndex) -> None:
    from vstore.importing.report import ImportRefused

    paths = [*old.paths[:10], old.paths[0], old.paths[1]]
    old.write(paths)
    with pytest.raises(
        ImportRefused, match="2 paths are listed twice, with different vectors: rows 0 and 10 "
    ) as caught:
        old.new()
    assert "order" not in str(caught.value)
    assert "one row of each" in (caught.value.next_step or "")
    report = old.new(force=True)
    assert states(report) == {"matched": 10, "duplicated": 2}
    assert any(note.startswith("forced: 2 paths are listed twice") for note in report.notes)


def test_other_rows_of_one_picture_still_mean_a_broken_order(old: OldIndex) -> None:
    from vstore.importing.report import ImportRefused

    old.put({"p11.png": 0})
    old.write([*old.paths[:9], old.paths[0], *old.paths[10:]])
    with pytest.raises(ImportRefused, match="the order of the rows is broken"):
        old.new()
