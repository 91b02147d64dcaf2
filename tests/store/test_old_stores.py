"""Stores of every released format, written by the code of their time, are read and gone on with."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vstore.disk.journal import journals
from vstore.format.facts import BYTES, CAMERA, ORIENTATION, pixels
from vstore.format.layout import FORMATS
from vstore.pictures.preparation import preparation_1
from vstore.repository.decisions import newest_decisions
from vstore.repository.facts import facts_of
from vstore.repository.fields import every_field, fields_of, picture_fields
from vstore.repository.index_parts import index_parts
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


WRITTEN = {  # the digest of each folder, for good: a later format adds one
    "format-1": "aa26a787bf6fbe3fd0862786194882e1d0d0df292ca1a94a0f590e4f6f3b3835",
    "format-2": "6f15358d33aaafa6c2da24d7136521ae59b4f79facafb7d1f126b8b1f85e4ad6",
}


def digest_of(folder: Path) -> str:
    """Digest the names and bytes of all files of a folder."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        data = path.read_bytes()
        whole.update(f"{path.relative_to(folder).as_posix()}\0{len(data)}\0".encode() + data)
    return whole.hexdigest()


def test_the_stores_are_those_that_the_code_of_their_time_wrote() -> None:
    assert {folder.name: digest_of(folder) for folder in DATA.glob("format-*")} == WRITTEN


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of what format 1 wrote: pictures, and stores of them."""
    shutil.copytree(DATA / "format-1", tmp_path / "format-1")
    return tmp_path / "format-1"


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A copy of what format 2 wrote: pictures, and stores of them."""
    shutil.copytree(DATA / "format-2", tmp_path / "format-2")
    return tmp_path / "format-2"


def aliases(folder: Path, snapshot: str) -> dict[str, str]:
    repo = Repository(folder)
    return {os.fsdecode(path): key.hex() for path, key in repo.tree(repo.snapshot(snapshot))}


def test_there_is_a_store_of_every_format_up_to_this_one() -> None:
    found = sorted(path.name for path in DATA.glob("format-*"))
    assert found == [f"format-{version}" for version in FORMATS]
    for path in DATA.glob("format-*"):
        form = json.loads((path / "store" / "FORMAT").read_bytes())
        assert path.name == f"format-{form['format']}"
    assert sum(path.stat().st_size for path in DATA.glob("format-*/**/*") if path.is_file()) < 120_000


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
        assert "vectors in journals: 1" in store.check().notes[0]
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


# Format 2


def test_format_2_names_what_it_named(second: Path) -> None:
    with Store(second / "store") as store:
        rows = {row.snapshot: row for row in store.snapshot_list()}
        own = [f"v{number}" for number in (134, 133, 131, 130, 128, *range(120, 0, -8), 1) if number != 40]
        assert list(rows) == [*own, "origin/v7", "origin/v6"]
        assert rows["v131"].id == "07c83bd01cbe43acfad09b8796f6028b", "that of format 1 for these pictures"
        assert rows["v134"].id == "65fac9ac0db82283d73b538b260aac0a"
        assert {name: rows[name].parent for name in ("v134", "v24", "v1", "origin/v7")} == {
            "v134": "v133",
            "v24": "v23",
            "v1": None,
            "origin/v7": "origin/v6",
        }
        assert {name: row.tags for name, row in rows.items() if row.tags} == {"v1": ("first",), "v32": ("middle",)}
        assert [name for name, row in rows.items() if row.current] == ["v131"]
        assert (rows["v64"].message, rows["origin/v7"].message) == ("b is number 63", "made elsewhere")
        diff = store.snapshot_diff("v8", "v64")
        assert diff.renamed == ((b"pictures/b 7.png", b"pictures/b 63.png"),)
    repo = Repository(second / "store")
    assert (repo.state.hold, repo.state.listed, len(repo.state.window)) == ("v131", 130, 7)
    for name, found in {
        "first": "v1",
        "65fac9ac": "v134",
        "origin/v6": "origin/v6",
        "@{1}": "v134",
        "@{2}": "v24",
    }.items():
        assert repo.snapshot(name).name == found
    assert aliases(second / "store", "v134") == {
        "pictures/a.png": A,
        "pictures/b.png": B,
        "pictures/copy of a.png": A,
        "pictures/d.png": D,
        "pictures/summer/c.png": C,
    }
    assert aliases(second / "store", "v16") == {"pictures/a.png": A, "pictures/b 15.png": B, "pictures/summer/c.png": C}


