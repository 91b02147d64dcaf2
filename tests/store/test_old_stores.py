"""Stores of every released format, written by the code of their time, are read and gone on with."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from vstore.disk.journal import journals
from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.store import Store

DATA = Path(__file__).parent / "data"
A, B, C, D, E = (
    "7af55d56a56d4777cbeb5c1380749c08",
    "e104fbfb0941cc75b09b5df5b45ab280",
    "7db2de6107a47e34412d88065fd55667",
    "44388373464469dfa6ea7e897739b874",
    "08f72627a31e84d82359215e11a99583",
)
SPACE = "63aae34f054a6ab579f76214d3f8dadc4f651d5d4b914ff13953bc50b95e0159"


WRITTEN = {
    "format-1": "aa26a787bf6fbe3fd0862786194882e1d0d0df292ca1a94a0f590e4f6f3b3835"
}  # the digest of each folder, for good: a later format adds one


def digest_of(folder: Path) -> str:
    """Digest the names and bytes of all files of a folder."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        data = path.read_bytes()
        whole.update(f"{path.relative_to(folder).as_posix()}\0{len(data)}\0".encode() + data)
    return whole.hexdigest()


def test_the_stores_are_those_that_the_code_of_their_time_wrote() -> None:
    assert {folder.name: digest_of(folder) for folder in DATA.iterdir()} == WRITTEN


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of what format 1 wrote: pictures, and stores of them."""
    shutil.copytree(DATA / "format-1", tmp_path / "format-1")
    return tmp_path / "format-1"


def aliases(folder: Path, snapshot: str) -> dict[str, str]:
    repo = Repository(folder)
    return {os.fsdecode(path): key.hex() for path, key in repo.tree(repo.snapshot(snapshot))}


def test_there_is_a_store_of_every_format_up_to_this_one() -> None:
    found = sorted(path.name for path in DATA.iterdir())
    assert found == ["format-1"]
    for path in DATA.iterdir():
        form = json.loads((path / "store" / "FORMAT").read_bytes())
        assert path.name == f"format-{form['format']}"
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 50_000


def test_format_1_names_what_it_named(old: Path) -> None:
    with Store(old / "store") as store:
        rows = store.snapshot_list()
        assert [(row.snapshot, row.id, row.parent, row.paths, row.images) for row in rows] == [
            ("v2", "d632a7fa29f419a72505ccd9839866e6", "v1", 5, 4),
            ("v1", "07c83bd01cbe43acfad09b8796f6028b", None, 3, 3),
        ]
        assert [row.message for row in rows] == ["a copy, a renamed one, a new one", "three pictures"]
        assert {(row.space, row.space_name) for row in rows} == {(SPACE, "builtin-1")}
        assert [row.tags for row in rows] == [(), ("first",)]
        assert [row.current for row in rows] == [True, False]
        assert [row.op for row in store.log()] == ["undo", "rollback", "sync", "tag", "sync", "init"]
        diff = store.snapshot_diff("first", "current")
        assert diff.renamed == ((b"pictures/b.png", b"pictures/summer/b.png"),)
        assert (diff.copied, diff.added) == ((b"pictures/copy of a.png",), (b"pictures/d.png",))
    assert aliases(old / "store", "v1") == {"pictures/a.png": A, "pictures/b.png": B, "pictures/summer/c.png": C}
    assert aliases(old / "store", "v2") == {
        "pictures/a.png": A,
        "pictures/copy of a.png": A,
        "pictures/d.png": D,
        "pictures/summer/b.png": B,
        "pictures/summer/c.png": C,
    }


@pytest.mark.parametrize("name", ["store", "sha256-float32"])
def test_format_1_is_whole_and_finds_its_pictures(old: Path, name: str) -> None:
    with Store(old / name) as store:
        report = store.check(read_data=True)
        assert report.ok, report.problems
        for path in aliases(old / name, "current"):
            (best, *_) = store.search([Operand(1.0, os.fsencode(old / path))]).hits
            assert os.fsencode(path) in best.paths and best.score == 1.0


def test_format_1_with_sha256_and_float32_has_its_identity(old: Path) -> None:
    with Store(old / "sha256-float32") as store:
        (row,) = store.snapshot_list()
        assert row.id == "75323c52720699244b0add1635ade641532f5cea90dc61c08d3bb58834ca8859"
        assert row.space == SPACE, "the space does not depend on the store's hash"


def test_a_picture_that_format_1_embedded_is_not_embedded_again(old: Path) -> None:
    with Store(old / "store") as store:
        assert "1 vectors in journals" in store.check().notes[0]
        report = store.sync()
        assert (report.recovered, report.embedded, report.snapshot) == (1, 0, "v3")
        assert (report.unchanged, report.known, report.paths) == (5, 1, 6)
        assert aliases(old / "store", "v3")["pictures/e.png"] == E
        assert store.check(read_data=True).ok
        store.undo()
        store.rollback("first")
        assert store.sync(allow_mass_delete=True).paths == 6
    assert journals(old / "store" / "journal") == []


def test_the_vectors_of_format_1_are_those_that_are_computed_today(old: Path) -> None:
    import numpy as np

    from vstore.embed.load import load_embedder
    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import Preparation

    for name, tolerance in (("store", 1e-3), ("sha256-float32", 1e-6)):
        repo = Repository(old / name)
        embedder = load_embedder(repo.recipe(SPACE))
        rows = {}
        for ref in repo.state.segments(SPACE):
            segment = repo.segment(ref)
            rows.update(zip(segment.key_list(), segment.rows().astype(np.float32), strict=True))
        for path, key in repo.tree(repo.snapshot("current")):
            picture, _ = prepare((old / os.fsdecode(path)).read_bytes(), Preparation())
            assert np.abs(embedder.embed_images([picture])[0] - rows[key]).max() < tolerance
