"""Facts and fields of pictures in exports, as other programs read them, and as an import takes them back."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.arrays import read_npz
from support.builder import Builder, unit_vectors
from support.folders import World, drawn
from support.format_1 import begin

from vstore.check.run import check
from vstore.errors import Damage, UsageError
from vstore.export.columns import MOST
from vstore.format.facts import (
    ALTITUDE,
    BYTES,
    CAMERA,
    CUT_HEIGHT,
    CUT_LINES,
    RATING,
    TAKEN,
    WIDTH,
    ZONE,
    Column,
    Fact,
    Value,
)
from vstore.format.fields import FieldValue
from vstore.intake.new_facts import NewFacts
from vstore.repository.facts import added, facts_of
from vstore.repository.fields import every_field, set_fields
from vstore.repository.repository import Repository
from vstore.store import Store

FORMATS = ["triple", "npz", "parquet", "jsonl", "clip-retrieval"]  # that an import reads
LATIN = os.fsdecode(b"caf\xe9.png")
NAMES = ["a.png", "copy of b.png", "b.png", LATIN, "deep/er/ü\n.png"]
NOON = datetime(2024, 6, 1, 12, 30, 0, 250_000, tzinfo=UTC)
TAKEN_AT = (datetime(2023, 2, 3, 4, 5, 6, 789_000) - datetime(1970, 1, 1)).total_seconds() * 1_000_000


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Four pictures, two of them with facts beside the digests of their pixels, and three with fields."""
    monkeypatch.setattr(NewFacts, "read", lambda self, data: None)  # as a program that read no headers
    world = World(tmp_path)
    world.put(dict(zip(NAMES, (1, 2, 2, 3, 4), strict=True)))
    world.sync()
    with world.another() as store:
        repo = Repository(store.folder)
        tell(repo, facts_said(world), fields_said(world))
    return world


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def tell(repo: Repository, facts: Mapping[bytes, Mapping[Column, Value]], fields: Mapping[Any, Any]) -> None:
    with repo.lock("ingest") as lock:
        lock.acquire(0.0, "test")
        with repo.committing("facts"):
            new = added(repo, [Fact(key, 1, values) for key, values in facts.items()])
            repo.publish("seal", new.changes, blobs=new.blobs)
        set_fields(repo, fields)


def key(world: World, number: int) -> bytes:
    return bytes.fromhex(world.key(number))


def facts_said(world: World) -> dict[bytes, dict[Column, Value]]:
    return {
        key(world, 1): {
            BYTES: (1 << 40) + 1, WIDTH: 4000, TAKEN: int(TAKEN_AT), ZONE: -330, CAMERA: "Canon, \"EOS\"\nü",
            ALTITUDE: -3.25, RATING: 5,
        },
        key(world, 3): {WIDTH: 1, CUT_LINES: 17, CUT_HEIGHT: 40},
    }  # fmt: skip


def fields_said(world: World) -> dict[tuple[bytes, str], FieldValue]:
    a, b, c = key(world, 1), key(world, 2), key(world, 3)
    return {
        (a, "label"): "cat",
        (a, "rating"): 3,
        (a, "score"): 1.0,
        (a, "kept"): True,
        (a, "seen"): NOON,
        (a, "tags"): ("x", "y, z", ""),
        (a, "mixed"): "5",
        (a, "field.rating"): "odd",
        (a, "Path"): "elsewhere",
        (a, "big"): (1 << 63) - 1,
        (a, "x.y"): "dotted",
        (b, "label"): '"dog"\r\n, ü',
        (b, "mixed"): 5,
        (b, "tags"): (),
        (c, "mixed"): NOON,
        (c, "label"): "2024-06-01T00:00:00Z",  # text, which looks like a time
    }


def of_store(folder: Path) -> tuple[dict[bytes, Fact], dict[tuple[bytes, str], FieldValue], dict[bytes, bytes]]:
    """Facts by key, fields by key and name, and keys by path, of the current snapshot."""
    repo = Repository(folder)
    snapshot = repo.snapshot("current")
    aliases = dict(iter(repo.tree(snapshot)))
    fields = {(field.key, field.name): field.value for field in every_field(repo, snapshot)}
    return facts_of(repo, aliases.values()), fields, aliases


def words(world: World, out: Path, form: str) -> dict[str, Any]:
    given: dict[str, Any] = {"root": world.pictures, "recipe": world.fake.recipe}
    if form == "triple":
        return {"faiss": out / "index.faiss", "metadata": out / "metadata.json", **given}
    return {"clip_retrieval" if form == "clip-retrieval" else "embeddings": out, **given}


