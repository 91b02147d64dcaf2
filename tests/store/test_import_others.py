"""Indexes of other tools: clip-retrieval's folder and rclip's table."""

from __future__ import annotations

import sqlite3
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


# clip-retrieval


def write_parts(old: OldIndex, parts: int = 1, digits: int = 0, **columns: list[Any]) -> Path:
    folder = old.top / "clip"
    (folder / "img_emb").mkdir(parents=True)
    (folder / "metadata").mkdir()
    for part in range(parts):
        mine = slice(part * 12 // parts, (part + 1) * 12 // parts)
        name = str(part).zfill(digits)
        np.save(folder / "img_emb" / f"img_emb_{name}.npy", old.rows[mine].astype(np.float16))
        table = {"image_path": old.paths[mine], "caption": ["words"] * len(old.paths[mine])}
        pq.write_table(
            pyarrow.table({**table, **{n: v[mine] for n, v in columns.items()}}),
            folder / "metadata" / f"metadata_{name}.parquet",
        )
    return folder


@pytest.mark.parametrize(("parts", "digits"), [(1, 0), (3, 0), (12, 0), (12, 4)])
def test_the_folder_of_clip_retrieval_is_imported(old: OldIndex, parts: int, digits: int) -> None:
    folder = write_parts(old, parts, digits)
    report = Store.import_new(old.folder, clip_retrieval=folder, root=old.pictures)
    assert (states(report), report.kept_bits) == ({"matched": 12}, 12)
    stored = old.stored()
    assert all(stored[old.key(i)].tobytes() == old.rows[i].astype(np.float16).tobytes() for i in range(12))


def test_numbers_that_begin_again_in_each_part_say_nothing(old: OldIndex) -> None:
    folder = write_parts(old, 3, index=[n % 4 for n in range(12)])
    assert states(Store.import_new(old.folder, clip_retrieval=folder, root=old.pictures)) == {"matched": 12}


@pytest.mark.parametrize(
    "what",
    ["no part", "list missing", "list damaged", "first list damaged", "list short", "no number", "with another"],
)
def test_a_folder_that_does_not_fit_is_refused(old: OldIndex, what: str) -> None:
    folder = write_parts(old, 2)
    options: dict[str, Any] = {"clip_retrieval": folder, "root": old.pictures}
    match what:
        case "no part":
            for path in (folder / "img_emb").iterdir():
                path.unlink()
        case "list missing":
            (folder / "metadata" / "metadata_1.parquet").unlink()
        case "list damaged":
            (folder / "metadata" / "metadata_1.parquet").write_bytes(b"PAR1" + b"x" * 99)
        case "first list damaged":
            data = bytearray((folder / "metadata" / "metadata_0.parquet").read_bytes())
            data[4:40] = b"x" * 36  # of a page: the names of the columns can be read
            (folder / "metadata" / "metadata_0.parquet").write_bytes(data)
        case "list short":
            pq.write_table(pyarrow.table({"image_path": ["a"]}), folder / "metadata" / "metadata_1.parquet")
        case "no number":
            (folder / "img_emb" / "img_emb_1.npy").rename(folder / "img_emb" / "more.npy")
        case "with another":
            options["faiss"] = old.faiss
    with pytest.raises(UsageError):
        Store.import_new(old.folder, **options)
    assert not old.folder.exists()


# rclip


def write_table(old: OldIndex, path: Path, deleted: int | None = None) -> None:
    """As rclip 2 writes it: absolute paths, sizes and times, float32 vectors."""
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE images (id INTEGER PRIMARY KEY, deleted BOOLEAN, filepath TEXT NOT NULL UNIQUE, "
            "modified_at DATETIME NOT NULL, size INTEGER NOT NULL, vector BLOB NOT NULL, indexing BOOLEAN)"
        )
        for number, name in enumerate(old.names):
            file = old.pictures / name
            row = (
                number * 3 + 1,
                1 if number == deleted else None,
                str(file),
                file.stat().st_mtime,
                file.stat().st_size,
                (old.rows[number] * 4).tobytes(),
            )
            connection.execute("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, NULL)", row)
    connection.close()


def test_the_table_of_rclip_is_imported(old: OldIndex) -> None:
    write_table(old, old.top / "db.sqlite3")
    report = Store.import_new(old.folder, rclip=old.top / "db.sqlite3", root=old.pictures)
    assert (states(report), report.normalised) == ({"matched": 12}, 12)
    stored = old.stored()
    assert all(np.abs(stored[old.key(i)] - old.rows[i]).max() < 1e-3 for i in range(12))


def test_what_rclip_marked_as_deleted_is_left_out(old: OldIndex) -> None:
    write_table(old, old.top / "db.sqlite3", deleted=5)
    report = Store.import_new(old.folder, rclip=old.top / "db.sqlite3", root=old.pictures)
    assert (states(report), report.rows) == ({"matched": 11}, 11)


def test_sizes_that_rclip_noted_tell_an_edited_picture(old: OldIndex) -> None:
    write_table(old, old.top / "db.sqlite3")
    old.put({"p00.png": b"other bytes"})
    report = Store.import_new(old.folder, rclip=old.top / "db.sqlite3", root=old.pictures)
    assert states(report) == {"matched": 11, "possibly_edited": 1}


def test_the_table_is_open_only_while_it_is_asked(old: OldIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.13 reports a database that nobody closed; older ones say nothing."""
    made: list[Watched] = []

    class Watched(sqlite3.Connection):
        open = True

        def __init__(self, *args: Any, **words: Any) -> None:
            super().__init__(*args, **words)
            made.append(self)

        def close(self) -> None:
            super().close()
            self.open = False

    write_table(old, old.top / "db.sqlite3")
    plain = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **words: plain(*args, factory=Watched, **words))
    Store.import_new(old.folder, rclip=old.top / "db.sqlite3", root=old.pictures)
    assert made and not any(connection.open for connection in made)


def test_the_table_is_only_read(old: OldIndex) -> None:
    path = old.top / "db.sqlite3"
    write_table(old, path)
    before = (path.read_bytes(), sorted(p.name for p in old.top.iterdir()))
    Store.import_new(old.folder, rclip=path, root=old.pictures, dry_run=True)
    assert (path.read_bytes(), sorted(p.name for p in old.top.iterdir())) == before


@pytest.mark.parametrize("what", ["missing", "no sqlite", "no table", "empty", "vectors differ"])
def test_a_file_that_is_not_rclips_is_refused(old: OldIndex, what: str) -> None:
    path = old.top / "db.sqlite3"
    match what:
        case "no sqlite":
            path.write_bytes(b"something else entirely, and long enough to have a head of its own" * 20)
        case "no table":
            sqlite3.connect(path).execute("CREATE TABLE other (id INTEGER)").connection.close()
        case "empty":
            path.write_bytes(b"")
        case "vectors differ":
            write_table(old, path)
            with sqlite3.connect(path) as connection:
                connection.execute("UPDATE images SET vector = x'0000' WHERE id = 1")
            connection.close()
    with pytest.raises(UsageError):
        Store.import_new(old.folder, rclip=path, root=old.pictures)
    assert not old.folder.exists()
