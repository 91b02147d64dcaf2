"""Columns of --where in `cache/`: read where they are, never believed where they are harmed, old or a stranger's."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builder import RECIPE, Builder, aliases, key

from vstore.disk.cache import write_cache
from vstore.disk.written import note_written
from vstore.format import facts
from vstore.format.facts import Fact
from vstore.repository.fields import set_fields
from vstore.search import numbers
from vstore.search.operand import Operand
from vstore.store import Store
from vstore.where import kept, table
from vstore.where.engine import Engine
from vstore.where.expression import read_expression
from vstore.where.loaded import Loaded, loaded
from vstore.where.table import Table
from vstore.where.values import Coded

EXPRESSIONS = [
    "width > 150",
    "camera like 'Canon%' and label = 'cat'",
    "label = 'cat' or has(label, 'dog')",
    "flat",
    "bytes > 9e18",
    "score > 1 and width between 100 and 200 and rating is null",
    "label is null and name like '%.png'",
]
Answer = tuple[list[bytes], tuple[str, ...], list[bytes]]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the columns of small snapshots, too."""
    monkeypatch.setattr(kept, "_FROM", 1)
    monkeypatch.setattr(numbers, "_KEPT_FROM", 1)


@pytest.fixture
def filled(builder: Builder) -> Builder:
    builder.add_pictures(aliases(*range(6)))
    note(builder, 0, {facts.CAMERA: "Canon R5", facts.WIDTH: 100, facts.BYTES: (1 << 64) - 1})
    note(builder, 1, {facts.CAMERA: "NIKON", facts.WIDTH: 200, facts.BYTES: 5})
    note(builder, 2, {facts.flat(RECIPE["prepare"]): 1, facts.pixels(RECIPE["prepare"]): b"p" * 16})  # type: ignore[dict-item]
    label(builder, {(0, "label"): "cat", (1, "label"): ("dog", "cat"), (1, "score"): 1.5, (3, "score"): 7})
    return builder


def note(builder: Builder, number: int, values: Any) -> None:
    builder.add_facts([Fact(key(number), 1, values)])


def label(builder: Builder, values: dict[tuple[int, str], Any]) -> None:
    set_fields(builder.repo, {(key(number), name): value for (number, name), value in values.items()})


def answers(builder: Builder, **words: Any) -> dict[str, Answer]:
    """Ask a store that was opened just now."""
    found = {}
    with Store(builder.repo.layout.folder) as store:
        for where in EXPRESSIONS:
            report = store.search(Operand(1.0, key=key(0)), k=20, where=where, **words)
            listed = [one.path for one in store.ls(where=where, **words).entries]
            found[where] = [path for hit in report.hits for path in hit.paths], report.notes, listed
    return found


def without(builder: Builder, monkeypatch: pytest.MonkeyPatch, **words: Any) -> dict[str, Answer]:
    """Ask without any such file."""
    with monkeypatch.context() as patch:
        patch.setattr(kept, "_FROM", 1 << 40)
        patch.setattr(numbers, "_KEPT_FROM", 1 << 40)
        return answers(builder, **words)


def files(builder: Builder, begin: str = "columns-") -> list[Path]:
    return sorted(path for path in builder.repo.layout.cache.iterdir() if path.name.startswith(begin))


def refuse(*args: Any) -> Any:
    raise AssertionError("columns are read from pages")