def ending(form: str) -> str:
    return "out" if form in ("triple", "clip-retrieval") else f"out.{form}"


def typed(fields: Mapping[Any, FieldValue]) -> dict[Any, tuple[type, FieldValue]]:
    return {name: (type(value), value) for name, value in fields.items()}


@pytest.mark.parametrize("form", FORMATS)
def test_an_import_of_an_export_has_its_facts_and_fields(world: World, tmp_path: Path, form: str) -> None:
    out = tmp_path / ending(form)
    world.store.export(out, format=form)
    report = Store.import_new(tmp_path / "again", **words(world, out, form))
    facts, fields, aliases = of_store(tmp_path / "again")
    wanted = of_store(world.folder)
    assert aliases == wanted[2]
    assert facts == wanted[0]
    assert {key(world, 1), key(world, 3)} < facts.keys()
    assert any(column.name.startswith("pixels/") for column in facts[key(world, 2)].values)
    assert typed(fields) == typed(wanted[1]) == typed(fields_said(world))
    assert (report.fields_left, report.left) == ((), 0)
    assert "facts of 4 pictures are those of the export" in report.notes
    assert not check(Repository(tmp_path / "again"), read_data=True).problems
    with Store(tmp_path / "again") as again:
        told = again.facts()
    assert told.without_pixels == 0  # without a run of `facts --fill`
    assert [(one.lines, one.of) for one in told.truncated] == [(17, 40)]


@pytest.mark.parametrize("form", FORMATS)
def test_a_second_import_of_an_export_adds_no_facts(world: World, tmp_path: Path, form: str) -> None:
    out = tmp_path / ending(form)
    world.store.export(out, format=form)
    Store.import_new(tmp_path / "again", **words(world, out, form))
    before = Repository(tmp_path / "again").tip.number
    with Store(tmp_path / "again") as again:
        again.import_index(**words(world, out, form))
    assert Repository(tmp_path / "again").tip.number == before


@pytest.mark.parametrize("form", FORMATS)
def test_fields_of_an_export_can_be_left_out(world: World, tmp_path: Path, form: str) -> None:
    out = tmp_path / ending(form)
    world.store.export(out, format=form)
    Store.import_new(tmp_path / "again", **words(world, out, form), fields=["rating"])
    assert of_store(tmp_path / "again")[1] == {(key(world, 1), "rating"): 3}
    Store.import_new(tmp_path / "none", **words(world, out, form), no_fields=True)
    assert of_store(tmp_path / "none")[1] == {}


@pytest.mark.parametrize("form", [*FORMATS, "csv"])
def test_a_store_without_facts_and_fields_is_exported_too(world: World, tmp_path: Path, form: str) -> None:
    builder = Builder(made(tmp_path / "plain") / ".vstore")
    builder.add_pictures({b"p/a.png": (builder.repo.hash.digest(drawn(1)), unit_vectors(1)[0])})
    with Store(builder.repo.layout.folder) as store:
        assert store.export(tmp_path / ending(form), format=form).images == 1


# Each format, by another reader


def test_json_lines_say_facts_and_fields(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out.jsonl", format="jsonl")
    lines = {line["key"]: line for line in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())}
    a, b, c = (lines[world.key(number)] for number in (1, 2, 3))
    digest = next(name for name in a["facts"] if name.startswith("pixels/"))
    assert {name: value for name, value in a["facts"].items() if name != digest} == {
        "reader": 1,
        "bytes": (1 << 40) + 1,
        "width": 4000,
        "taken": "2023-02-03T04:05:06.789000",
        "zone": -330,
        "camera": 'Canon, "EOS"\nü',
        "altitude": -3.25,
        "rating": 5,
    }
    assert len(a["facts"][digest]) == 32
    assert a["fields"]["seen"] == "2024-06-01T12:30:00.250000Z"
    assert a["field_times"] == ["seen"]
    assert c["field_times"] == ["mixed"]
    assert "field_times" not in b
    assert a["fields"]["tags"] == ["x", "y, z", ""]
    assert (c["facts"]["cut/lines"], c["facts"]["cut/height"]) == (17, 40)
    assert b["files"] == [str(world.pictures / name) for name in ("b.png", "copy of b.png")]
    assert len(c["files_b64"]) == 1


