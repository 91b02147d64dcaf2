"""--where over stores: what columns mean, which paths and pictures fit, and that a filter comes before k."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builder import RECIPE, Builder, aliases, key
from support.folders import World

from vstore.browse.times import taken_at
from vstore.errors import UsageError
from vstore.format import facts
from vstore.format.facts import Column, Fact, Value
from vstore.format.fields import FieldValue
from vstore.repository.fields import set_fields
from vstore.search import chosen
from vstore.search.operand import Operand
from vstore.store import Store
from vstore.turns import Turn
from vstore.where import table
from vstore.where.columns import COLUMNS
from vstore.where.expression import read_expression
from vstore.where.loaded import loaded
from vstore.where.table import Table, load
from vstore.where.values import Coded, _taken, written

MICROSECOND = timedelta(microseconds=1)
Ask = Callable[..., list[str]]


def moment(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1)) // MICROSECOND


def taken_of(builder: Builder, values: Mapping[int, Mapping[Column, Value]]) -> None:
    builder.add_facts([Fact(key(number), 1, one) for number, one in values.items()])


def fields(builder: Builder, values: Mapping[tuple[int, str], FieldValue]) -> None:
    set_fields(builder.repo, {(key(number), name): value for (number, name), value in values.items()})


@pytest.fixture
def filled(builder: Builder) -> Builder:
    """A store of eight pictures; the last is at two paths, and the one before it has neither facts nor fields."""
    builder.add_pictures({**aliases(0, 1, 2, 3, 4, 5, 6, 7), b"s/x/copy.png": aliases(7)[b"r/7.png"]})
    taken_of(
        builder,
        {
            0: {facts.CAMERA: "Canon EOS R5", facts.TAKEN: moment("2024-06-01T12:00:00.25"), facts.WIDTH: 4000},
            1: {facts.CAMERA: "Canon EOS R5", facts.TAKEN: moment("2023-12-31T23:59:59"), facts.WIDTH: 100},
            2: {facts.CAMERA: "NIKON Z 6", facts.TAKEN: moment("2024-07-01T00:00:00"), facts.RATING: 5},
            3: {facts.CAMERA: "", facts.LATITUDE: -33.5, facts.LONGITUDE: 0.0, facts.BYTES: (1 << 64) - 1},
            4: {facts.FORMAT: "PNG", facts.ORIENTATION: 6, facts.FRAMES: 3, facts.ALTITUDE: 8.25, facts.ZONE: -420},
            5: {facts.pixels(RECIPE["prepare"]): b"p" * 16, facts.flat(RECIPE["prepare"]): 1},  # type: ignore[arg-type]
            7: {facts.pixels(RECIPE["prepare"]): b"q" * 16, facts.LENS: "RF 50"},  # type: ignore[arg-type]
        },
    )
    fields(
        builder,
        {
            (0, "label"): "cat",
            (1, "label"): "dog",
            (2, "label"): ("cat", "sofa"),
            (3, "label"): True,
            (4, "my label"): "it's",
            (0, "camera"): "borrowed",
            (1, "Score"): 0.5,
            (2, "Score"): 2,
            (3, "seen"): datetime(2024, 5, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            (9, "gone"): "of no picture here",
        },
    )
    return builder


@pytest.fixture
def ask(filled: Builder) -> Ask:
    """List the paths that fit, by `ls`; `find` must agree."""

    def names(where: str, **words: Any) -> list[str]:
        with Store(filled.repo.layout.folder) as store:
            found = [one.path for one in store.ls(where=where, **words).entries]
            assert [one.path for one in store.find_pictures("*", where=where, **words).entries] == found
        return [path.decode() for path in found]

    return names


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("camera like 'canon%'", "01"),
        ("camera = 'Canon EOS R5' and taken >= '2024'", "0"),
        ("taken = '2024-06-01T12:00:00'", "0"),
        ("taken >= '2024-06'", "02"),
        ("taken < '2024-01-01'", "1"),
        ("date(taken) = '2024-06-01' and strftime('%H', taken) = '12'", "0"),
        ("taken is null", "34567 "),
        ("camera is null", "4567 "),
        ("camera = ''", "3"),
        ("not camera like 'canon%'", "23"),
        ("width > 99", "01"),
        ("width > '99'", "01"),
        ("CAMERA like 'NIKON%' and Rating = 5", "2"),
        ("rating >= 4 or width < 200", "12"),
        ("latitude < 0 and longitude = 0", "3"),
        ("bytes > 9e18", "3"),
        ("format = 'PNG' and orientation = 6 and frames = 3 and altitude = 8.25 and zone = -420", "4"),
        ("flat", "5"),
        ("flat = 0", "7 "),
        ("flat is null", "012346"),
        ("lens = 'RF 50'", "7 "),
        (f"key = '{key(4).hex()}'", "4"),
        ("key like 'zz%'", ""),
        ("label = 'cat'", "0"),
        ("has(label, 'cat')", "02"),
        ("has(label, 'sofa') or has(label, 'dog')", "12"),
        ("label = 1", "3"),
        ("label is null", "4567 "),
        ("\"my label\" = 'it''s'", "4"),
        ("field.\"my label\" like '%''s'", "4"),
        ("field.camera = 'borrowed' and fact.camera like 'Canon%'", "0"),
        ('score >= 0.5 and "Score" < 1', "1"),
        ("score / 2 = 1", "2"),
        ("seen = '2024-04-30T23:00:00Z'", "3"),
        ("gone is null", "01234567 "),
        ("path = 'r/5.png'", "5"),
        ("name like '7%'", "7"),
        ("folder = 's/x'", " "),
        ("folder = 'r' and lens is not null", "7"),
        ("path not like 'r/%'", " "),
        ("modified is null", "01234567 "),
        ("1", "01234567 "),
        ("0", ""),
        ("null", ""),
    ],
)
def test_an_expression_chooses_paths_of_pictures(ask: Ask, where: str, found: str) -> None:
    assert ask(where) == ["s/x/copy.png" if one == " " else f"r/{one}.png" for one in found]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("camra = 'x'", "no such column: camra; did you mean camera?"),
        ("lable = 'x'", "no such column: lable; did you mean label?"),
        ('camera = "Canon"', "no such column: \"Canon\"; a text stands in single quotes: 'Canon'"),
        ("camera = Canon", "no such column: Canon; if a text is meant, it stands in single quotes: 'Canon'"),
        ('camera = "it\'s"', "no such column: \"it's\"; a text stands in single quotes: 'it''s'"),
        ("fact.label = 'x'", "no such column: fact.label"),
        ("field.width = 5", "no such column: field.width"),
        ('"CAMERA" = 1', 'no such column: "CAMERA"'),
        ("rowid = 1", "no such column: rowid"),
        ("c0 = 1", "no such column: c0"),
        ("n = 1", "no such column: n"),
    ],
)
def test_a_name_that_means_nothing_is_said_with_the_names_there_are(ask: Ask, where: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        ask(where)
    assert caught.value.message.startswith(said)
    assert ("the columns are bytes, width" in caught.value.next_step) is not where.startswith("field.")
    assert ("the fields are Score, camera, gone, label" in caught.value.next_step) is not where.startswith("fact.")


def test_a_name_in_two_cases_is_asked_for_in_quotes(filled: Builder, ask: Ask) -> None:
    fields(filled, {(5, "Label"): "cat"})
    assert ask("label = 'cat'") == ["r/0.png"] and ask("\"Label\" = 'cat'") == ["r/5.png"]
    with pytest.raises(UsageError, match='LABEL may be any of several fields: "Label" and "label"'):
        ask("LABEL = 'cat'")


def test_a_field_of_an_older_snapshot_is_asked_for_there(filled: Builder, ask: Ask) -> None:
    before = filled.repo.state.current
    fields(filled, {(0, "label"): "dog", (1, "new"): 1})
    assert ask("label = 'dog'") == ["r/0.png", "r/1.png"]
    assert ask("label = 'dog'", at=before) == ["r/1.png"]
    with pytest.raises(UsageError, match="no such column: new"):
        ask("new = 1", at=before)


def hits(found: Any) -> list[tuple[str, ...]]:
    return [tuple(path.decode() for path in hit.paths) for hit in found.hits]


def query(number: int) -> list[Operand]:
    return [Operand(1.0, image=b"r/%d.png" % number)]


def test_a_search_finds_the_nearest_of_those_that_fit(filled: Builder) -> None:
    with Store(filled.repo.layout.folder) as store, store.view() as view:
        every = hits(store.search(query(0), k=8))
        for search in (store.search, view.search):
            assert hits(search(query(0), k=8, where="camera like 'Canon%'")) == [p for p in every if p[0][2] in "01"]
            nearest = [paths for paths in every if paths[0][2] in "123"][:2]
            assert hits(search(query(0), k=2, where=f"label is not null and key <> '{key(0).hex()}'")) == nearest
            assert hits(search(query(0), k=8, where="lens = 'RF 50'")) == [("r/7.png", "s/x/copy.png")]
            assert hits(search(query(0), k=8, where="name like 'copy%'")) == [("s/x/copy.png",)]
            assert hits(search(query(0), k=8, where="name = '7.png'", under="r")) == [("r/7.png",)]
            assert hits(search(query(0), k=8, where="name = '7.png'", under="s")) == []
            assert hits(search(query(0), k=8, where="0")) == []
            with pytest.raises(UsageError, match="no such column: camra"):
                search(query(0), where="camra = 1")


def test_a_search_with_a_filter_and_since_another_snapshot(filled: Builder) -> None:
    filled.add_pictures({**aliases(*range(10))})
    with Store(filled.repo.layout.folder) as store:
        found = store.search(query(0), k=20, new_since="v1", where=f"key <> '{key(8).hex()}'")
        assert hits(found) == [("r/9.png",)]


def test_tables_of_a_view_are_loaded_once_and_few_are_kept(filled: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def counting(repo: Any, snapshot: Any, pictures: Any, expression: Any) -> Any:
        loaded.append(expression.text)
        return load(repo, snapshot, pictures, expression)

    monkeypatch.setattr(chosen, "load", counting)
    with Store(filled.repo.layout.folder) as store, store.view() as view:
        for where in ("width > 5", "width > 3", "width > 5 and width < 200", "path like '%7%'", "path = 'r/7.png'"):
            view.search(query(0), where=where)
            view.search(query(1), where=where)
        assert loaded == ["width > 5", "path like '%7%'"]
        for name in COLUMNS:
            view.search(query(0), where=f"{name} is null")
        assert view._now._tables is not None and len(view._now._tables._tables) == chosen._KEPT


def test_searches_of_a_store_share_what_they_read_until_something_is_published(
    filled: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def counting(repo: Any, snapshot: Any, pictures: Any, expression: Any) -> Any:
        loaded.append(expression.text)
        return load(repo, snapshot, pictures, expression)

    monkeypatch.setattr(chosen, "load", counting)
    with Store(filled.repo.layout.folder) as store:
        for where in ("width > 5", "width > 3", "width > 5"):
            assert len(store.search(query(0), where=where).hits) == 2
        assert loaded == ["width > 5"]
        assert len(store.search(query(0), at="v1", where="width > 3").hits) == 2
        taken_of(filled, {5: {facts.WIDTH: 7}})
        assert len(store.search(query(0), where="width > 5").hits) == 3
        assert loaded == ["width > 5", "width > 3", "width > 5"]
        for _ in range(2):
            assert len(store.search(query(0), k=9, where="modified is null").hits) == 8
        assert loaded[3:] == ["modified is null"] * 2


@pytest.mark.parametrize(("where", "times"), [("width > 5", 1), ("taken < datetime('now')", 2), ("zone < 9", 1)])
def test_what_depends_on_the_time_is_asked_each_time(
    filled: Builder, monkeypatch: pytest.MonkeyPatch, where: str, times: int
) -> None:
    asked: list[str] = []
    fitting = Table.fitting

    def counting(self: Table, expression: Any) -> Any:
        asked.append(expression.text)
        return fitting(self, expression)

    monkeypatch.setattr(Table, "fitting", counting)
    with Store(filled.repo.layout.folder) as store, store.view() as view:
        first, second = (view.search(query(0), where=where) for _ in range(2))
        assert first == second and asked == [where] * times


def test_pictures_without_facts_are_counted_where_facts_are_named(builder: Builder) -> None:
    builder.add_pictures(aliases(0, 1, 2, 3))
    taken_of(builder, {0: {facts.BYTES: 9, facts.WIDTH: 1}, 1: {facts.BYTES: 9}})
    builder.add_facts([Fact(key(2), 0, {facts.pixels(RECIPE["prepare"]): b"p" * 16})])  # type: ignore[arg-type]
    note = "of 2 pictures no facts were read yet, such as sizes and dates; fill them in with: vstore facts --fill"
    with Store(builder.repo.layout.folder) as store, store.view() as view:
        for where, notes in (("width = 1", (note,)), ("path = 'x' or width > 1", (note,)), ("flat is null", ())):
            assert store.search(key(0), where=where).notes == view.search(key(0), where=where).notes == notes
            assert [one.notes for one in view.search_many([key(0)] * 2, where=where)] == [notes] * 2
            assert store.ls(where=where).notes == store.find_pictures("*", where=where).notes == notes
            assert store.dupes(where=where).notes == notes
        assert store.ls("r/0.png", where="width = 1").notes == ()  # of those that are asked about


def test_one_view_answers_in_many_threads(filled: Builder) -> None:
    wanted = {f"width > {least}": least for least in range(90, 110)} | {f"name = '{n}.png'": n for n in range(8)}
    failed: list[object] = []
    with Store(filled.repo.layout.folder) as store, store.view() as view:
        alone = {where: hits(view.search(query(0), where=where)) for where in wanted}

        def run(turn: int) -> None:
            for where in [*wanted][turn:] + [*wanted][:turn]:
                found = hits(view.search(query(0), where=where))
                if found != alone[where]:
                    failed.append((where, found))

        threads = [threading.Thread(target=run, args=(3 * turn,)) for turn in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed


def test_a_view_outlives_its_fields_but_for_new_columns(filled: Builder) -> None:
    with Store(filled.repo.layout.folder) as store, store.view() as view:
        before = hits(view.search(query(0), where="label = 'cat' and width > 5"))
        fields(filled, {(0, "label"): "dog", (1, "label"): "cat"})
        store.snapshot_forget(keep_last=1)
        store.gc(drop_unnamed=True)
        assert hits(view.search(query(0), where="width > 6 and label = 'cat'")) == before == [("r/0.png",)]
        assert hits(view.search(query(0), where="width > 200")) == [("r/0.png",)]
        with pytest.raises(UsageError, match="it was forgotten since the view was opened"):
            view.search(query(0), where="score > 0")
        assert hits(store.search(query(0), where="label = 'cat'")) == [("r/1.png",)]


def test_duplicates_are_looked_for_among_paths_that_fit(filled: Builder) -> None:
    with Store(filled.repo.layout.folder) as store:
        assert [group.paths for group in store.dupes(where="lens = 'RF 50'").groups] == [(b"r/7.png", b"s/x/copy.png")]
        assert store.dupes(where="lens is null").groups == ()
        assert store.dupes(where="folder = 'r'").groups == ()
        assert [group.paths for group in store.dupes(near=0.99, where="name <> '3.png'").groups] == [
            (b"r/7.png", b"s/x/copy.png")
        ]
        assert store.dupes(near=0.99, where="folder = 'r'").groups == ()


def test_a_listing_below_a_folder_and_with_other_filters(filled: Builder) -> None:
    with Store(filled.repo.layout.folder) as store:
        assert [one.path for one in store.ls("s", where="lens = 'RF 50'").entries] == [b"s/x/copy.png"]
        assert [one.path for one in store.ls(new_since="v1", where="1").entries] == []
        assert [one.path for one in store.find_pictures("copy*", where="lens = 'RF 50'").entries] == [b"s/x/copy.png"]
        assert store.find_pictures("7*", where="0").near == ()
        with pytest.raises(UsageError, match="--where asks one"):
            store.find_pictures("*", all=True, where="1")
        with pytest.raises(UsageError, match="in no snapshot"):
            store.ls(failed=True, where="1")


@pytest.mark.parametrize("format", ["jsonl", "npz", "triple", "csv"])
def test_an_export_has_the_paths_that_fit(filled: Builder, tmp_path: Path, format: str) -> None:
    with Store(filled.repo.layout.folder) as store:
        made = store.export(tmp_path / "some", format=format, where="lens = 'RF 50' or rating = 5")
        assert (made.images, made.paths) == (2, 3)
        made = store.export(tmp_path / "one", format=format, where="folder = 's/x'")
        assert (made.images, made.paths) == (1, 1)
        made = store.export(tmp_path / "older", format=format, at="v1", where="key like '%' and flat is null")
        assert made.paths == 6
        made = store.export(tmp_path / "empty", format=format, where="0")
        assert (made.images, made.paths) == (0, 0)
        with pytest.raises(UsageError, match="no such column: camra"):
            store.export(tmp_path / "none", format=format, where="camra = 1")
        assert not (tmp_path / "none").exists()


def test_a_store_without_facts_or_fields_has_nothing_known(builder: Builder) -> None:
    builder.add_pictures(aliases(0, 1))
    with Store(builder.repo.layout.folder) as store:
        assert len(list(store.ls(where="camera is null and flat is null and modified is null").entries)) == 2
        with pytest.raises(UsageError, match="this snapshot has no fields"):
            store.ls(where="field.label = 1")
    builder.add_snapshot({})
    with Store(builder.repo.layout.folder) as store:
        assert list(store.ls(where="path = 'x' or width = 1 or key = 'x'").entries) == []


def test_a_path_that_is_no_text_is_asked_for_with_marks_in_its_place(builder: Builder) -> None:
    builder.add_snapshot({b"r/\xff.png": key(1), b"r/\xc3\xa9.png": key(2)})
    with Store(builder.repo.layout.folder) as store:
        assert [one.path for one in store.ls(where="name = '\ufffd.png'").entries] == [b"r/\xff.png"]
        assert [one.path for one in store.ls(where="name = 'é.png'").entries] == [b"r/\xc3\xa9.png"]


TYPED: st.SearchStrategy[FieldValue | None] = st.one_of(
    st.none(), st.sampled_from(["a", "b", "5"]), st.integers(-2, 5), st.sampled_from([0.5, 5.0]), st.booleans()
)


@pytest.mark.parametrize(("few", "largest"), [(1 << 22, 1 << 62), (0, 1 << 62), (0, 2)])
@given(st.lists(st.tuples(TYPED, TYPED), min_size=1, max_size=40))
def test_rows_that_are_alike_are_judged_as_each_would_be(
    few: int, largest: int, rows: list[tuple[FieldValue | None, FieldValue | None]]
) -> None:
    coded = []
    for column in zip(*rows, strict=True):
        known: list[Any] = [None]
        codes = []
        for value in [None if one is None else written(one) for one in column]:
            same = [at for at, one in enumerate(known) if type(one) is type(value) and one == value]
            if not same:
                known.append(value)
                same = [len(known) - 1]
            codes.append(same[0])
        coded.append(Coded(known, np.array(codes, np.int64)))
    expression = read_expression("x = y or typeof(x) = 'real' or x is null and y = 'a'")
    slots = {name: slot for slot, name in enumerate(expression.names)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_FEW", few)
        patch.setattr(table, "_LARGEST", largest)
        every = Table(slots, [loaded(one) for one in coded], len(rows)).fitting(expression).tolist()
    alone = [
        Table(slots, [loaded(Coded(one.values, one.codes[[row]])) for one in coded], 1) for row in range(len(rows))
    ]
    assert every == [bool(one.fitting(expression)[0]) for one in alone]


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-(10**17), 3 * 10**17), max_size=20))
def test_times_are_written_as_listings_have_them(moments: list[int]) -> None:
    assert _taken(np.array(moments, np.int64)) == [taken_at(one) for one in moments]


def test_modified_is_what_the_newest_sync_met(world: World) -> None:
    world.put({"a.png": 1, "b.png": 2})
    os.utime(world.pictures / "a.png", (0, 86_400))
    os.utime(world.pictures / "b.png", (0, 2 * 86_400))
    world.sync()
    found = world.store.ls(where="modified = '1970-01-02T00:00:00Z'")
    assert [one.path for one in found.entries] == [b"pictures/a.png"]
    world.put({"b.png": 3})
    world.sync()
    older = world.store.ls(at="v1", where="modified is null")
    assert [one.path for one in older.entries] == [b"pictures/b.png"]


def test_the_time_of_a_question_begins_with_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    expression = read_expression("width > 3")
    asked = Table({expression.names[0]: 0}, [loaded(Coded([None, *range(200_000)], np.arange(1, 200_001)))], 200_000)

    class Late(Turn):
        """A turn that comes after a minute."""

        def __enter__(self) -> None:
            super().__enter__()
            now[0] += 60

    asked._turn = Late()
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    assert asked.fitting(expression).sum() == 200_000 - 4
