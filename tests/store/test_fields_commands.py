"""The commands about fields: set and taken away, read from files and written to them, with their types."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.folders import World

from vstore.errors import Interrupted, UsageError
from vstore.fields import change, load, save, spool
from vstore.fields.load import DIFFERENT
from vstore.format.fields import FieldValue
from vstore.format.list_columns import LeftColumn
from vstore.repository.fields import every_field, set_fields
from vstore.store import Store

Fields = dict[tuple[bytes, str], FieldValue]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.put({f"{name}.png": number for number, name in enumerate("abcdef")})
    world.sync()
    return world


def fields(store: Store) -> Fields:
    repo = store._repo
    repo.reload()
    return {(one.key, one.name): one.value for one in every_field(repo, repo.state.current_snapshot)}


def of(store: Store, name: str) -> dict[str, FieldValue]:
    """The values of a field by the first paths of its pictures."""
    repo = store._repo
    paths = {key: os.fsdecode(path) for path, key in sorted(repo.tree(repo.state.current_snapshot), reverse=True)}
    return {paths[key]: value for (key, one), value in fields(store).items() if one == name and key in paths}


EVERY: dict[str, Any] = {
    "text": 'ü\n"x",\'\0',
    "empty": "",
    "int": -5,
    "zero": 0,
    "float": 1.0,
    "tiny": 5e-324,
    "yes": True,
    "no": False,
    "date": datetime(2024, 5, 6, 7, 8, 9, 10, UTC),
    "first": datetime.min.replace(tzinfo=UTC),
    "last": datetime.max.replace(tzinfo=UTC),
    "list": ("a", "", "ü"),
    "none": (),
    "key": "called as a column",
    "paths": 3,
    "field.x": True,
    "field.key": 1,
    "a.b": "dot",
}


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_fields_come_back_from_a_file_with_their_types(world: World, tmp_path: Path, format: str) -> None:
    with world.store as store:
        a, b, c = f"{world.pictures.name}/a.png", f"{world.pictures.name}/b.png", f"{world.pictures.name}/c.png"
        store.fields_set(EVERY, [a, b])
        store.fields_set({"int": "text", "text": 5, "mixed": ["a"]}, [c])
        store.fields_set({"mixed": EVERY["date"]}, [b])
        before = fields(store)
        report = store.fields_export(tmp_path / f"x.{format}")
        assert (report.pictures, report.fields) == (3, len(before))
        store.fields_unset([row.name for row in store.fields_list()], all_pictures=True)
        assert fields(store) == {}
        read = store.fields_import(tmp_path / f"x.{format}")
        assert (read.added, read.unknown, read.left) == (len(before), 0, ())
        after = fields(store)
    assert after == before
    assert {at: type(value) for at, value in after.items()} == {at: type(value) for at, value in before.items()}


def test_fields_of_pictures_without_a_path_come_back(world: World, tmp_path: Path) -> None:
    with world.store as store:
        set_fields(store._repo, {(b"k" * 16, "label"): "cat"})
        store.fields_export(tmp_path / "x.jsonl")
        assert json.loads((tmp_path / "x.jsonl").read_text()) == {"key": "6b" * 16, "paths": [], "label": "cat"}
        assert store.fields_import(tmp_path / "x.jsonl").kept == 1


@pytest.mark.parametrize(
    ("format", "found"),
    [
        ("csv", False),
        ("csv", True),
        ("parquet", False),
        ("parquet", True),
        ("clip-retrieval", False),
        ("jsonl", False),
        ("jsonl", True),
    ],
)
def test_of_what_export_wrote_only_the_fields_are_read(world: World, tmp_path: Path, format: str, found: bool) -> None:
    """Facts, files and scores are no fields; a field that has the name of one is that field."""
    with world.another() as store:
        repo = store._repo
        first, second = sorted(set(repo.tree(repo.state.current_snapshot).every_key()))[:2]
        said: Fields = {(first, "camera"): "mine", (first, "file"): "f", (second, "width"): 7, (second, "label"): "x"}
        if format != "csv":
            said |= {(first, "mixed"): 1, (second, "mixed"): datetime(2024, 5, 6, tzinfo=UTC)}
        set_fields(repo, said)
        store.facts(fill=True)
        store.export(
            tmp_path / "x.csv", format=format, operands=[os.fspath(world.pictures / "a.png")] if found else [], k=99
        )
        table = tmp_path / "x.csv" if format != "clip-retrieval" else tmp_path / "x.csv/metadata/metadata_0.parquet"
        read = "parquet" if format == "clip-retrieval" else format
        kept = fields(store)
        assert kept == said
        report = store.fields_import(table, format=read)
        assert (report.snapshot, report.left, report.kept) == (None, (), len(said))
        for name in {name for _, name in said}:
            store.fields_unset([name], all_pictures=True)
        assert fields(store) == {}
        assert store.fields_import(table, format=read).added == len(said)
        assert fields(store) == said


@pytest.mark.parametrize("mark", [b"json", b'{"field": "x", "json": true}', b"{" * 100_000, b'{"a":' * 100_000])
def test_columns_marked_by_a_stranger_are_an_error(world: World, tmp_path: Path, mark: bytes) -> None:
    schema = pa.schema([pa.field("path", pa.string()), pa.field("x", pa.string(), metadata={b"vstore": mark})])
    pq.write_table(pa.table([[f"{world.pictures.name}/a.png"], ["[" * 100_000]], schema), tmp_path / "x.parquet")
    with world.another() as store, pytest.raises(UsageError, match="cannot be read as parquet: it is not valid"):
        store.fields_import(tmp_path / "x.parquet")


@pytest.mark.parametrize("whole", [True, False], ids=["vstore export", "fields export"])
def test_a_csv_that_was_written_leaves_types_as_they_are(world: World, tmp_path: Path, whole: bool) -> None:
    with world.another() as store:
        key = min(store._repo.tree(store._repo.state.current_snapshot).every_key())
        values = (True, datetime(2024, 5, 6, 7, 8, 9, 10, UTC), ("a", "ü, b"), 5, 0.5, "5x")
        said: Fields = {(key, f"f{number}"): value for number, value in enumerate(values)}
        set_fields(store._repo, said)
        if whole:
            store.export(tmp_path / "x.csv", format="csv")
        else:
            store.fields_export(tmp_path / "x.csv")
        report = store.fields_import(tmp_path / "x.csv")
        assert (report.snapshot, report.kept, fields(store)) == (None, len(said), said)
        text = (tmp_path / "x.csv").read_text()
        assert "true" in text
        (tmp_path / "x.csv").write_text(text.replace("true", "false").replace("5x", "6x"))
        assert store.fields_import(tmp_path / "x.csv").replaced == 2
        assert fields(store) == said | {(key, "f0"): False, (key, "f5"): "6x"}


def test_a_csv_of_numbers_makes_numbers_of_texts(world: World, tmp_path: Path) -> None:
    with world.another() as store:
        store.fields_set({"stars": "5"}, [os.fspath(world.pictures / "a.png")])
        (tmp_path / "x.csv").write_text(f"path,stars\n{world.pictures.name}/a.png,5\n")
        assert store.fields_import(tmp_path / "x.csv").replaced == 1
        assert list(fields(store).values()) == [5]


@pytest.mark.parametrize("form", ["csv", "parquet", "numbered"])
def test_an_export_that_a_program_wrote_again_is_one(world: World, tmp_path: Path, form: str) -> None:
    """pandas drops what the metadata of columns says, and numbers the rows of a CSV."""
    with world.another() as store:
        store.facts(fill=True)
        store.fields_set({"camera": "mine"}, [os.fspath(world.pictures / "a.png")])
        store.export(tmp_path / "x", format="parquet" if form == "parquet" else "csv")
        if form == "parquet":
            table = pq.read_table(tmp_path / "x")
            table = table.append_column("label", [["cat"] * len(table)]).replace_schema_metadata(None)
            bare = pa.schema([field.remove_metadata() for field in table.schema])
            pq.write_table(table.cast(bare), tmp_path / "y")
        else:
            head, *rows = (tmp_path / "x").read_text().splitlines()
            lines = [f"{head},label", *(f"{row},cat" for row in rows)]
            if form == "numbered":
                lines = [f"{number - 1 if number else ''},{line}" for number, line in enumerate(lines)]
            (tmp_path / "y").write_text("\n".join(lines))
        report = store.fields_import(tmp_path / "y", format="parquet" if form == "parquet" else "csv")
        assert {row.name for row in store.fields_list()} == {"camera", "label"}
        assert (report.replaced, report.kept, report.left) == (0, 1, ())


def test_a_line_of_an_export_has_what_was_added_to_it(world: World, tmp_path: Path) -> None:
    with world.another() as store:
        store.export(tmp_path / "x.jsonl", format="jsonl")
        line = json.loads((tmp_path / "x.jsonl").read_text().splitlines()[0])
        added = {"fields": {"path": "p", "when": "2024-05-06T00:00:00Z"}, "field_times": ["when"], "rating": 5}
        (tmp_path / "x.jsonl").write_text(json.dumps(line | added))
        assert store.fields_import(tmp_path / "x.jsonl").left == ()
        key = bytes.fromhex(line["key"])
        when = datetime(2024, 5, 6, tzinfo=UTC)
        assert fields(store) == {(key, "path"): "p", (key, "when"): when, (key, "rating"): 5}
        (tmp_path / "x.jsonl").write_text(json.dumps(line | added | {"fields": {"when": "never"}}))
        with pytest.raises(UsageError, match="line 1 has a field of field_times that is no time"):
            store.fields_import(tmp_path / "x.jsonl")


def test_one_word_is_one_picture_and_one_field(world: World) -> None:
    path = f"{world.pictures.name}/a.png"
    with world.another() as store:
        store.fields_set({"ab": "x", "a": "y", "b": "z"}, path)
        assert of(store, "ab") == {path: "x"}
        assert store.fields_unset("ab", all_pictures=True).removed == 1
        assert store.fields_unset("a", world.pictures / "a.png").removed == 1
        assert of(store, "b") == {path: "z"}
        with pytest.raises(UsageError, match="the name of a field cannot be 5"):
            store.fields_set({5: "x"}, [path])  # type: ignore[dict-item]


def test_a_time_that_no_field_has_is_left_out_of_a_parquet_file(world: World, tmp_path: Path) -> None:
    columns = {
        "path": [f"{world.pictures.name}/{name}.png" for name in "ab"],
        "far": pa.array([9_000_000_000_000, 0], pa.timestamp("s")),
        "old": pa.array([-9_000_000_000_000, 0], pa.timestamp("s", "UTC")),
        "nowhere": pa.array([1, 2], pa.timestamp("us", "Nowhere/Land")),
        "label": ["x", "y"],
    }
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with world.another() as store:
        report = store.fields_import(tmp_path / "x.parquet")
        why = "times outside the years 1 to 9999"
        assert report.left == (LeftColumn("far", why, 1, 1), LeftColumn("old", why, 1, 1))
        assert {one.name: one.pictures for one in report.fields} == {"far": 1, "label": 2, "nowhere": 2, "old": 1}
        first, second = (f"{world.pictures.name}/{name}.png" for name in "ab")
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        assert of(store, "far") == of(store, "old") == {second: epoch}
        assert of(store, "nowhere")[first] == epoch.replace(microsecond=1)


def test_a_table_with_a_field_called_file_is_no_export(world: World, tmp_path: Path) -> None:
    with world.another() as store:
        key = min(store._repo.tree(store._repo.state.current_snapshot).every_key())
        said: Fields = {(key, "file"): "f", (key, "width"): 7, (key, "reader"): 1}
        set_fields(store._repo, said)
        for name in ("x.csv", "x.parquet"):
            store.fields_export(tmp_path / name)
            store.undo()
            store.fields_import(tmp_path / name)
            assert fields(store) == said


def test_whole_numbers_among_decimal_ones_of_a_csv_are_numbers(world: World, tmp_path: Path) -> None:
    label = world.pictures.name
    text = f"path,weight,exact,version\n{label}/a.png,4.5,4.5,1.5\n{label}/b.png,10,{(1 << 53) + 1},01\n"
    (tmp_path / "x.csv").write_text(text)
    with world.another() as store:
        store.fields_import(tmp_path / "x.csv")
        assert of(store, "weight") == {f"{label}/a.png": 4.5, f"{label}/b.png": 10.0}
        assert all(isinstance(value, float) for value in of(store, "weight").values())
        assert of(store, "exact") == {f"{label}/a.png": "4.5", f"{label}/b.png": str((1 << 53) + 1)}
        assert of(store, "version") == {f"{label}/a.png": "1.5", f"{label}/b.png": "01"}
        assert [one.path for one in store.ls(where="weight > 9").entries] == [f"{label}/b.png".encode()]


def test_a_csv_is_typed_column_by_column(world: World, tmp_path: Path) -> None:
    label = world.pictures.name
    text = f'path,n,code,mean,caption\r\n{label}/a.png,1,007,0.5,"two\r\nlines, ""ü"""\r\n{label}/b.png,2,8,,\r\n'
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "y.csv").write_bytes(text.encode("utf-16"))
    for name in ("x.csv", "y.csv"):
        with world.another() as store:
            report = store.fields_import(tmp_path / name)
            assert (report.rows, report.added) == (2, 6)
            assert of(store, "n") == {f"{label}/a.png": 1, f"{label}/b.png": 2}
            assert of(store, "code") == {f"{label}/a.png": "007", f"{label}/b.png": "8"}
            assert of(store, "mean") == {f"{label}/a.png": 0.5}
            assert of(store, "caption") == {f"{label}/a.png": 'two\r\nlines, "ü"'}
            store.undo()


