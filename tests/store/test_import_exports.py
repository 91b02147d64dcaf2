"""What `vstore export` wrote is imported as it was; and files of other tools that hold vectors and paths together."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.old_indexes import OldIndex, reasons, states

from vstore.errors import UsageError
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore.testing import FakeEmbedder

FORMATS = ["triple", "npz", "parquet", "jsonl", "clip-retrieval"]


def exported(
    tmp_path: Path, form: str, hash: str = "xxh3_128", dtype: str = "float16"
) -> tuple[OldIndex, Path, dict[str, Any]]:
    """A store with copies and odd names, its export, and the words that import that."""
    fake = FakeEmbedder(dim=24)
    old = OldIndex(tmp_path, count=3, dim=24)
    odd = {} if form == "clip-retrieval" else {os.fsdecode(b"caf\xe9.png"): 50}  # that form has only UTF-8
    old.put({"sub/copy.png": 0, "sub/deep/other.png": 70, "é b%20c.png": 71, "sub/copy again.png": 0, **odd})
    Store.init(old.folder, recipe=fake.recipe, hash=hash, store_dtype=dtype)
    with Store(old.folder, load_embedder=lambda recipe: fake) as store:
        store.sync([old.pictures])
        out = tmp_path / f"out{'' if form in ('triple', 'clip-retrieval') else '.' + form}"
        store.export(out, format=form)
    words: dict[str, Any] = {"embeddings": out}
    if form == "triple":
        words = {"faiss": out / "index.faiss", "metadata": out / "metadata.json"}
    elif form == "clip-retrieval":
        words = {"clip_retrieval": out}
    return old, out, {**words, "root": old.pictures, "recipe": fake.recipe}


def contents(folder: Path) -> tuple[dict[bytes, bytes], dict[bytes, bytes], str]:
    """Path -> key and key -> vector of the current snapshot, and its id."""
    repo = Repository(folder)
    snapshot = repo.snapshot("current")
    rows: dict[bytes, bytes] = {}
    for ref in repo.state.segments(snapshot.space):
        segment = repo.segment(ref)
        rows.update(zip(segment.key_list(), (np.array(row).tobytes() for row in segment.rows()), strict=True))
    return dict(iter(repo.tree(snapshot))), rows, snapshot.id


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_an_export_of_any_kind_is_imported_as_it_was(tmp_path: Path, form: str, dtype: str) -> None:
    old, _, words = exported(tmp_path, form, dtype=dtype)
    report = Store.import_new(tmp_path / "again", **words)
    assert contents(tmp_path / "again") == contents(old.folder)
    assert report.left == 0
    assert (report.normalised, report.kept_bits) == (0, report.added)


def test_what_is_exported_in_part_is_imported_as_that_part(tmp_path: Path) -> None:
    old, _, words = exported(tmp_path, "triple")
    out = tmp_path / "part"
    with Store(old.folder) as store:
        store.export(out, where="folder like '%/sub%' and name <> 'other.png'")
    words = {**words, "faiss": out / "index.faiss", "metadata": out / "metadata.json"}
    Store.import_new(tmp_path / "again", **words)
    paths, rows, _ = contents(old.folder)
    kept = {path: key for path, key in paths.items() if b"/sub/" in path and not path.endswith(b"/other.png")}
    assert len(kept) == 2
    found = contents(tmp_path / "again")
    assert found[0] == kept and found[1] == {key: rows[key] for key in kept.values()}


@pytest.mark.parametrize("form", FORMATS)
def test_the_hash_of_an_export_is_that_of_the_new_store(tmp_path: Path, form: str) -> None:
    old, _, words = exported(tmp_path, form, hash="sha256")
    Store.import_new(tmp_path / "again", **words)
    assert contents(tmp_path / "again") == contents(old.folder)


@pytest.mark.parametrize("form", FORMATS[1:])
def test_keys_find_pictures_that_were_copied_and_tell_others(tmp_path: Path, form: str) -> None:
    old, _, words = exported(tmp_path, form)
    old.put({"p00.png": 0}, newer=True)  # the same bytes
    old.put({"p01.png": 90})  # other bytes, and an old date
    report = Store.import_new(tmp_path / "again", **words)
    row = next(row for row in report.rows_of if row.path.endswith(b"p00.png"))
    assert (row.state in ("matched", "duplicated"), row.key) == (True, old.key(0).hex())
    assert reasons(report, "possibly_edited") == ["its bytes are not those that the export names"]
    assert [waiting.why for waiting in report.waiting()] == ["other_bytes"]
    assert old.key(90) not in contents(tmp_path / "again")[1]


@pytest.mark.parametrize("form", FORMATS[1:])
def test_a_store_with_another_hash_goes_by_the_paths(tmp_path: Path, form: str) -> None:
    old, _, words = exported(tmp_path, form)
    Store.import_new(tmp_path / "again", **words, hash="sha256")
    paths, rows, _ = contents(tmp_path / "again")
    assert paths.keys() == contents(old.folder)[0].keys()
    assert {len(key) for key in rows} == {32}


@pytest.mark.parametrize("form", ["npz", "parquet", "jsonl"])
@pytest.mark.parametrize("spoilt", ["paths", "key", "cut"])
def test_an_export_that_was_spoilt_is_refused(tmp_path: Path, form: str, spoilt: str) -> None:
    _, out, words = exported(tmp_path, form)
    bad = [] if spoilt == "paths" else ["pictures/a.png"]
    key = "nonsense" if spoilt == "key" else "00" * 16
    vector = np.zeros((1, 8), np.float32)
    if spoilt == "cut":
        out.write_bytes(out.read_bytes()[:-40])
    elif form == "npz":
        np.savez(out, keys=np.array([key]), vectors=vector, paths=np.array([json.dumps(bad)]))
    elif form == "parquet":
        paths = pa.array([bad], pa.list_(pa.string()))
        pq.write_table(pa.table({"key": [key], "paths": paths, "vector": vector.tolist()}), out)
    else:
        out.write_text(json.dumps({"key": key, "paths": bad, "vector": vector[0].tolist()}))
    with pytest.raises(UsageError):
        Store.import_new(tmp_path / "again", **words)
    assert not (tmp_path / "again").exists()


# Files of other tools


@pytest.fixture
def old(tmp_path: Path) -> OldIndex:
    return OldIndex(tmp_path)


def taken(old: OldIndex, file: Path, **words: Any) -> Any:
    report = Store.import_new(old.folder, embeddings=file, root=old.pictures, **words)
    assert states(report) == {"matched": 12}
    stored = old.stored()
    assert all(np.abs(stored[old.key(i)] - old.rows[i]).max() < 1e-3 for i in range(12))
    return report


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "names", [("vectors", "paths"), ("image_embeddings", "filenames"), ("arr_0", "arr_1"), ("x", "y")]
)
@pytest.mark.parametrize("kind", ["U", "S"])
def test_vectors_and_paths_of_an_npz_are_imported(old: OldIndex, save: Any, names: tuple[str, str], kind: str) -> None:
    file = old.top / "old.npz"
    arrays = {names[0]: old.rows.astype(np.float16), names[1]: np.array(old.paths).astype(kind)}
    save(file, **arrays, ids=np.arange(12))
    assert taken(old, file).kept_bits == 12


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_that_is_stored_column_by_column_is_imported(old: OldIndex, save: Any) -> None:
    save(old.top / "old.npz", vectors=np.asfortranarray(old.rows), paths=np.array(old.paths))
    taken(old, old.top / "old.npz")


def test_an_npz_of_vectors_alone_needs_a_list(old: OldIndex) -> None:
    file = old.top / "old.npz"
    np.savez(file, old.rows)
    with pytest.raises(UsageError, match="--metadata"):
        taken(old, file)
    taken(old, file, metadata=old.json)


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"paths": np.array(["a"])}, "0 arrays of floats"),
        ({"a": np.zeros((1, 4)), "b": np.zeros((1, 5))}, "2 arrays of floats"),
        ({"vectors": np.zeros((12, 8)), "paths": np.array(["a"] * 12, object)}, "'paths' holds pickled objects"),
        ({"vectors": np.zeros((12, 8), int), "paths": np.array(["a"])}, "0 arrays"),
    ],
)
def test_an_npz_without_vectors_and_paths_is_refused(old: OldIndex, arrays: dict[str, Any], match: str) -> None:
    np.savez(old.top / "old.npz", **arrays)
    with pytest.raises(UsageError, match=match):
        taken(old, old.top / "old.npz")


def test_an_npz_that_is_none_is_refused(old: OldIndex) -> None:
    file = old.top / "old.npz"
    for data in (b"", b"nonsense", old.npy.read_bytes()):
        file.write_bytes(data)
        with pytest.raises(UsageError, match=r"not an \.npz file"):
            taken(old, file)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda directory, data: (directory + 6, b"\x40\x00"),  # a version of zip to come
        lambda directory, data: (directory + 8, b"\x01\x00"),  # a password
        lambda directory, data: (directory + 10, b"\x07\x00"),  # a method of compression that nobody knows
        lambda directory, data: (data, b"\xff" * 40),
    ],
    ids=["version", "password", "method", "content"],
)
def test_an_npz_that_cannot_be_unpacked_is_refused(old: OldIndex, save: Any, spoil: Any) -> None:
    file = old.top / "old.npz"
    save(file, vectors=old.rows, paths=np.array(old.paths))
    whole = bytearray(file.read_bytes())
    # The last entry of the directory is that of the paths; a byte of their data stands before the directory.
    directory = whole.rindex(b"PK\x01\x02")
    at, new = spoil(directory, whole.index(b"PK\x01\x02") - 60)
    whole[at : at + len(new)] = new
    file.write_bytes(whole)
    with pytest.raises(UsageError, match=r"damaged|cannot be read"):
        taken(old, file)


def test_an_npz_whose_head_promises_more_than_it_holds_is_refused(old: OldIndex) -> None:
    """Else a file of a few bytes would fill the memory."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40, 8)})
    with zipfile.ZipFile(old.top / "old.npz", "w") as made:
        made.writestr("vectors.npy", head.getvalue() + b"few")
    with pytest.raises(UsageError, match="its header says"):
        taken(old, old.top / "old.npz")


