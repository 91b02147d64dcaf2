"""A snapshot in files that other tools read, and back again."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow.parquet as pq
import pytest
from support.failing_disks import Watched, disk
from support.folders import World, drawn
from support.old_indexes import OldIndex

from vstore.errors import DiskTrouble, LabelTaken, ModelError, SnapshotNotFound, UsageError
from vstore.search.query import Operand
from vstore.store import Store
from vstore.testing import FakeEmbedder

__all__ = ["disk"]

NAMES = ["a.png", "copy of b.png", "b.png", os.fsdecode(b"caf\xe9.png"), "deep/er/ü\n.png"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.put(dict(zip(NAMES, (1, 2, 2, 3, 4), strict=True)))
    world.sync()
    return world


def rows(world: World) -> dict[str, Any]:
    """Key in hex -> row."""
    repo = world.repo
    found: dict[str, Any] = {}
    for space in repo.state.spaces:
        for ref in repo.state.segments(space):
            segment = repo.segment(ref)
            for key, row in zip(segment.key_list(), segment.rows(), strict=True):
                found.setdefault(key.hex(), np.array(row))
    return found


def triple(folder: Path) -> dict[str, Path]:
    return {
        "faiss": folder / "index.faiss",
        "embeddings": folder / "embeddings.npy",
        "metadata": folder / "metadata.json",
    }


# The triple


def test_a_triple_opens_in_plain_faiss_numpy_and_json(world: World, tmp_path: Path) -> None:
    report = world.store.export(tmp_path / "out")
    files = triple(tmp_path / "out")
    index = faiss.read_index(str(files["faiss"]))
    vectors = np.load(files["embeddings"])
    paths = json.loads(files["metadata"].read_text())
    assert (index.ntotal, index.d, index.metric_type) == (5, 8, faiss.METRIC_INNER_PRODUCT)
    assert type(faiss.downcast_index(index)).__name__ == "IndexFlatIP"
    assert (vectors.shape, vectors.dtype.name, report.paths, report.images) == ((5, 8), "float16", 5, 4)
    stored, keys = rows(world), world.aliases()
    for number, path in enumerate(paths):
        key = keys["pictures/" + os.path.relpath(path, world.pictures)]
        assert vectors[number].tobytes() == stored[key].tobytes()
        assert (index.reconstruct(number) == stored[key].astype(np.float32)).all()
        assert os.path.exists(os.fsencode(path))
    assert index.search(vectors[:1].astype(np.float32), 1)[1][0][0] == 0


def test_the_import_of_an_export_has_the_same_content_id(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out")
    report = Store.import_new(tmp_path / "again", **triple(tmp_path / "out"))
    assert report.id == world.store.snapshot_list()[0].id
    assert report.space_name == "fake-1"
    with Store(tmp_path / "again") as again:
        row = again.snapshot_list()[0]
        assert (row.paths, row.images) == (5, 4)
        assert again.check(read_data=True).ok


def test_and_the_same_rows_and_finds_the_same_pictures(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out")
    Store.import_new(tmp_path / "again", **triple(tmp_path / "out"))
    query = [Operand(1.0, image=os.fsencode(world.pictures / "a.png"))]
    with Store(tmp_path / "again", load_embedder=world.load) as again:
        assert again.search(query, k=4).hits == world.store.search(query, k=4).hits
        assert again.sync().embedded == 0


@pytest.mark.parametrize("only", ["faiss", "embeddings"])
def test_one_of_the_vector_files_suffices(world: World, tmp_path: Path, only: str) -> None:
    world.store.export(tmp_path / "out")
    report = Store.import_new(tmp_path / "again", **{only: triple(tmp_path / "out")[only]})
    assert report.id == world.store.snapshot_list()[0].id


@pytest.mark.parametrize(("hash", "dtype"), [("sha256", "float16"), ("xxh3_128", "float32")])
def test_hash_and_dtype_are_those_of_the_store_that_was_exported(tmp_path: Path, hash: str, dtype: str) -> None:
    fake = FakeEmbedder()
    world = World(tmp_path)
    folder = tmp_path / "other"
    Store.init(folder, recipe=fake.recipe, hash=hash, store_dtype=dtype)
    world.put({"a.png": 1, "b.png": 2})
    with Store(folder, load_embedder=lambda recipe: fake) as store:
        store.sync([world.pictures])
        store.export(tmp_path / "out")
        identity = store.snapshot_list()[0].id
    report = Store.import_new(tmp_path / "again", **triple(tmp_path / "out"))
    assert report.id == identity
    form = json.loads((tmp_path / "again" / "FORMAT").read_text())
    assert (form["hash"], form["dtype"]) == (hash, dtype)


def test_keys_of_another_hash_are_refused(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out")
    with pytest.raises(UsageError, match="keys of xxh3_128"):
        Store.import_new(tmp_path / "again", hash="sha256", **triple(tmp_path / "out"))
    assert not (tmp_path / "again").exists()


def test_the_pictures_may_have_moved_since(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out")
    identity = world.store.snapshot_list()[0].id
    moved = tmp_path / "elsewhere"
    world.pictures.rename(moved)
    report = Store.import_new(tmp_path / "again", **triple(tmp_path / "out"), root=moved)
    assert report.id == identity
    with Store(tmp_path / "again", load_embedder=world.load) as again:
        synced = again.sync()
    assert (synced.unchanged, synced.embedded, synced.snapshot) == (5, 0, None)


def test_a_file_that_was_changed_since_the_export_is_refused(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out")
    np.save(tmp_path / "out" / "embeddings.npy", np.roll(np.load(tmp_path / "out" / "embeddings.npy"), 1, axis=0))
    with pytest.raises(UsageError, match="not the file that"):
        Store.import_new(tmp_path / "again", **triple(tmp_path / "out"))


@pytest.mark.parametrize("what", ["not json", "a list", "a path that climbs", "a key cut short", "another version"])
def test_an_invalid_vstore_json_is_refused(world: World, tmp_path: Path, what: str) -> None:
    world.store.export(tmp_path / "out")
    path = tmp_path / "out" / "vstore.json"
    value = json.loads(path.read_text())
    match what:
        case "a path that climbs":
            value["paths"][0] = "pictures/../../etc/passwd"
        case "a key cut short":
            value["keys"][0] = "00"
        case "another version":
            value["vstore_export"] = 2
        case "a list":
            value = []
    path.write_text("{" if what == "not json" else json.dumps(value))
    with pytest.raises(UsageError, match=r"vstore\.json"):
        Store.import_new(tmp_path / "again", **triple(tmp_path / "out"))
    assert not (tmp_path / "again").exists()


def test_without_its_vstore_json_a_triple_is_imported_by_its_paths(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out")
    (tmp_path / "out" / "vstore.json").unlink()
    report = Store.import_new(
        tmp_path / "again", **triple(tmp_path / "out"), root=world.pictures, recipe=world.fake.recipe
    )
    assert report.id == world.store.snapshot_list()[0].id
    assert report.counts()["duplicated"] == 1


def test_another_model_than_vstore_json_names_is_refused(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out")
    with pytest.raises(ModelError, match="another model"):
        Store.import_new(tmp_path / "again", **triple(tmp_path / "out"), recipe=FakeEmbedder("other").recipe)


def test_a_label_that_is_another_folder_here_is_refused(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out")
    other = World(tmp_path / "other")
    other.put({"x.png": 9})
    other.sync()
    with pytest.raises(LabelTaken):
        other.store.import_index(**triple(tmp_path / "out"))


def test_an_older_snapshot_can_be_exported(world: World, tmp_path: Path) -> None:
    world.put({"late.png": 30})
    world.all()
    world.store.export(tmp_path / "out", at="v1")
    assert len(json.loads((tmp_path / "out" / "metadata.json").read_text())) == 5
    with pytest.raises(SnapshotNotFound):
        world.store.export(tmp_path / "no", at="v9")


# The other forms


def test_json_lines_hold_keys_paths_and_vectors(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out.jsonl", format="jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    stored = rows(world)
    assert [line["key"] for line in lines] == sorted(stored)
    assert all(line["vector"] == [float(number) for number in stored[line["key"]]] for line in lines)
    by_key = {line["key"]: line["paths"] for line in lines}
    assert by_key[world.key(2)] == ["pictures/b.png", "pictures/copy of b.png"]
    odd = next(line for line in lines if line["key"] == world.key(3))
    assert odd["paths"] == ["pictures/caf\ufffd.png"]
    assert len(odd["paths_b64"]) == 1


def test_npz_opens_in_numpy_without_pickles(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out.npz", format="npz")
    stored = rows(world)
    with np.load(tmp_path / "out.npz", allow_pickle=False) as opened:
        odd = ["all_files_b64", "all_paths_b64"]  # one path is not UTF-8
        names = ["all_files", "all_paths", "facts", "fields", "files", "keys", "paths", "vectors"]
        assert sorted(opened) == sorted([*names, *odd])
        keys, vectors, paths, files = opened["keys"], opened["vectors"], opened["paths"], opened["files"]
        every = [json.loads(line) for line in opened["all_paths"].tobytes().splitlines()]
    assert keys.tolist() == sorted(stored)
    assert all(row.tobytes() == stored[key].tobytes() for key, row in zip(keys.tolist(), vectors, strict=True))
    number = keys.tolist().index(world.key(2))
    assert every[number] == ["pictures/b.png", "pictures/copy of b.png"]
    assert (paths.shape, paths.dtype.kind, files.shape) == ((4,), "U", (4,))
    assert (paths[number], files[number]) == ("pictures/b.png", str(world.pictures / "b.png"))


def test_parquet_opens_in_pyarrow(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out.parquet", format="parquet")
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    stored = rows(world)
    assert [row["key"] for row in table] == sorted(stored)
    assert all(row["vector"] == [float(number) for number in stored[row["key"]]] for row in table)
    assert next(row["paths"] for row in table if row["key"] == world.key(2)) == [
        "pictures/b.png",
        "pictures/copy of b.png",
    ]


def test_a_clip_retrieval_folder_holds_one_row_a_path(world: World, tmp_path: Path) -> None:
    world.store.export(tmp_path / "out", format="clip-retrieval")
    vectors = np.load(tmp_path / "out" / "img_emb" / "img_emb_0.npy")
    table = pq.read_table(tmp_path / "out" / "metadata" / "metadata_0.parquet").to_pylist()
    stored = rows(world)
    assert len(vectors) == len(table) == 5
    assert all(row.tobytes() == stored[entry["key"]].tobytes() for row, entry in zip(vectors, table, strict=True))
    assert all(os.path.exists(entry["image_path"]) for entry in table if "\ufffd" not in entry["image_path"])


def test_a_clip_retrieval_folder_can_be_imported_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put({"a.png": 1, "b.png": 2, "c.png": 2})
    world.sync()
    world.store.export(tmp_path / "out", format="clip-retrieval")
    report = Store.import_new(
        tmp_path / "again", clip_retrieval=tmp_path / "out", root=world.pictures, recipe=world.fake.recipe
    )
    assert report.id == world.store.snapshot_list()[0].id


def test_links_lead_to_the_pictures_of_a_search_best_first(world: World, tmp_path: Path) -> None:
    query = [Operand(1.0, image=os.fsencode(world.pictures / "b.png"))]
    report = world.store.export(tmp_path / "out", format="links", operands=query, k=3)
    links = sorted(os.listdir(tmp_path / "out"))
    assert (report.images, report.missing, len(links)) == (3, 0, 3)
    assert links[0] == "0001_1.000_b.png"
    assert (tmp_path / "out" / links[0]).read_bytes() == drawn(2)
    assert all((tmp_path / "out" / link).is_symlink() for link in links)


def test_no_link_leads_nowhere(world: World, tmp_path: Path) -> None:
    shutil.rmtree(world.pictures / "deep")
    query = [Operand(1.0, image=os.fsencode(world.pictures / "b.png"))]
    report = world.store.export(tmp_path / "out", format="links", operands=query, k=10)
    assert (report.images, report.missing) == (3, 1)


# What goes wrong


@pytest.mark.parametrize("format", ["triple", "npz", "parquet", "jsonl", "csv", "clip-retrieval"])
def test_nothing_is_overwritten_and_nothing_half_is_left(world: World, tmp_path: Path, format: str) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        world.store.export(out, format=format)
    assert out.read_text() == "mine"
    with pytest.raises(UsageError, match="no folder"):
        world.store.export(tmp_path / "no" / "out", format=format)
    before = sorted(os.listdir(tmp_path))
    segment = next((world.folder / "segments").iterdir())
    data = bytearray(segment.read_bytes())
    data[100] ^= 1
    segment.write_bytes(data)
    with pytest.raises(Exception, match="damaged"):
        world.another().export(tmp_path / "two", format=format)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("format", ["triple", "npz", "parquet", "jsonl", "csv", "clip-retrieval"])
def test_an_export_that_cannot_be_flushed_leaves_nothing_in_the_way(
    world: World, tmp_path: Path, format: str, disk: Watched
) -> None:
    disk.fail("fsync", errno.EIO, on=tmp_path.name)
    before = sorted(os.listdir(tmp_path))
    with world.another() as store:
        with pytest.raises(DiskTrouble):
            store.export(tmp_path / "out", format=format)
        assert sorted(os.listdir(tmp_path)) == before
        disk.heal()
        store.export(tmp_path / "out", format=format)


def test_an_unknown_form_is_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown format"):
        world.store.export(tmp_path / "out", format="xml")


@pytest.mark.parametrize("format", ["triple", "npz", "clip-retrieval"])
@pytest.mark.parametrize("words", [{"operands": [Operand(1.0, image=b"x")]}, {"under": "pictures"}])
def test_a_format_of_whole_snapshots_takes_no_search(
    world: World, tmp_path: Path, format: str, words: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match=f"the format {format} takes no search") as told:
        world.store.export(tmp_path / "out", format=format, **words)
    assert "links, csv, jsonl, parquet" in told.value.next_step


@pytest.mark.parametrize(
    "words", [{"under": "pictures"}, {"min_score": 0.0}, {"new_since": "v1"}, {"min_p": 0.1}, {"collapse": True}]
)
def test_what_narrows_a_search_needs_one(world: World, tmp_path: Path, words: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="only applies to a search"):
        world.store.export(tmp_path / "out", format="csv", **words)


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_the_pictures_of_a_search_are_written_best_first(world: World, tmp_path: Path, format: str) -> None:
    query, out = [Operand(1.0, image=os.fsencode(world.pictures / "b.png"))], tmp_path / f"out.{format}"
    report = world.store.export(out, format=format, operands=query, k=3, under="pictures")
    hits = world.store.search(query, k=3, under="pictures").hits
    wanted = [(hit.key.hex(), round(hit.score, 6)) for hit in hits]
    assert hits[0].key.hex() == world.key(2)
    assert (report.images, report.paths, len(wanted)) == (3, sum(len(hit.paths) for hit in hits), 3)
    if format == "csv":
        with out.open(newline="") as file:
            table = list(csv.DictReader(file))
        assert [row["path"] for row in table][:2] == ["pictures/b.png", "pictures/copy of b.png"]
        assert list(dict.fromkeys((row["key"], float(row["score"])) for row in table)) == wanted
        return
    lines = (
        pq.read_table(out).to_pylist() if format == "parquet" else list(map(json.loads, out.read_text().splitlines()))
    )
    assert [(line["key"], line["score"]) for line in lines] == wanted
    assert lines[0]["paths"] == ["pictures/b.png", "pictures/copy of b.png"]
    stored = rows(world)
    assert all(line["vector"] == [float(n) for n in stored[line["key"]]] for line in lines)
    again = Store.import_new(tmp_path / "again", embeddings=out, root=world.pictures, recipe=world.fake.recipe)
    assert (again.added, again.left) == (3, 0)


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "links"])
def test_a_search_that_finds_nothing_is_written_too(world: World, tmp_path: Path, format: str) -> None:
    query = [Operand(1.0, image=os.fsencode(world.pictures / "b.png"))]
    report = world.store.export(tmp_path / "out", format=format, operands=query, new_since="v1")
    assert (report.images, report.paths) == (0, 0)


@pytest.mark.parametrize("format", ["csv", "links"])
def test_a_search_is_not_begun_where_nothing_can_be_written(
    world: World, tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").write_text("mine")
    with world.another() as store:
        monkeypatch.setattr(store, "search", None)
        with pytest.raises(UsageError, match="already exists"):
            store.export(tmp_path / "out", format=format, operands=[Operand(1.0, image=b"x")])


@pytest.mark.parametrize("format", ["npz", "links"])
def test_a_word_that_nobody_has_is_refused(format: str, world: World, tmp_path: Path) -> None:
    options: dict[str, Any] = {"uner": "pictures"}
    with Store(world.folder) as store, pytest.raises(TypeError, match="unexpected keyword argument 'uner'"):
        store.export(tmp_path / "out", format=format, **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", ["triple", "npz", "parquet", "jsonl", "csv", "clip-retrieval"])
def test_a_snapshot_without_a_picture_is_written_too(world: World, tmp_path: Path, format: str) -> None:
    shutil.rmtree(world.pictures)
    world.pictures.mkdir()
    world.all(allow_mass_delete=True)
    report = world.store.export(tmp_path / "out", format=format)
    assert (report.images, report.paths) == (0, 0)


def test_rows_that_an_import_left_over_are_not_exported(tmp_path: Path) -> None:
    old = OldIndex(tmp_path)
    (old.pictures / "p04.png").unlink()
    old.new()
    with old.store as store:
        assert store.export(tmp_path / "out").paths == 11


def test_the_vectors_of_a_snapshot_are_never_all_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    from support.builder import Builder, unit_vectors

    def peak(count: int, format: str) -> int:
        top = tmp_path / f"{count}-{format}"
        top.mkdir()
        builder = Builder(top / ".vstore", recipe={"family": "fake", "name": "fake-1", "dim": 512})
        keys = [number.to_bytes(16, "big") for number in range(count)]
        vectors = unit_vectors(count, 512)
        builder.add_pictures({b"p/%06d.jpg" % n: (key, vectors[n]) for n, key in enumerate(keys)})
        with Store(top / ".vstore") as store:
            tracemalloc.start()
            store.export(top / "out", format=format)
            found = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return found

    for format in ("triple", "npz", "csv", "clip-retrieval"):
        peak(10, format)
        assert peak(6000, format) - peak(3000, format) < 3000 * 512 * 2