def test_rows_name_pictures_by_stored_path_file_and_key(world: World, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(world.pictures)
    with world.store as store:
        repo = store._repo
        keys = dict(repo.tree(repo.state.current_snapshot))
        label = world.pictures.name
        words = [
            f"{label}/a.png",
            str(world.pictures / "b.png"),
            "./c.png",
            keys[os.fsencode(f"{label}/d.png")].hex().upper(),
            "nothing.png",
            "f" * 32,
            "",
        ]
        lines = [json.dumps({"what": word, "label": number}) for number, word in enumerate(words)]
        (tmp_path / "x.jsonl").write_text("\n".join(lines))
        for few in (1_000, 1):
            monkeypatch.setattr(load, "_FEW", few)
            report = store.fields_import(tmp_path / "x.jsonl", by="what")
            assert of(store, "label") == {f"{label}/{name}.png": number for number, name in enumerate("abcd")}
            assert [(one.row, one.word) for one in report.examples] == [(5, "nothing.png"), (6, "f" * 32), (7, "")]
            assert (report.rows, report.unknown, report.by) == (7, 3, ("what",))
            store.undo()


def test_what_is_read_in_many_blocks_is_the_same(world: World, tmp_path: Path, monkeypatch: Any) -> None:
    for module, name in ((change, "BLOCK"), (change, "_FEW"), (load, "_BLOCK"), (spool, "_BLOCK"), (load, "_FEW")):
        monkeypatch.setattr(module, name, 1)
    label = world.pictures.name
    rows = [f"{label}/{name}.png,{name},{number}" for number, name in enumerate("fabdce")]
    (tmp_path / "x.csv").write_text("\n".join(["path,name,number", *rows]))
    with world.store as store:
        report = store.fields_import(tmp_path / "x.csv")
        assert (report.added, report.pictures) == (12, 6)
        assert of(store, "name") == {f"{label}/{name}.png": name for name in "abcdef"}
        assert of(store, "number") == {f"{label}/{name}.png": number for number, name in enumerate("fabdce")}
        store.fields_export(tmp_path / "x.jsonl")
        assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 6


def test_what_cannot_be_a_field_is_left_and_named(world: World, tmp_path: Path) -> None:
    path = f"{world.pictures.name}/a.png"
    rows = [
        {"path": path, "huge": "x" * 65_537, "nan": float("nan"), "inf": float("inf"), "ok": 1, "null": None},
        {"path": path, "ok": 2, "vector": [1.0, 2.0], "object": {"a": 1}, "": "no name"},
        {"path": path, "ok": 1, "big": 2**63, "bad": "\ud800"},
    ]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with world.store as store:
        report = store.fields_import(tmp_path / "x.jsonl")
        assert fields(store) == {(key, "ok"): 1 for key, _ in fields(store)}
    assert report.left == tuple(
        sorted(
            [
                LeftColumn("huge", "text of more than 65,536 bytes", 1, 1),
                LeftColumn("inf", "infinite numbers", 1, 1),
                LeftColumn("ok", DIFFERENT, 1, 2),
                LeftColumn("vector", "lists of numbers", 1, 2),
                LeftColumn("object", "objects", 1, 2),
                LeftColumn("", load.NO_NAME, 1, 2),
                LeftColumn("big", "whole numbers beyond 64 bits", 1, 3),
                LeftColumn("bad", "text that is no Unicode", 1, 3),
            ]
        )
    )


def test_columns_of_parquet_that_are_no_fields_are_left(world: World, tmp_path: Path) -> None:
    columns = {
        "file": pa.array([f"{world.pictures.name}/a.png", None]),
        "vector": pa.array([[1.0], [2.0]]),
        "raw": pa.array([b"x", b"y"]),
        "label": pa.array(["cat", "dog"]).dictionary_encode(),
        "day": pa.array([1, 2], pa.date32()),
    }
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with world.store as store:
        report = store.fields_import(tmp_path / "x.parquet")
        assert [(one.name, one.why) for one in report.left] == [("raw", "bytes"), ("vector", "lists of numbers")]
        assert (report.rows, report.unknown, report.added) == (2, 1, 2)
        assert list(of(store, "day").values()) == [datetime(1970, 1, 2, tzinfo=UTC)]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()], ids=str)