def test_a_second_program_reads_no_page_of_facts_or_fields(filled: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = without(filled, monkeypatch)
    assert not files(filled) and any(found[0] for found in expected.values())
    assert answers(filled) == expected
    assert len(files(filled)) == 7 + 1  # width, camera, label, flat, bytes, score, rating; the names of the fields
    monkeypatch.setattr(table, "facts_by_name", refuse)
    monkeypatch.setattr(table, "fields_by_name", refuse)
    monkeypatch.setattr(numbers, "rows_by_number", refuse)
    assert answers(filled) == expected


def test_a_small_snapshot_and_a_part_of_one_keep_nothing(filled: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(filled.repo.layout.folder) as store:
        assert [one.path for one in store.ls("r/0.png", where="width > 5").entries] == [b"r/0.png"]
        assert not files(filled)
        monkeypatch.setattr(kept, "_FROM", 7)
        assert len(list(store.ls(where="width > 5").entries)) == 2
        assert not files(filled)


def test_what_is_published_later_is_found(filled: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    changes: list[Callable[[], object]] = [
        lambda: note(filled, 3, {facts.WIDTH: 160, facts.BYTES: 3}),
        lambda: note(filled, 0, {facts.WIDTH: 999, facts.BYTES: 3}),
        lambda: label(filled, {(0, "label"): None, (4, "label"): "cat"}),
        lambda: label(filled, {(4, "score"): 100, (1, "score"): None}),
        lambda: filled.add_pictures(aliases(0, 4, 9)),
        lambda: label(filled, {(9, "label"): "cat", (9, "Other"): 1}),
    ]
    old = filled.repo.snapshot("current").name
    for change in changes:
        before = answers(filled)
        change()
        assert answers(filled) == without(filled, monkeypatch) != before
        assert answers(filled, at=old) == without(filled, monkeypatch, at=old)


@pytest.mark.parametrize("begin", ["columns-", "numbers-"])
@pytest.mark.parametrize("harm", ["bit", "cut", "empty", "gone", "swapped", "copied"])
def test_a_harmed_file_is_made_again(filled: Builder, begin: str, harm: str) -> None:
    expected = answers(filled)
    if begin == "numbers-":
        filled.add_pictures(aliases(*range(7)))
        expected = answers(filled)
    written = {path: path.read_bytes() for path in files(filled, begin)}
    some = [*written]
    for path, other in zip(some, some[1:] + some[:1], strict=True):
        data = written[path]
        if harm == "bit":
            path.write_bytes(data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :])
        elif harm == "cut":
            path.write_bytes(data[:-1])
        elif harm == "empty":
            path.write_bytes(b"")
        elif harm == "gone":
            path.unlink()
        elif harm == "swapped":
            path.write_bytes(written[other])
        else:
            stat = path.stat()
            path.unlink()
            path.write_bytes(data)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert answers(filled) == expected
    again = [path for path in written if path.exists() and path.read_bytes() == written[path]]
    assert len(again) == (len(written) if begin == "columns-" else 1) or harm == "copied"


def forged(builder: Builder, path: Path, content: bytes, *, noted: bool) -> None:
    write_cache(path.parent, path.name, content)
    if noted:
        note_written(path.parent, path.name)


def other_column(
    codes: list[int], values: list[Any], lacking: int = 0, width: str = "<u1", image: bytes = b""
) -> bytes:
    engine = Engine(["TEXT"])
    engine.load((value,) for value in values)
    head = struct.pack("<QQQ", len(codes), len(values), lacking)
    return head + np.array(codes, width).tobytes() + (image or engine.image())


def test_a_column_of_a_stranger_is_not_believed(filled: Builder) -> None:
    """Its form and its checksum are right, and it says that every picture is wanted."""
    expected = answers(filled)
    for path in files(filled):
        forged(filled, path, other_column([1] * 6, [None, "cat"]), noted=False)
        assert answers(filled) == expected


def database(sql: str) -> bytes:
    import sqlite3

    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript(sql)
        return made.serialize()


FORGED = {
    "nothing": b"",
    "no codes": struct.pack("<QQQ", 6, 2, 0),
    "huge": struct.pack("<QQQ", 1 << 63, 1 << 63, 0),
    "other pictures": other_column([1] * 5, [None, "cat"]),
    "no values": struct.pack("<QQQ", 6, 0, 0) + bytes(6),
    "code without a value": other_column([2] * 6, [None, "cat"]),
    "more lacking than there are": other_column([1] * 6, [None, "cat"], lacking=7),
    "more values than pictures": other_column([1] * 6, [None, *"abcdefgh"]),
    "no database": other_column([1] * 6, [None, "cat"], image=b"SQLite format 3\0" + bytes(5000)),
    "other values": other_column([1] * 6, [None, "cat"], image=database("create table p (n integer primary key, c0)")),
    "other table": other_column(
        [1] * 6, [None, "cat"], image=database("create table p (n, c0); insert into p values (1, 1), (2, 2)")
    ),
    "view": other_column([1] * 6, [None, "cat"], image=database("create view p as select 1 n, 2 c0")),
    "trigger": other_column(
        [1] * 6,
        [None, "cat"],
        image=database(
            "CREATE TABLE p (n INTEGER PRIMARY KEY, c0 TEXT); insert into p values (1, null), (2, 'cat');"
            "create trigger t after insert on p begin delete from p; end"
        ),
    ),
}


@pytest.mark.parametrize("content", FORGED.values(), ids=FORGED)
def test_a_column_that_is_none_is_made_again(filled: Builder, content: bytes) -> None:
    expected = answers(filled)
    for path in files(filled):
        data = path.read_bytes()
        forged(filled, path, content, noted=True)
        assert answers(filled) == expected
        assert path.read_bytes() == data


@pytest.mark.parametrize("content", [b"{}", b"[1]", b"[", b'"cat"'])
def test_names_of_fields_that_are_none_are_read_again(filled: Builder, content: bytes) -> None:
    expected = answers(filled)
    (path,) = (path for path in files(filled) if path.name.endswith("-names"))
    forged(filled, path, content, noted=True)
    assert answers(filled) == expected


@pytest.mark.parametrize("rows", [[0] * 6, [0, 1, 2, 3, 4, 6], [1 << 31] * 6, [0, 1, 2], [0, 1, 2, 3, 4, 4]])
def test_rows_that_are_those_of_other_pictures_are_found_again(filled: Builder, rows: list[int]) -> None:
    expected = answers(filled)
    (path,) = files(filled, "numbers-")
    data = path.read_bytes()
    forged(filled, path, np.array(rows, "<u4").tobytes(), noted=True)
    assert answers(filled) == expected
    assert path.read_bytes() == data


def test_columns_of_what_is_gone_leave_the_cache(filled: Builder) -> None:
    old = {*answers(filled)} and {*files(filled)}
    note(filled, 3, {facts.WIDTH: 160, facts.BYTES: 3})
    label(filled, {(5, "label"): "cat"})
    answers(filled)
    now = {*files(filled)} - old
    assert len(now) == len(old)
    with Store(filled.repo.layout.folder) as store:
        store.gc()
        assert {*files(filled)} == now | {path for path in old if path.name.split("-")[2] in fields_roots(filled)}
        store.snapshot_forget(keep_last=1)
        store.gc()
        assert {*files(filled)} == now


def fields_roots(builder: Builder) -> set[str]:
    return {snapshot.fields.hex()[:32] for snapshot in builder.repo.listing.kept()}


def test_few_files_are_kept_and_the_newest_always(filled: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = answers(filled)
    for name, most in (("_FILES", 2), ("_MOST", 20_000)):
        for path in files(filled):
            path.unlink()
        monkeypatch.setattr(kept, name, most)
        assert answers(filled) == expected == answers(filled)
        left = files(filled)
        assert 1 <= len(left) <= 2 and sum(path.stat().st_size for path in left) < 20_000


def test_where_nothing_can_be_written_all_is_read_each_time(filled: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = answers(filled)
    for path in files(filled):
        path.unlink()
    monkeypatch.setattr(kept, "write_written", lambda *args: False)
    assert answers(filled) == answers(filled) == expected
    assert not files(filled)


VALUES = st.none() | st.text(max_size=3) | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False)
VALUES |= st.binary(max_size=3)


@given(st.lists(VALUES, max_size=300, unique_by=lambda value: (type(value), value)), st.data())
def test_a_column_comes_back_as_it_was(values: list[Any], data: st.DataObject) -> None:
    listed = [None, *(value for value in values if value is not None)]
    codes = data.draw(st.lists(st.integers(0, len(listed) - 1), min_size=len(listed), max_size=400))
    column = loaded(Coded(listed, np.array(codes, np.int64)))
    again = Engine.of_image(column.engine.image(), column.engine.rows)
    assert again is not None and again.types == column.engine.types
    found = again.values()
    assert [*map(repr, found)] == [*map(repr, column.engine.values())]
    assert [repr(found[code]) for code in column.codes.tolist()] == [repr(listed[code]) for code in codes]


WORDS = st.sampled_from(["x", "y", "z", "1", "0", "null", "'a'"])


def compared(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "=", "<", "is", "and", "and"]), inner).map(" ".join),
        st.tuples(inner, inner, inner).map(lambda some: "{} between {} and {}".format(*some)),
        st.tuples(inner, inner, inner).map(lambda some: "case when {} and {} then {} end".format(*some)),
        inner.map(lambda one: f"( {one} )"),
        inner.map(lambda one: f"not {one}"),
    )