@pytest.mark.parametrize("names", [("vector", "path"), ("embedding", "uri"), ("numbers", "filename")])
@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.list_(pa.float16(), 8), pa.large_list(pa.float32())]
)
def test_a_parquet_file_of_vectors_and_paths_is_imported(old: OldIndex, names: tuple[str, str], kind: Any) -> None:
    half = kind.value_type == pa.float16()
    rows = list(old.rows.astype(np.float16 if half else np.float64))
    table = pa.table({"id": pa.array(range(12)), names[0]: pa.array(rows, kind), names[1]: old.paths})
    pq.write_table(table, old.top / "old.parquet", row_group_size=5)
    taken(old, old.top / "old.parquet")


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"path": ["a"]}, "0 columns of lists of floats"),
        ({"path": ["a"], "vector": [None]}, "0 columns"),
        ({"path": ["a", "b"], "vector": [[0.5], [0.5, 1.0]]}, "several lengths"),
        ({"caption": ["a"], "vector": [[0.5]]}, "no column has a known name for paths"),
    ],
)
def test_a_parquet_file_without_vectors_and_paths_is_refused(
    old: OldIndex, columns: dict[str, Any], match: str
) -> None:
    pq.write_table(pa.table(columns), old.top / "old.parquet")
    with pytest.raises(UsageError, match=match):
        taken(old, old.top / "old.parquet")