def test_days_of_parquet_are_times(world: World, tmp_path: Path, kind: pa.DataType) -> None:
    """As `fields set --type date` makes them; and one that no field has is left out alone."""
    paths = [f"{world.pictures.name}/{name}.png" for name in "abc"]
    far = 10_000 * 366 * (86_400_000 if kind == pa.date64() else 1)
    days = pa.array([0, far, None], pa.int64()).cast(pa.int32() if kind == pa.date32() else pa.int64()).cast(kind)
    pq.write_table(pa.table({"path": paths, "day": days}), tmp_path / "x.parquet")
    with world.another() as store:
        report = store.fields_import(tmp_path / "x.parquet")
        assert of(store, "day") == {paths[0]: datetime(1970, 1, 1, tzinfo=UTC)}
        assert [(one.name, one.values) for one in report.left] == [("day", 1)]


def test_text_of_parquet_that_is_no_unicode_is_left_out_alone(world: World, tmp_path: Path) -> None:
    paths = [os.fsencode(f"{world.pictures.name}/{name}.png") for name in "abc"] + [b"p/\xff.png"]
    texts = pa.array([b"cat", b"\xff\xfe", None, b"dog"], pa.binary()).view(pa.string())
    lists = pa.array([["a"], None, [], ["b"]], pa.list_(pa.string()))
    odd = pa.ListArray.from_arrays(lists.offsets, pa.array([b"\xff", b"b"], pa.binary()).view(pa.string()))
    table = pa.table({"path": pa.array(paths, pa.binary()).view(pa.string()), "label": texts, "tags": odd})
    pq.write_table(table, tmp_path / "x.parquet")
    with world.another() as store:
        report = store.fields_import(tmp_path / "x.parquet")
        assert of(store, "label") == {os.fsdecode(paths[0]): "cat"}
        why = "text that is no Unicode"
        assert report.left == (LeftColumn("label", why, 1, 2), LeftColumn("tags", why, 1, 1))
        assert [(one.row, one.word) for one in report.examples] == [(4, "p/\\xff.png")]


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_of_two_columns_of_one_field_the_first_counts(world: World, tmp_path: Path, name: str) -> None:
    path = f"{world.pictures.name}/a.png"
    row = {"path": path, "field.label": "first", "label": "second", "field.x": "same", "x": "same"}
    text = json.dumps(row) if name == "x.jsonl" else f"{','.join(row)}\n{','.join(row.values())}\n"
    (tmp_path / name).write_text(text)
    with world.another() as store:
        report = store.fields_import(tmp_path / name)
        assert of(store, "label") == {path: "first"} and of(store, "x") == {path: "same"}
        assert report.left == (LeftColumn("label", load.SAME_FIELD, 1, 1 if name == "x.jsonl" else 2),)