@given(
    st.recursive(WORDS, compared, max_leaves=12),
    st.lists(st.tuples(*[st.sampled_from([None, 0, 1, "a", "1"])] * 3), min_size=1, max_size=8),
)
def test_an_expression_that_is_cut_is_true_where_the_whole_is(text: str, rows: list[tuple[Any, ...]]) -> None:
    expression = read_expression(text)
    slots = {name: "xyz".index(name.name) for name in expression.names}
    columns = []
    for cells in zip(*rows, strict=True):
        listed = [None, *dict.fromkeys(cell for cell in cells if cell is not None)]
        columns.append(loaded(Coded(listed, np.array([listed.index(cell) for cell in cells], np.int64))))
    whole = Engine([column.engine.types[0] for column in columns])
    whole.load(rows)
    found = Table(slots, columns, len(rows)).fitting(expression).tolist()
    assert found == [one == "1" for one in whole.fitting(expression.sql(slots))]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a = 1 and b = 2 and has(c, 'and')", 3),
        ("a between 1 and 2 and b", 2),
        ("a between b and c between d and e", 1),
        ("(a and b)", 1),
        ("a and b or c", 1),
        ("(a or b) and c", 2),
        ("case when a and b then c or d end and e", 2),
        ("a = 'x and y' and \"and\" = 1", 2),
        ("not a and b", 2),
        ("1", 1),
    ],
)
def test_an_expression_is_cut_where_and_joins_it(text: str, parts: int) -> None:
    expression = read_expression(text)
    assert len(expression.conjuncts) == parts
    assert {name for part in expression.conjuncts for name in part.names} == {*expression.names}


def test_all_parts_of_an_expression_share_one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    late: list[float | None] = []
    fitting = Engine.fitting

    def noting(self: Engine, expression: str, at: float | None = None) -> str:
        late.append(at)
        return fitting(self, expression, at)

    monkeypatch.setattr(Engine, "fitting", noting)
    expression = read_expression("x and y and x < y")
    column: Loaded = loaded(Coded([None, 1], np.array([0, 1])))
    marks = Table({name: at for at, name in enumerate(expression.names)}, [column, column], 2).fitting(expression)
    assert marks.tolist() == [False, False]
    assert len(late) == 3 and len({*late}) == 1 and late[0] is not None