def test_parquet_has_typed_columns(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out.parquet", format="parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    kinds = {field.name: field.type for field in table.schema}
    assert kinds["taken"] == pa.timestamp("us")
    assert kinds["seen"] == pa.timestamp("us", "UTC")
    assert (kinds["width"], kinds["altitude"], kinds["kept"]) == (pa.int64(), pa.float64(), pa.bool_())
    assert (kinds["tags"], kinds["big"], kinds["mixed"]) == (pa.list_(pa.string()), pa.int64(), pa.string())
    rows = {row["key"]: row for row in table.to_pylist()}
    a, b, c = (rows[world.key(number)] for number in (1, 2, 3))
    assert a["taken"] == datetime(2023, 2, 3, 4, 5, 6, 789_000)
    assert (a["rating"], a["field.rating"], a["field.field.rating"]) == (5, 3, "odd")
    assert (a["field.Path"], a["seen"], a["x.y"]) == ("elsewhere", NOON, "dotted")
    assert (b["tags"], c["tags"], b["width"]) == ([], None, None)
    assert [json.loads(row["mixed"]) for row in (a, b, c)] == ["5", 5, {"time": "2024-06-01T12:30:00.250000Z"}]


def test_a_csv_has_a_row_for_each_path(world: World, tmp_path: Path) -> None:
    report = world.store.export(tmp_path / "out.csv", format="csv")
    data = (tmp_path / "out.csv").read_bytes()
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert (report.paths, report.images, len(rows), report.bytes) == (5, 4, 5, len(data))
    by_path = {row["path"]: row for row in rows}
    assert list(by_path) == [
        "pictures/a.png",
        "pictures/b.png",
        "pictures/caf\ufffd.png",
        "pictures/copy of b.png",
        "pictures/deep/er/ü\n.png",
    ]
    a, b, copy = (by_path[f"pictures/{name}"] for name in ("a.png", "b.png", "copy of b.png"))
    assert (a["key"], a["file"]) == (world.key(1), str(world.pictures / "a.png"))
    assert (a["taken"], a["width"], a["altitude"]) == ("2023-02-03T04:05:06.789000", "4000", "-3.25")
    assert (a["rating"], a["field.rating"], a["field.field.rating"]) == ("5", "3", "odd")
    assert (a["kept"], a["field.score"], a["tags"]) == ("true", "1.0", '["x", "y, z", ""]')
    assert b["label"] == copy["label"] == '"dog"\r\n, ü'
    assert (b["kept"], b["width"]) == ("", "")
    assert "vector" not in a
    assert not [name for name in a if name == "reader" or name.startswith(("pixels/", "flat/"))]
    assert by_path["pictures/caf\ufffd.png"]["path_b64"]


def test_an_npz_has_lines_of_json(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out.npz", format="npz")
    found = read_npz(tmp_path / "out.npz")
    number = found["keys"].tolist().index(world.key(1))
    said = {
        name: [json.loads(line) for line in found[name].tobytes().splitlines()]
        for name in ("facts", "fields", "field_times", "all_files")
    }
    assert {len(lines) for lines in said.values()} == {4} == {len(found["paths"])}
    assert said["facts"][number]["taken"] == "2023-02-03T04:05:06.789000"
    assert said["fields"][number]["label"] == "cat"
    assert said["field_times"][number] == ["seen"]
    assert found["paths"][number] == "pictures/a.png"


def test_a_clip_retrieval_folder_has_typed_columns(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out", format="clip-retrieval")
    rows = pq.read_table(tmp_path / "out" / "metadata" / "metadata_0.parquet").to_pylist()
    assert [row["label"] for row in rows] == ["cat", '"dog"\r\n, ü', "2024-06-01T00:00:00Z", '"dog"\r\n, ü', None]
    assert (rows[0]["path"], rows[0]["image_path"]) == ("pictures/a.png", str(world.pictures / "a.png"))
    assert rows[0]["taken"] == datetime(2023, 2, 3, 4, 5, 6, 789_000)


def test_a_triple_has_a_line_for_each_row(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "pictures.jsonl").read_text().splitlines()]
    paths = json.loads((tmp_path / "out" / "metadata.json").read_text())
    assert [line["file"] for line in lines] == [os.fsencode(path).decode("utf-8", "replace") for path in paths]
    assert [line["path"] for line in lines][:2] == ["pictures/a.png", "pictures/b.png"]
    assert lines[0]["facts"]["width"] == 4000
    assert lines[0]["fields"]["label"] == "cat"


def test_a_file_whose_folder_is_forgotten_is_null(world: World, tmp_path: Path) -> None:
    builder = Builder(made(tmp_path / "plain") / ".vstore")
    builder.add_pictures({b"p/a.png": (builder.repo.hash.digest(b"a"), unit_vectors(1)[0])})
    with Store(builder.repo.layout.folder) as store:
        for form in ("jsonl", "csv", "npz"):
            store.export(tmp_path / f"out.{form}", format=form)
    assert json.loads((tmp_path / "out.jsonl").read_text())["files"] == [None]
    assert (tmp_path / "out.csv").read_text().splitlines()[1].split(",")[:2] == ["p/a.png", ""]
    assert read_npz(tmp_path / "out.npz")["files"].tolist() == [""]


# More than a block, and what goes wrong


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
def test_each_picture_of_many_has_its_own(tmp_path: Path, form: str) -> None:
    builder = Builder(tmp_path / ".vstore")
    keys = [builder.repo.hash.digest(b"%d" % number) for number in range(2500)]
    vectors = unit_vectors(2500)
    builder.add_pictures({b"p/%04d.png" % n: (keys[n], vectors[n]) for n in range(2500)})
    builder.add_facts([Fact(keys[n], 1, {WIDTH: n + 1}) for n in range(0, 2500, 3)])
    builder.add_facts([Fact(keys[n], 2, {WIDTH: 9000 + n}) for n in range(0, 2500, 600)])
    absent = builder.repo.hash.digest(b"absent")
    set_fields(builder.repo, {(keys[n], "number"): n for n in range(0, 2500, 7)} | {(absent, "number"): 1})
    with Store(tmp_path / ".vstore") as store:
        store.export(tmp_path / "out", format=form)
    if form == "jsonl":
        lines = map(json.loads, (tmp_path / "out").read_text().splitlines())
        found = {one["key"]: (one["facts"].get("width"), one["fields"].get("number")) for one in lines}
    elif form == "parquet":
        table = pq.read_table(tmp_path / "out")
        found = {row["key"]: (row["width"], row["number"]) for row in table.to_pylist()}
    else:
        with (tmp_path / "out").open(newline="") as file:
            found = {row["key"]: (whole(row["width"]), whole(row["number"])) for row in csv.DictReader(file)}
    assert found == {
        keys[n].hex(): (9000 + n if n % 600 == 0 else n + 1 if n % 3 == 0 else None, n if n % 7 == 0 else None)
        for n in range(2500)
    }


def whole(text: str) -> int | None:
    return int(text) if text else None


@pytest.mark.parametrize("form", ["parquet", "csv", "clip-retrieval"])
def test_fields_that_are_too_many_for_columns_are_refused(tmp_path: Path, form: str) -> None:
    builder = Builder(tmp_path / ".vstore")
    builder.add_pictures({b"p/a.png": (builder.repo.hash.digest(b"a"), unit_vectors(1)[0])})
    name = builder.repo.hash.digest(b"a")
    set_fields(builder.repo, {(name, f"n{number}"): number for number in range(MOST + 1)})
    before = sorted(os.listdir(tmp_path))
    with Store(tmp_path / ".vstore") as store:
        with pytest.raises(UsageError, match="1,001 different fields") as told:
            store.export(tmp_path / "out", format=form)
        assert "jsonl" in told.value.next_step
        assert sorted(os.listdir(tmp_path)) == before
        assert store.export(tmp_path / "out.jsonl", format="jsonl").images == 1


@pytest.mark.parametrize("form", [*FORMATS, "csv"])
@pytest.mark.parametrize("what", ["facts", "fields"])
def test_damaged_facts_and_fields_leave_no_export(world: World, tmp_path: Path, form: str, what: str) -> None:
    repo = Repository(world.folder)
    root = repo.snapshot("current").fields if what == "fields" else repo.state.facts[-1].root
    before = sorted(os.listdir(tmp_path))
    spoil(world.folder, root)
    with world.another() as store, pytest.raises(Damage):
        store.export(tmp_path / "out", format=form)
    assert sorted(os.listdir(tmp_path)) == before


def spoil(folder: Path, root: bytes) -> None:
    """Spoil the page with this digest, which one pack holds."""
    repo = Repository(folder)
    pack = next(pack for pack in (folder / "packs").iterdir() if root in pack.read_bytes())
    del repo
    data = bytearray(pack.read_bytes())
    data[len(data) // 3] ^= 1
    pack.write_bytes(data)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"facts": {"width": 1}},
        {"facts": {"reader": -1}},
        {"facts": {"reader": 1, "width": "4"}},
        {"facts": {"reader": 1, "width": -4}},
        {"facts": {"reader": 1, "latitude": 91.0}},
        {"facts": {"reader": 1, "taken": "noon"}},
        {"facts": {"reader": 1, "pixels/0123456789abcdef": "00"}},
        {"facts": {"reader": 1, "pixels/x": "00" * 16}},
        {"facts": []} | {"fields": []},
        {"fields": {"a": "b"}, "field_times": ["a"]},
    ],
)
def test_spoilt_facts_and_fields_are_refused(world: World, tmp_path: Path, spoilt: dict[str, Any]) -> None:
    out = tmp_path / "out.jsonl"
    world.store.export(out, format="jsonl")
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    lines[1] |= spoilt
    out.write_text("".join(json.dumps(line) + "\n" for line in lines))
    if spoilt == {"facts": [], "fields": []}:
        lines[1]["facts"] = [1]
        out.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UsageError, match=r"not a valid export|cannot be read"):
        Store.import_new(tmp_path / "again", **words(world, out, "jsonl"))
    assert not (tmp_path / "again").exists()