@pytest.mark.parametrize("vector", ["vector", "embedding"])
def test_json_lines_of_vectors_and_paths_are_imported(old: OldIndex, vector: str) -> None:
    lines = [{"path": path, vector: row.tolist()} for path, row in zip(old.paths, old.rows, strict=True)]
    (old.top / "old.jsonl").write_text("\ufeff" + "\r\n".join(map(json.dumps, lines)), encoding="utf-8")
    taken(old, old.top / "old.jsonl")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "it is empty"),
        ("nonsense", "line 1 is not JSON"),
        ("[1]", "line 1 is no object"),
        ('{"path": "a"}', "no field has a known name for a vector"),
        ('{"path": "a", "vector": "b"}', "line 1 has no list of numbers"),
        ('{"path": "a", "vector": [true]}', "line 1 has no list of numbers"),
        ('{"path": "a", "vector": [1]}\n{"path": "b", "vector": [1, 2]}', "line 2 has a vector of 2 numbers"),
        ('{"caption": "a", "vector": [1]}', "no field has a known name for a path"),
    ],
)
def test_json_lines_without_vectors_and_paths_are_refused(old: OldIndex, text: str, match: str) -> None:
    (old.top / "old.jsonl").write_text(text)
    with pytest.raises(UsageError, match=match):
        taken(old, old.top / "old.jsonl")


def test_rows_of_an_export_are_not_those_of_an_index(tmp_path: Path) -> None:
    old, _, words = exported(tmp_path, "npz")
    with pytest.raises(UsageError, match="name one of the two"):
        Store.import_new(tmp_path / "again", **words, faiss=old.faiss)