def test_format_2_has_the_fields_that_were_set(second: Path) -> None:
    for name in ("store", "sha256-float32"):
        repo = Repository(second / name)
        snapshot = repo.snapshot("origin/v7")
        keys = sorted(set(repo.tree(snapshot).every_key()))
        table = fields_of(repo, snapshot)
        assert picture_fields(repo, table, keys[0]) == {
            "title": "née 1999",
            "count": -3,
            "weight": 0.25,
            "private": False,
            "seen": datetime(2026, 1, 2, 3, 4, 5, 678900, UTC),
            "people": ("Ada", "", "Chloë"),
        }
        assert picture_fields(repo, table, keys[1]) == {"private": True}
        assert len(list(every_field(repo, snapshot))) == 7
        assert not snapshot.id.startswith("07c83bd0"), "the fields are part of the identity"
    assert list(every_field(Repository(second / "store"), repo.snapshot("v1"))) == []


def test_format_2_has_the_decisions_in_force(second: Path) -> None:
    repo = Repository(second / "store")
    keys = [bytes.fromhex(key) for key in sorted((A, B, C))]
    found = [(decision.verb, list(decision.keys), list(decision.kept)) for decision in newest_decisions(repo)]
    assert found == [("keep", keys, keys[1:2]), ("same", keys[1:], []), ("different", keys[:2], [])]
    assert [record.op for record in repo.records()][-2:] == ["decide", "undo"]


def test_format_2_has_facts_of_several_readers(second: Path) -> None:
    repo = Repository(second / "store")
    a, b, c = map(bytes.fromhex, (A, B, C))
    found = facts_of(repo, [a, b, c])
    prepared, other = pixels(preparation_1()), pixels({**preparation_1(), "policy": 2})
    assert [found[key].reader for key in (a, b, c)] == [2, 1, 2]
    winner = found[a].values
    assert [winner[column] for column in (BYTES, CAMERA, ORIENTATION)] == [300, "Caméra", 6]
    assert winner[other] == repo.hash.digest(b"2")
    assert found[b].values[BYTES] == 300
    assert found[c].values == {BYTES: 301, prepared: repo.hash.digest(b"1")}, "its pixels are those of reader 1"


def test_format_2_remembers_what_gc_removed(second: Path) -> None:
    with Store(second / "store") as store:
        rows = store.log()
    assert [row.number for row in rows] == [*range(159, 140, -1), *range(139, 0, -1)]
    assert [row.op for row in rows[-3:]] == ["tag", "sync", "init"]
    assert {row.number for row in rows if row.undone} == {155, 158}


def test_format_2_has_an_identity_parts_of_an_index_and_the_records_of_another_store(second: Path) -> None:
    repo = Repository(second / "store")
    assert repo.state.spaces[SPACE].identity == hashlib.sha256(SPACE.encode()).hexdigest()
    parts = {len(part.head.covers): b"".join(part.blocks()) for part in index_parts(repo, SPACE, "graph")}
    assert parts == {0: b"centroids" * 20, 1: b"neighbours"}
    origins = {record.about: record.origin for record in repo.records() if record.origin is not None}
    assert {name: (origin.store, origin.number) for name, origin in origins.items()} == {
        f"origin/v{number}": ("00112233445566778899aabbccddeeff", 40 + number) for number in (6, 7)
    }


@pytest.mark.parametrize("name", ["store", "sha256-float32"])
def test_format_2_is_whole_and_finds_its_pictures(second: Path, name: str) -> None:
    with Store(second / name) as store:
        report = store.check(read_data=True)
        assert report.ok, report.problems
        for path in aliases(second / name, "v1"):
            if (second / path).exists():
                (best, *_) = store.search([Operand(1.0, os.fsencode(second / path))]).hits
                assert best.score == 1.0


def test_format_2_is_gone_on_with(second: Path) -> None:
    with Store(second / "store") as store:
        store.rollback(release=True)
        report = store.sync()
        assert (report.recovered, report.embedded, report.snapshot, report.paths) == (1, 0, "v135", 6)
        store.undo()
        store.rollback("v64")
        assert store.gc().snapshots == 2
        assert store.check(read_data=True).ok
        assert [row.op for row in store.log()][-3:] == ["tag", "sync", "init"]
    repo = Repository(second / "store")
    assert len(list(newest_decisions(repo))) == 3 and len(list(every_field(repo, repo.snapshot("v134")))) == 7
    assert len(list(index_parts(repo, SPACE, "graph"))) == 2
    assert repo.snapshot("current").name == "v64" and journals(repo.layout.journal) == []
