"""What the list of an old index says of its pictures besides is kept as their fields."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as pq
import pytest
from support.folders import drawn
from support.format_1 import begin
from support.old_indexes import OldIndex

from vstore.check.run import check
from vstore.errors import MigrationNeeded, UsageError
from vstore.format.fields import FieldValue
from vstore.format.list_columns import KeptField, LeftColumn
from vstore.importing import fields as importing_fields
from vstore.importing import parquet_columns
from vstore.importing.fields import DIFFERENT, NO_NAME
from vstore.repository.fields import every_field, set_fields
from vstore.store import Store


@pytest.fixture
def old(tmp_path: Path) -> OldIndex:
    return OldIndex(tmp_path)


def fields(old: OldIndex) -> dict[str, dict[bytes, FieldValue]]:
    """The fields of the current snapshot: name -> key -> value."""
    repo = old.repo
    found: dict[str, dict[bytes, FieldValue]] = {}
    for field in every_field(repo, repo.state.current_snapshot):
        found.setdefault(field.name, {})[field.key] = field.value
    return found


def of(old: OldIndex, values: dict[int, Any]) -> dict[bytes, Any]:
    return {old.key(number): value for number, value in values.items()}


def listed(old: OldIndex, *entries: dict[str, Any], count: int = 12) -> list[dict[str, Any]]:
    """Objects for all pictures; the first ones say more."""
    said = [*entries, *({} for _ in range(count - len(entries)))]
    return [{"path": path, **more} for path, more in zip(old.paths, said, strict=True)]


def again(old: OldIndex, **options: Any) -> Any:
    with old.store as store:
        return store.import_index(**{**old.triple(), **options})


CAPTIONS = [f"picture {n} – ü" for n in range(12)]
RATINGS = [n % 5 for n in range(12)]
SCORES = [n / 8 + 0.5 for n in range(12)]


def write_list(old: OldIndex, kind: str) -> Path:
    path = old.top / f"list.{kind}"
    columns = {"path": old.paths, "caption": CAPTIONS, "rating": RATINGS, "score": SCORES}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    match kind:
        case "json":
            path.write_text(json.dumps(rows))
        case "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case "lists.json":
            path.write_text(json.dumps({"model": "clip", **columns}))
        case "numbered.json":
            path.write_text(json.dumps({name: dict(enumerate(column)) for name, column in columns.items()}))
        case "rows.json":
            path.write_text(json.dumps({str(number): row for number, row in reversed(list(enumerate(rows)))}))
        case "csv" | "tsv":
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, columns, delimiter="\t" if kind == "tsv" else ",")
                writer.writeheader()
                writer.writerows(rows)
        case "parquet":
            pq.write_table(pyarrow.table(columns), path)
    return path


@pytest.mark.parametrize("kind", ["json", "jsonl", "lists.json", "numbered.json", "rows.json", "csv", "tsv", "parquet"])
def test_the_other_columns_of_a_list_are_kept_as_fields(old: OldIndex, kind: str) -> None:
    report = old.new(metadata=write_list(old, kind))
    assert report.fields == tuple(KeptField(name, 12) for name in ("caption", "rating", "score"))
    assert report.fields_left == ()
    found = fields(old)
    assert found == {
        "caption": of(old, dict(enumerate(CAPTIONS))),
        "rating": of(old, dict(enumerate(RATINGS))),
        "score": of(old, dict(enumerate(SCORES))),
    }
    assert {type(value) for value in found["rating"].values()} == {int}
    assert old.repo.state.next_v == 2  # in the snapshot of the import itself
    assert not check(old.repo, read_data=True).problems


@pytest.mark.parametrize("kind", ["npz", "parquet", "jsonl", "clip-retrieval"])
def test_columns_beside_the_vectors_are_kept_as_fields(old: OldIndex, kind: str) -> None:
    vectors = old.rows.astype(np.float32)
    if kind == "npz":
        path = old.top / "all.npz"
        np.savez(path, vectors=vectors, paths=old.paths, caption=CAPTIONS, rating=np.array(RATINGS), score=SCORES)
    elif kind == "jsonl":
        path = old.top / "all.jsonl"
        rows = zip(old.paths, vectors.tolist(), CAPTIONS, RATINGS, SCORES, strict=True)
        names = ("path", "vector", "caption", "rating", "score")
        path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
    else:
        columns = {"caption": CAPTIONS, "rating": RATINGS, "score": SCORES}
        if kind == "parquet":
            path = old.top / "all.parquet"
            table = {"path": old.paths, "my_net": list(vectors), **columns}
            pq.write_table(pyarrow.table(table), path)
        else:
            path = old.top / "clip"
            for part, mine in enumerate((slice(0, 5), slice(5, 12))):
                for name in ("img_emb", "metadata"):
                    (path / name).mkdir(parents=True, exist_ok=True)
                np.save(path / "img_emb" / f"img_emb_{part}.npy", vectors[mine])
                table = {"image_path": old.paths[mine], **{name: column[mine] for name, column in columns.items()}}
                pq.write_table(pyarrow.table(table), path / "metadata" / f"metadata_{part}.parquet")
    named = {"clip_retrieval" if kind == "clip-retrieval" else "embeddings": path}
    report = Store.import_new(old.folder, root=old.pictures, **named)
    assert report.fields == tuple(KeptField(name, 12) for name in ("caption", "rating", "score"))
    assert report.fields_left == ()
    assert fields(old) == {
        "caption": of(old, dict(enumerate(CAPTIONS))),
        "rating": of(old, dict(enumerate(RATINGS))),
        "score": of(old, dict(enumerate(SCORES))),
    }


VALUES: list[tuple[Any, Any]] = [
    ("", ""),
    ("a\0b\n", "a\0b\n"),
    (True, True),
    (-(1 << 63), -(1 << 63)),
    (0.1, 0.1),
    (["a", "b", "a"], ("a", "b", "a")),
    ([], ()),
    ("x" * 65_536, "x" * 65_536),
    (None, None),
    (float("nan"), None),
]


@pytest.mark.parametrize(("value", "kept"), VALUES)
def test_values_keep_their_types(old: OldIndex, value: Any, kept: Any) -> None:
    old.write(listed(old, {"it": value}))
    report = old.new()
    assert report.fields_left == ()
    found = fields(old).get("it", {})
    assert found == ({} if kept is None else of(old, {0: kept}))
    assert [type(one) for one in found.values()] == ([] if kept is None else [type(kept)])


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (1 << 63, "whole numbers beyond 64 bits"),
        (10**400, "whole numbers beyond 64 bits"),
        (float("inf"), "infinite numbers"),
        ({"x": 1}, "objects"),
        ([1, 2], "lists of numbers"),
        (["a", 1], "lists that do not hold text alone"),
        ("\ud800", "text that is no Unicode"),
        (["\udcff"], "text that is no Unicode"),
        ("x" * 65_537, "text of more than 65,536 bytes"),
        (["x" * 40_000, "y" * 40_000], "text of more than 65,536 bytes"),
        (["x"] * 1001, "lists of more than 1,000 texts"),
    ],
)
def test_a_value_that_no_field_has_is_said_and_the_others_are_kept(old: OldIndex, value: Any, why: str) -> None:
    old.write(listed(old, {"it": 1}, {"it": value}, {"it": value}, {"it": "one"}))
    report = old.new()
    assert report.fields == (KeptField("it", 2),)
    assert report.fields_left == (LeftColumn("it", why, 2, 1),)
    assert fields(old) == {"it": of(old, {0: 1, 3: "one"})}
    assert report.to_json()["fields_left"] == [{"name": "it", "why": why, "values": 2, "first": 1}]


@pytest.mark.parametrize("name", ["", "x" * 201, "ü" * 101, "a\nb", "\x1b[31m", "\ud800"])
def test_a_column_whose_name_no_field_can_have_is_said(old: OldIndex, name: str) -> None:
    old.write(listed(old, {"caption": "one"}, {name: "two"}, {name: "three"}))
    report = old.new()
    assert report.fields_left == (LeftColumn(name, NO_NAME, 2, 1),)
    assert fields(old) == {"caption": of(old, {0: "one"})}


def test_columns_of_parquet_have_their_types(old: OldIndex) -> None:
    columns = {
        "path": pyarrow.array(["one.png", "two.png"]),
        "when": pyarrow.array([datetime(2024, 1, 2, 3, 4, 5, 6), None], pyarrow.timestamp("us")),
        "exact": pyarrow.array([1_700_000_000_123_456_789, None], pyarrow.timestamp("ns", "Europe/Berlin")),
        "day": pyarrow.array([date(2024, 1, 2), None]),
        "half": pyarrow.array([np.float16(0.5), None], pyarrow.float16()),
        "kind": pyarrow.array(["cat", None]).dictionary_encode(),
        "tags": pyarrow.array([["a", "b"], None]),
        "big": pyarrow.array([(1 << 64) - 1, 3], pyarrow.uint64()),
        "none": pyarrow.nulls(2),
        "thumb": pyarrow.array([b"\xff\xd8", None]),
        "box": pyarrow.array([[1, 2], None]),
        "where": pyarrow.array([{"x": 1}, None]),
        "price": pyarrow.array([Decimal("1.10"), None]),
        "a.b": pyarrow.array(["dotted", None]),
    }
    table = pyarrow.Table.from_arrays([*columns.values(), *[pyarrow.array(["x", "y"])] * 2], [*columns, "two", "two"])
    old.put({"one.png": 30, "two.png": 31})
    pq.write_table(table, old.top / "list.parquet")
    np.save(old.top / "two.npy", old.rows[:2])
    report = Store.import_new(
        old.folder, embeddings=old.top / "two.npy", metadata=old.top / "list.parquet", root=old.pictures
    )
    assert {name: value.get(old.key(30)) for name, value in fields(old).items()} == {
        "when": datetime(2024, 1, 2, 3, 4, 5, 6, UTC),
        "exact": datetime(2023, 11, 14, 22, 13, 20, 123_456, UTC),
        "day": datetime(2024, 1, 2, tzinfo=UTC),
        "half": 0.5,
        "kind": "cat",
        "tags": ("a", "b"),
        "big": None,
        "a.b": "dotted",
    }
    assert fields(old)["big"] == of(old, {31: 3})
    assert {(left.name, left.why) for left in report.fields_left} == {
        ("big", "whole numbers beyond 64 bits"),
        ("thumb", "bytes"),
        ("box", "lists of numbers"),
        ("where", "objects"),
        ("price", "values of the type decimal128(3, 2)"),
        ("two", "several columns have this name"),
    }


def test_a_column_of_parquet_that_cannot_be_read_costs_nothing_else(old: OldIndex) -> None:
    bad = pyarrow.array([b"\xff\xfe"] * 12).view(pyarrow.string())
    pq.write_table(pyarrow.table({"path": old.paths, "caption": bad, "n": RATINGS}), old.top / "list.parquet")
    report = old.new(metadata=old.top / "list.parquet")
    assert report.fields == (KeptField("n", 12),)
    assert report.fields_left == (LeftColumn("caption", "text that is no Unicode", 12),)


def test_arrays_of_npz_that_are_no_columns_are_said(old: OldIndex) -> None:
    path = old.top / "all.npz"
    np.savez(
        path,
        vectors=old.rows,
        paths=old.paths,
        boxes=np.zeros((12, 4)),
        names=np.array([None] * 12, object),
        when=np.zeros(12, "M8[s]"),
        raw=np.array([b"plain", b"\xff"] * 6),
        index=np.arange(12),
        classes=np.array(["cat", "dog"]),
    )
    report = Store.import_new(old.folder, embeddings=path, root=old.pictures)
    assert report.fields == (KeptField("raw", 6),)
    assert {(left.name, left.why) for left in report.fields_left} == {
        ("boxes", "arrays"),
        ("names", "pickled objects"),
        ("when", "values of the type datetime64[s]"),
        ("raw", "text that is no Unicode"),
    }


def test_letters_that_are_none_cost_nothing_else(old: OldIndex) -> None:
    path = old.top / "all.npz"
    bad = np.full(12, 0x110000, "<u4").view("<U1")
    np.savez(path, vectors=old.rows, paths=old.paths, bad=bad, n=RATINGS)
    report = Store.import_new(old.folder, embeddings=path, root=old.pictures)
    assert report.fields_left == (LeftColumn("bad", "values that cannot be read", 12),)
    assert report.fields == (KeptField("n", 12),)


def test_what_vstore_reads_itself_is_no_field(old: OldIndex) -> None:
    said = [
        {"index": n, "": n, "id": n + 1, "size": len(drawn(n)), "mtime": 1e9, "embedding": [0.5, 1.0], "label": "x"}
        for n in range(12)
    ]
    old.write(listed(old, *said))
    report = old.new()
    assert report.fields == (KeptField("label", 12),)
    assert report.fields_left == ()


def test_columns_that_only_have_such_names_are_fields(old: OldIndex) -> None:
    """Numbers that count nothing, sizes of clothes, and names of persons."""
    said = [{"id": 7 * n, "size": "XL", "name": "Ann", "features": ["red"]} for n in range(12)]
    old.write(listed(old, *said))
    assert old.new().fields == tuple(KeptField(name, 12) for name in ("id", "size", "name", "features"))


def test_a_table_of_text_has_numbers_where_each_cell_is_one(old: OldIndex) -> None:
    columns = {
        "image": old.paths,
        "stars": [str(n) for n in range(11)] + [""],
        "share": ["0.5", "1.25"] * 6,
        "weight": ["4.5", "10"] * 6,
        "code": ["007", "1"] * 6,
        "version": ["1.10", "1.2"] * 6,
        "word": ["nan", "1e5"] * 6,
        "big": [str(1 << 70), "1"] * 6,
        "empty": [""] * 12,
    }
    with (old.top / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*columns, "two", "two"])
        writer.writerows([*row, "a", "b"] for row in zip(*columns.values(), strict=True))
    report = old.new(metadata=old.top / "list.csv")
    assert {name: values[old.key(1)] for name, values in fields(old).items()} == {
        "stars": 1,
        "share": 1.25,
        "weight": 10.0,
        "code": "1",
        "version": "1.2",
        "word": "1e5",
        "big": "1",
    }
    assert len(fields(old)["stars"]) == 11
    assert report.fields_left == (LeftColumn("two", "several columns have this name", 12),)


def test_rows_of_one_picture_that_differ_are_said_and_the_first_counts(old: OldIndex) -> None:
    old.put({"p01.png": 0})
    old.write(
        listed(old, {"caption": "first", "n": 1}, {"caption": "second", "n": 1, "more": "yes"}),
        rows=old.rows[[0, 0, *range(2, 12)]],
    )
    report = old.new()
    assert fields(old) == {"caption": of(old, {0: "first"}), "n": of(old, {0: 1}), "more": of(old, {0: "yes"})}
    assert report.fields_left == (LeftColumn("caption", DIFFERENT, 1, 1),)
    assert report.fields[0] == KeptField("caption", 1)


def test_true_one_and_one_point_zero_differ(old: OldIndex) -> None:
    old.put({"p01.png": 0})
    old.write(listed(old, {"n": 1}, {"n": True}), rows=old.rows[[0, 0, *range(2, 12)]])
    assert old.new().fields_left == (LeftColumn("n", DIFFERENT, 1, 1),)


def test_undo_and_rollback_take_the_fields_away_again(old: OldIndex) -> None:
    old.new()
    old.write(listed(old, {"caption": "one"}))
    report = again(old)
    assert (report.snapshot, report.added, report.known) == ("v2", 0, 12)
    assert fields(old) == {"caption": of(old, {0: "one"})}
    with old.store as store:
        store.undo()
        assert fields(old) == {}
        store.redo()
        assert fields(old) == {"caption": of(old, {0: "one"})}
        store.rollback("v1")
    assert fields(old) == {}


def test_the_same_import_again_writes_nothing(old: OldIndex) -> None:
    old.write(listed(old, {"caption": "one"}))
    old.new()
    report = again(old)
    assert (report.snapshot, report.fields, report.fields_replaced) == (None, (KeptField("caption", 1),), 0)


def test_a_later_list_replaces_values_and_says_so(old: OldIndex) -> None:
    old.write(listed(old, {"caption": "one"}, {"caption": "two"}))
    old.new()
    old.write(listed(old, {"caption": "better"}, {"caption": "two"}, {"caption": "three"}))
    report = again(old)
    assert fields(old) == {"caption": of(old, {0: "better", 1: "two", 2: "three"})}
    assert report.fields_replaced == 1
    assert "1 field had another value in the store; vstore undo brings its value back" in report.notes


def test_fields_of_rows_that_wait_come_with_resume(old: OldIndex) -> None:
    (old.pictures / "p01.png").unlink()
    (old.pictures / "p02.png").unlink()
    old.write(listed(old, {"n": 1}, {"n": 1.5, "tags": ["a"]}, {"n": "two"}))
    report = old.new()
    assert report.fields == (KeptField("n", 1, 2), KeptField("tags", 0, 1))
    assert not check(old.repo, read_data=True).problems
    old.put({"p01.png": 1})
    with old.store as store:
        resumed = store.import_index(resume=report.import_id, root=old.pictures)
    assert resumed.fields == (KeptField("n", 1, 1), KeptField("tags", 1))
    assert fields(old) == {"n": of(old, {0: 1, 1: 1.5}), "tags": of(old, {1: ("a",)})}
    old.put({"p02.png": 2})
    with old.store as store:
        store.import_index(resume=resumed.import_id, root=old.pictures)
    assert fields(old)["n"] == of(old, {0: 1, 1: 1.5, 2: "two"})


def test_what_was_set_aside_replaces_nothing(old: OldIndex) -> None:
    (old.pictures / "p01.png").unlink()
    old.write(listed(old, {}, {"n": "set aside", "more": "yes"}))
    report = old.new()
    old.put({"p01.png": 1})
    set_fields(old.repo, {(old.key(1), "n"): "newer"})
    with old.store as store:
        resumed = store.import_index(resume=report.import_id, root=old.pictures)
    assert resumed.fields_replaced == 0
    assert fields(old) == {"n": of(old, {1: "newer"}), "more": of(old, {1: "yes"})}


def test_fields_come_with_resume_where_another_space_is_current(old: OldIndex) -> None:
    (old.pictures / "p01.png").unlink()
    old.write(listed(old, {}, {"n": "set aside"}))
    report = old.new()
    old.put({"p01.png": 1})
    other = unlike(old)
    with old.store as store:
        store.import_index(
            embeddings=other,
            metadata=old.json,
            root=old.pictures,
            as_space="other",
        )
        before = old.repo.state.current
        store.import_index(resume=report.import_id, root=old.pictures)
    repo = old.repo
    current = repo.state.current_snapshot
    assert current is not None and current.parent == before
    assert repo.state.spaces[current.space].name == "other"
    assert fields(old) == {"n": of(old, {1: "set aside"})}


def unlike(old: OldIndex) -> Path:
    """Vectors of another length, for the same list without its columns."""
    path = old.top / "other.npy"
    np.save(path, np.eye(12, dtype=np.float32))
    old.json.write_text(json.dumps(old.paths))
    return path


def test_columns_are_chosen_or_left_out(old: OldIndex, tmp_path: Path) -> None:
    old.write(listed(old, {"a": 1, "b": 2, "c": {"x": 1}, "d": {}}))
    report = old.new(fields=["b", "c"])
    assert report.fields == (KeptField("b", 1),)
    assert report.fields_left == (LeftColumn("c", "objects", 1, 0),)
    none = again(old, no_fields=True)
    assert (none.fields, none.fields_left, none.snapshot) == ((), (), None)
    assert fields(old) == {"b": of(old, {0: 2})}
    with pytest.raises(UsageError, match=r"no column 'x'.*it has: 'a', 'b', 'c', 'd'"):
        again(old, fields=["x"])
    with pytest.raises(UsageError, match="no column 'path'"):
        again(old, fields=["path"])
    with pytest.raises(UsageError, match="--no-fields"):
        again(old, fields=["a"], no_fields=True)
    with pytest.raises(UsageError, match="a list of names"):
        again(old, fields="a")


def test_vectors_that_stand_number_by_number_in_the_list_are_not_fields(old: OldIndex) -> None:
    old.write(listed(old, {f"e{n}": n for n in range(101)}))
    report = old.new()
    assert report.fields == ()
    assert "101 columns of the list are not kept, as they are very many: choose some with --field NAME" in report.notes
    assert again(old, fields=["e7"]).fields == (KeptField("e7", 1),)


def test_a_dry_run_says_the_same_and_changes_nothing(old: OldIndex) -> None:
    old.write(listed(old, {"a": 1, "b": {}}))
    told = old.new(dry_run=True)
    assert (told.fields, told.fields_left) == ((KeptField("a", 1),), (LeftColumn("b", "objects", 1, 0),))
    assert not old.folder.exists()


def test_a_store_of_format_1_keeps_no_fields_and_says_so(old: OldIndex) -> None:
    old.write(listed(old, {"a": 1}))
    begin(old.folder)
    report = again(old)
    assert (report.fields, report.snapshot) == ((), "v1")
    assert "1 column of the list is not kept: fields need format 2; run: vstore migrate" in report.notes
    with pytest.raises(MigrationNeeded):
        again(old, fields=["a"])


def test_what_is_too_much_to_be_set_aside_is_said(old: OldIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing_fields, "WAITING_BYTES", 100)
    (old.pictures / "p01.png").unlink()
    old.write(listed(old, {"n": 1}, {"n": "x" * 100}))
    report = old.new()
    assert any("too much to be set aside" in note for note in report.notes)
    assert report.fields == (KeptField("n", 1),)
    assert fields(old) == {"n": of(old, {0: 1})}


def test_a_list_of_a_store_has_no_fields(old: OldIndex) -> None:
    old.new()
    with old.store as store:
        store.sync([str(old.pictures)])
        for kind in ("parquet", "jsonl", "npz", "clip-retrieval"):
            store.snapshot_export("current", old.top / f"out.{kind}", format=kind)
    for kind in ("parquet", "jsonl", "npz", "clip-retrieval"):
        named = {"clip_retrieval" if kind == "clip-retrieval" else "embeddings": old.top / f"out.{kind}"}
        report = Store.import_new(old.top / f"store-{kind}", root=old.pictures, **named)
        assert (report.fields, report.fields_left) == ((), ())


def test_damaged_fields_of_rows_that_wait_are_found(old: OldIndex) -> None:
    from vstore.errors import Damage
    from vstore.repository.leftovers import LeftRow, left_fields

    for value in ("dAA", "eA==", "", 7):
        with pytest.raises(Damage):
            left_fields(LeftRow(0, b"x", "missing", "", {"n": value}))  # type: ignore[dict-item]
    with pytest.raises(Damage):
        left_fields(LeftRow(0, b"x", "missing", "", {"a\nb": "dA=="}))
    assert left_fields(LeftRow(0, b"x", "missing", "", {"n": "dA=="})) == {"n": ""}


def test_rows_that_say_nothing_besides_are_set_aside_as_before(old: OldIndex) -> None:
    (old.pictures / "p01.png").unlink()
    report = old.new()
    repo = old.repo
    rows = json.loads(repo.packs.get(repo.state.imports[report.import_id].names))
    assert [len(row) for row in rows] == [4]


@pytest.mark.parametrize("folded", [False, True])
def test_a_column_that_unfolds_to_very_much_is_not_read(
    old: OldIndex, monkeypatch: pytest.MonkeyPatch, folded: bool
) -> None:
    monkeypatch.setattr(parquet_columns, "COLUMN_BYTES", 5_000)
    long = pyarrow.array(["x" * 1_000] * 12)
    table = pyarrow.table({"path": old.paths, "long": long.dictionary_encode() if folded else long, "n": RATINGS})
    pq.write_table(table, old.top / "list.parquet")
    report = old.new(metadata=old.top / "list.parquet")
    assert report.fields == (KeptField("n", 12),)
    assert report.fields_left == (LeftColumn("long", "values that are too large", 12),)
