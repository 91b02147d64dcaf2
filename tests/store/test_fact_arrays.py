"""Columns of facts as arrays: the same that is read row by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builder import HASH, Builder, key
from support.facts import PREPARED, UNKNOWN, Pages, made, rows

from vstore.errors import Damage
from vstore.format import facts
from vstore.format.fact_arrays import FactArrays, gathered
from vstore.format.fact_pages import FactPage, encode_facts
from vstore.format.fact_runs import Run, merged, new_run
from vstore.format.facts import Column, Fact, Value
from vstore.repository.facts import fact_arrays, facts_of, runs_of

COLUMNS = [*facts.KNOWN, PREPARED, facts.flat({"policy": 1}), UNKNOWN, Column("a new one", "t"), Column("none", "8")]


def as_rows(found: FactArrays) -> dict[bytes, dict[Column, Value]]:
    """Write arrays as rows."""
    every: dict[bytes, dict[Column, Value]] = {}
    for row, one in enumerate(found.keys):
        values = {column: values.value(row) for column, values in found.columns.items()}
        every[bytes(one)] = {column: value for column, value in values.items() if value is not None}
    return every


@given(runs=st.lists(rows(4, max_size=6), max_size=5), columns=st.lists(st.sampled_from(COLUMNS), unique=True))
def test_arrays_say_the_same_as_rows_of_any_runs(runs: list[list[Fact]], columns: list[Column]) -> None:
    leaves = [FactPage(encode_facts(run, 4), 4) for run in runs]
    found = gathered(leaves, columns, 4)
    assert list(found.columns) == columns
    assert as_rows(found) == {
        fact.key: {column: value for column, value in fact.values.items() if column in columns} for fact in merged(runs)
    }
    for values in found.columns.values():
        assert not values.values[~values.there].any() and len(values.there) == len(found.keys)


def test_the_arrays_of_a_store_are_those_of_all_its_runs(builder: Builder) -> None:
    builder.add_facts(made(1, range(3000)))
    builder.add_facts(made(2, range(2000, 4000), reader=0))
    builder.add_facts(made(3, range(10, 20), reader=2))
    found = fact_arrays(builder.repo, COLUMNS)
    every = facts_of(builder.repo, [fact.key for run in runs_of(builder.repo) for fact in run])
    assert as_rows(found) == {key: fact.values for key, fact in sorted(every.items())}
    wanted = [key(5), b"\0" * 16, key(3999), b"\xff" * 16]
    at = found.rows_of(b"".join(wanted))
    assert [bytes(found.keys[row]) if row >= 0 else None for row in at] == [key(5), None, key(3999), None]


def test_a_store_without_facts_gives_empty_arrays(builder: Builder) -> None:
    found = fact_arrays(builder.repo, COLUMNS)
    assert as_rows(found) == {} and list(found.columns) == COLUMNS
    assert found.rows_of(key(1)).tolist() == [-1]


def test_keys_that_end_in_zeros_are_keys(builder: Builder) -> None:
    keys = [bytes(16), bytes(15) + b"\1", b"\1" + bytes(15), b"\1\0\1" + bytes(13)]
    builder.add_facts([Fact(one, 1, {facts.WIDTH: at}) for at, one in enumerate(keys)])
    found = fact_arrays(builder.repo, [facts.WIDTH])
    assert [bytes(one) for one in found.keys] == keys
    assert found.rows_of(b"".join(keys)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("column", "value", "harm"),
    [
        (facts.LATITUDE, 5.0, b"\0\0\0\0\0\0\xf8\x7f"),
        (facts.WIDTH, 5, None),
        (facts.FORMAT, "JP", b"\xff\xff"),
    ],
)
def test_what_is_no_column_is_damage(column: Column, value: Value, harm: bytes | None) -> None:
    data = encode_facts([Fact(b"a" * 16, 1, {column: value})], 16)
    page = data[: -len(harm)] + harm if harm else data[:-5] + b"\0" + data[-4:]  # no bit, or no number or text
    with pytest.raises(Damage):
        gathered([FactPage(page, 16)], [column], 16)


def test_a_value_out_of_its_range_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.delitem(facts.RANGES, facts.ORIENTATION)
        page = encode_facts(
            [Fact(b"a" * 16, 1, {facts.ORIENTATION: 9}), Fact(b"b" * 16, 1, {facts.ORIENTATION: 8})], 16
        )
    found = gathered([FactPage(page, 16)], [facts.ORIENTATION], 16).columns[facts.ORIENTATION]
    assert found.there.tolist() == [False, True] and found.values.tolist() == [0, 8]


def test_keys_that_do_not_rise_are_damage() -> None:
    page = encode_facts([Fact(b"a" * 16, 1, {}), Fact(b"b" * 16, 1, {})], 16)
    with pytest.raises(Damage):
        gathered([FactPage(page.replace(b"b" * 16, b"a" * 16), 16)], [facts.WIDTH], 16)


def test_only_the_columns_asked_for_are_read() -> None:
    pages = Pages()
    new = new_run(HASH, made(1, range(3000)))
    assert new is not None
    pages.stored |= new.pages
    found = gathered(Run(HASH, pages.fetch, new.ref).leaves(), [facts.CAMERA], 16)
    assert found.columns[facts.CAMERA].texts and found.columns[facts.CAMERA].values.dtype == np.int32
    assert sorted(pages.read) == sorted(new.pages)