def test_a_fact_that_no_program_knows_is_passed_over(world: World, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    world.store.export(out, format="jsonl")
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    for line in lines:
        line["facts"]["of tomorrow"] = 1
    out.write_text("".join(json.dumps(line) + "\n" for line in lines))
    Store.import_new(tmp_path / "again", **words(world, out, "jsonl"))
    assert of_store(tmp_path / "again")[0] == of_store(world.folder)[0]


def test_lines_of_a_triple_that_were_changed_are_refused(world: World, tmp_path: Path) -> None:
    out = tmp_path / "out"
    world.store.export(out)
    file = out / "pictures.jsonl"
    file.write_text(file.read_text().replace('"cat"', '"dog"'))
    with pytest.raises(UsageError, match="not the file that"):
        Store.import_new(tmp_path / "again", **words(world, out, "triple"))
    file.unlink()
    report = Store.import_new(tmp_path / "again", **words(world, out, "triple"))
    assert any("pictures.jsonl does not lie beside" in note for note in report.notes)
    assert of_store(tmp_path / "again")[:2] == ({}, {})


def test_facts_of_a_picture_that_was_changed_are_not_taken(world: World, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    world.store.export(out, format="jsonl")
    world.put({"a.png": 40})
    Store.import_new(tmp_path / "again", **words(world, out, "jsonl"))
    facts = of_store(tmp_path / "again")[0]
    assert key(world, 1) not in facts
    assert key(world, 3) in facts


def test_a_store_of_format_1_says_that_it_keeps_no_facts(world: World, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    world.store.export(out, format="jsonl")
    folder = begin(tmp_path / "old" / ".vstore")
    with Store(folder) as store:
        report = store.import_index(**words(world, out, "jsonl"))
    assert any("they need format 2" in note for note in report.notes)
    assert report.added == 4


@pytest.mark.parametrize("form", ["npz", "jsonl", "parquet"])
def test_an_export_of_an_older_version_is_imported_as_before(world: World, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"old.{form}"
    keys, vectors = [world.key(1), world.key(2)], unit_vectors(2).astype(np.float16)
    paths = [["pictures/a.png"], ["pictures/b.png", "pictures/copy of b.png"]]
    if form == "npz":
        np.savez(out, keys=np.array(keys), vectors=vectors, paths=np.array(list(map(json.dumps, paths))))
    elif form == "parquet":
        pq.write_table(pa.table({"key": keys, "paths": paths, "vector": vectors.astype(np.float32).tolist()}), out)
    else:
        rows = zip(keys, paths, vectors.tolist(), strict=True)
        out.write_text("".join(json.dumps({"key": k, "paths": p, "vector": v}) + "\n" for k, p, v in rows))
    Store.import_new(tmp_path / "again", **words(world, out, form))
    assert sorted(of_store(tmp_path / "again")[2]) == [b"pictures/a.png", b"pictures/b.png", b"pictures/copy of b.png"]


def test_an_npz_of_another_tool_with_keys_and_paths_is_none_of_vstore(world: World, tmp_path: Path) -> None:
    out = tmp_path / "other.npz"
    np.savez(out, keys=np.array(["1", "2"]), vectors=unit_vectors(2), paths=np.array(["a.png", "b.png"]))
    report = Store.import_new(tmp_path / "again", **words(world, out, "npz"))
    assert report.counts()["matched"] == 2