def test_a_long_cell_of_a_csv_is_left_out_alone(world: World, tmp_path: Path) -> None:
    label = world.pictures.name
    (tmp_path / "x.csv").write_text(f"path,label,caption\n{label}/a.png,cat,{'x' * 200_000}\n{label}/b.png,dog,short\n")
    with world.another() as store:
        report = store.fields_import(tmp_path / "x.csv")
        assert of(store, "label") == {f"{label}/a.png": "cat", f"{label}/b.png": "dog"}
        assert of(store, "caption") == {f"{label}/b.png": "short"}
        assert report.left == (LeftColumn("caption", "text of more than 65,536 bytes", 1, 2),)


def test_truths_of_a_csv_are_truths(world: World, tmp_path: Path) -> None:
    """As pandas, spreadsheets and `fields export` write them; one other cell makes the column text."""
    label = world.pictures.name
    text = f"path,pandas,excel,own,text\n{label}/a.png,True,TRUE,true,True\n{label}/b.png,False,,false,maybe\n"
    (tmp_path / "x.csv").write_text(text)
    with world.another() as store:
        store.fields_import(tmp_path / "x.csv")
        a, b = f"{label}/a.png", f"{label}/b.png"
        assert of(store, "pandas") == of(store, "own") == {a: True, b: False}
        assert of(store, "excel") == {a: True} and type(of(store, "excel")[a]) is bool
        assert of(store, "text") == {a: "True", b: "maybe"}


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("x.csv", b"", "it is empty"),
        ("x.csv", b"a,b\n1,2\n", "no column has a known name for pictures: 'a', 'b'"),
        ("x.csv", b"path,b\nx,1\ny\n", "line 3 has 1 column, its header 2"),
        ("x.csv", b'path,b\nx,"1\n', "line 2 is not valid CSV"),
        ("x.csv", b"path,b\nx,\xff\n", "it is not UTF-8, in or after line"),
        ("x.csv", b"path,path\nx,y\n", "several columns are called 'path'"),
        ("x.jsonl", b'{"path": "x"}\n[1]\n', "line 2 is no object"),
        ("x.jsonl", b'{"path": "x"}\n{\n', "line 2 is not JSON"),
        ("x.jsonl", b'{"path": "\xff"}\n', "it is not UTF-8, in or after line 1"),
        ("x.jsonl", b'{"path": "x", "t": {"$date": "soon"}}\n', "line 1 has a $date that is no time"),
        ("x.jsonl", b'{"label": "x"}\n', "no column has a known name for pictures: 'label'"),
        ("x.jsonl", b"[" * 100_000, "line 1 is not JSON"),
        ("x.parquet", b"no parquet", "it is not valid"),
        ("x.json", b"[]", "the format of"),
    ],
)
def test_a_file_that_is_not_valid_changes_nothing(
    world: World, tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with world.store as store:
        before = store.stats().snapshots
        with pytest.raises(UsageError, match=said.replace("$", r"\$")):
            store.fields_import(tmp_path / name)
        assert store.stats().snapshots == before


def test_a_stop_changes_nothing(world: World, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    (tmp_path / "x.csv").write_text(f"path,label\n{world.pictures.name}/a.png,cat\n")
    with world.store as store:
        with pytest.raises(Interrupted):
            store.fields_import(tmp_path / "x.csv", stop=stop)
        assert fields(store) == {}


def test_a_dry_run_counts_and_changes_nothing(world: World, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"path,label\n{world.pictures.name}/a.png,cat\n")
    with world.store as store:
        report = store.fields_import(tmp_path / "x.csv", dry_run=True)
        assert (report.added, report.pictures, report.snapshot, report.dry_run) == (1, 1, None, True)
        assert fields(store) == {}


def test_fields_that_another_process_sets_meanwhile_stay(world: World, tmp_path: Path, monkeypatch: Any) -> None:
    label = world.pictures.name
    (tmp_path / "x.csv").write_text(f"path,label\n{label}/a.png,cat\n")
    with world.store as store, world.another() as other:
        publish = change.publish_fields

        def later(*words: Any) -> Any:
            monkeypatch.setattr(change, "publish_fields", publish)
            other.fields_set({"label": "dog", "stars": 5}, [f"{label}/a.png"])
            return publish(*words)

        monkeypatch.setattr(change, "publish_fields", later)
        report = store.fields_import(tmp_path / "x.csv")
        assert (report.added, report.replaced) == (0, 1)
        assert (of(store, "label"), of(store, "stars")) == ({f"{label}/a.png": "cat"}, {f"{label}/a.png": 5})


def test_a_path_that_another_process_takes_away_meanwhile_gives_no_field(
    world: World, tmp_path: Path, monkeypatch: Any
) -> None:
    label = world.pictures.name
    (tmp_path / "x.csv").write_text(f"path,label\n{label}/a.png,cat\n{label}/b.png,dog\n")
    with world.another() as store, world.another() as other:
        publish = change.publish_fields

        def later(*words: Any) -> Any:
            monkeypatch.setattr(change, "publish_fields", publish)
            (world.pictures / "a.png").unlink()
            other.sync([world.pictures])
            return publish(*words)

        monkeypatch.setattr(change, "publish_fields", later)
        report = store.fields_import(tmp_path / "x.csv")
        assert (report.added, report.unknown, [one.row for one in report.examples]) == (1, 1, [2])
        assert list(fields(store).values()) == ["dog"]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_export_that_begins_again_after_a_gc_has_each_row_once(world: World, monkeypatch: Any, format: str) -> None:
    with world.another() as store, world.another() as other:
        store.fields_set({"label": "cat"}, [f"{world.pictures.name}/{name}.png" for name in "ab"])
        whole = io.BytesIO()
        store.fields_export(whole, format=format)
        write = save._WRITERS[format]

        def collected(file: Any, *words: Any) -> None:
            monkeypatch.setitem(save._WRITERS, format, write)
            write(file, *words)
            other.snapshot_tag("v1", "kept")
            raise FileNotFoundError(errno.ENOENT, "collected", str(world.folder / "packs/gone"))

        monkeypatch.setitem(save._WRITERS, format, collected)
        again = io.BytesIO()
        report = store.fields_export(again, format=format)
        assert (again.getvalue(), report.pictures) == (whole.getvalue(), 2)


def test_a_file_is_known_by_its_content(world: World, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.png"
    copy.write_bytes((world.pictures / "a.png").read_bytes())
    (tmp_path / "new.png").write_bytes(b"unknown")
    with world.store as store:
        store.fields_set({"label": "cat"}, [copy])
        assert of(store, "label") == {f"{world.pictures.name}/a.png": "cat"}
        with pytest.raises(UsageError, match="is in no snapshot"):
            store.fields_set({"label": "cat"}, [tmp_path / "new.png"])


def test_any_text_of_a_csv_comes_back(world: World, tmp_path: Path) -> None:
    several = ["\r", "\n", "a\r\nb", '"', ",", " x ", "\0", "\ufeff", "'"]
    texts = {f"t{number}": text for number, text in enumerate(several)}
    with world.store as store:
        store.fields_set(texts, [f"{world.pictures.name}/a.png"])
        store.fields_export(tmp_path / "x.csv")
        assert b"\r\n" not in (tmp_path / "x.csv").read_bytes().replace(b"a\r\nb", b"")
        report = store.fields_import(tmp_path / "x.csv")
        assert (report.kept, report.added, report.replaced) == (len(texts), 0, 0)


def test_fields_are_carried_to_edited_pictures(world: World) -> None:
    label = world.pictures.name
    with world.store as store:
        store.fields_set({"label": "cat", "stars": 5}, [f"{label}/a.png", f"{label}/b.png", f"{label}/c.png"])
        store.fields_set({"label": "old"}, [f"{label}/d.png"])
        world.put({"a.png": 20, "b.png": 21, "c.png": 3, "d.png": 22})  # c has the picture of d
        report = world.sync()
        assert report.fields_left == 3
        assert (
            "3 edited pictures lack fields that they had: those stay with the old content; "
            "hand them on with: vstore fields carry v3"
        ) in report.notes
        store.fields_set({"label": "mine"}, [f"{label}/b.png"])
        tried = store.fields_carry("v3", dry_run=True)
        assert (tried.snapshot, tried.added, tried.kept, tried.paths) == (None, 4, 1, 3)
        carried = store.fields_carry("v3")
        assert carried.examples == tuple(os.fsencode(f"{label}/{name}.png") for name in "abd")
        assert of(store, "label") == {
            f"{label}/a.png": "cat",
            f"{label}/b.png": "mine",
            f"{label}/c.png": "old",  # its picture is that which was at d
            f"{label}/d.png": "old",
        }
        assert of(store, "stars") == {f"{label}/a.png": 5, f"{label}/b.png": 5}
        assert store.fields_carry("v3", replace=True).replaced == 1
        assert of(store, "label")[f"{label}/b.png"] == "cat"
        assert store.fields_carry("v3").snapshot is None


def test_a_sync_says_nothing_where_no_field_stays_behind(world: World) -> None:
    label = world.pictures.name
    world.put({"a.png": 20})
    with world.another() as store:
        assert world.sync().fields_left == 0
        store.fields_set({"label": "cat"}, [f"{label}/a.png"])
        world.put({"g.png": 20, "b.png": 20})
        (world.pictures / "a.png").unlink()
        assert world.sync().fields_left == 0
        world.put({"g.png": 23})
        assert world.status().fields_left == 1
        assert any(note.startswith("1 edited picture would lack fields that it had") for note in world.status().notes)


def test_prune_takes_the_fields_of_pictures_without_a_path(world: World) -> None:
    label = world.pictures.name
    with world.store as store:
        store.fields_set({"label": "cat", "stars": 5}, [f"{label}/a.png", f"{label}/b.png"])
        assert store.fields_prune().snapshot is None
        (world.pictures / "a.png").unlink()
        world.sync()
        assert len(fields(store)) == 4
        assert store.fields_prune(dry_run=True).removed == 2
        report = store.fields_prune(message="clean")
        assert (report.removed, report.pictures) == (2, 1)
        assert len(fields(store)) == 2
        store.undo()
        assert len(fields(store)) == 4


@pytest.mark.parametrize("values", [{"a": None}, {"a": b"x"}, {"a": float("nan")}, {"a": [1]}, {"a\n": 1}, {}])
def test_what_is_no_value_is_refused(world: World, values: dict[str, Any]) -> None:
    with world.store as store, pytest.raises(UsageError):
        store.fields_set(values, [f"{world.pictures.name}/a.png"])


@pytest.mark.parametrize(
    ("values", "pictures", "said"),
    [
        (["pictures/a.png"], {"label": "cat"}, r"\['pictures/a.png'\] is no mapping of fields; give the fields first"),
        ("label=cat", ["pictures/a.png"], "'label=cat' is no mapping of fields; give the fields first"),
        ({"label": "cat"}, {"pictures/a.png": "cat"}, "fields are no pictures; give the fields first"),
        ({"label": "cat"}, 3, "3 is neither a path or text nor a list of these"),
        ({"label": "cat"}, [3], "3 is no path; give a str or a Path"),
        ({3: "cat"}, ["pictures/a.png"], "3"),
    ],
)
def test_slips_of_a_program_are_refused_in_words(world: World, values: Any, pictures: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        world.store.fields_set(values, pictures)
    assert fields(world.store) == {}


def test_names_that_are_no_texts_are_refused_in_words(world: World) -> None:
    world.store.fields_set({"label": "cat"}, ["pictures/b.png"])
    before = fields(world.store)
    with pytest.raises(UsageError, match="neither a path or text"):
        world.store.fields_unset(3, ["pictures/a.png"])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="3 is no name of a field"):
        world.store.fields_unset([3], ["pictures/a.png"])  # type: ignore[list-item]
    assert fields(world.store) == before
