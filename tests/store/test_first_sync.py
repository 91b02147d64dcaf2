"""A first sync makes its store, for Python as for the command line, and leaves none behind if it cannot go well."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.folders import put

import vstore
from vstore import MissingPackage, ModelError, NoStore, Store, UsageError
from vstore.testing import FakeEmbedder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    put(tmp_path, {"pictures/a.png": 1, "pictures/b.png": 2, "notes/a.txt": b"words"})
    (tmp_path / "empty").mkdir()
    return tmp_path / "pictures"


def first(pictures: Path, **options: object) -> vstore.SyncReport:
    fake = FakeEmbedder()
    return Store.sync_new(
        pictures.parent / ".vstore",
        [pictures],
        recipe=fake.recipe,
        load_embedder=lambda recipe: fake,
        **options,  # type: ignore[arg-type]
    )


def test_it_makes_a_store_and_syncs(pictures: Path) -> None:
    made: list[vstore.InitReport] = []
    report = first(pictures, made=made.append, message="first look")
    assert (report.snapshot, report.paths, report.created_store) == ("v1", 2, True)
    assert [one.store for one in made] == [str(pictures.parent / ".vstore")]
    with Store(pictures.parent / ".vstore") as store:
        assert [row.message for row in store.snapshot_list()] == ["first look"]


@pytest.mark.parametrize(
    ("paths", "options", "error"),
    [
        ([], {}, NoStore),
        ([], {"dry_run": True}, NoStore),
        (["empty"], {"dry_run": True}, UsageError),
        (["pictures"], {"dry_run": True, "pooling": "cls"}, UsageError),
        (["pictures"], {"dry_run": True, "exclude": ["*.png"]}, UsageError),
        (["nowhere"], {}, UsageError),
        (["notes/a.txt"], {}, UsageError),
        (["empty"], {}, UsageError),
        (["notes"], {}, UsageError),
        (["pictures"], {"exclude": ["*.png"]}, UsageError),
        (["pictures"], {"device": "two of them"}, UsageError),
        (["pictures"], {"pooling": "cls"}, UsageError),
        (["pictures"], {"no_exclude": ["*.png"]}, UsageError),
        (["pictures"], {"files_from": "missing.txt"}, UsageError),
        (["pictures"], {"model": "./missing"}, ModelError),
    ],
)
def test_no_store_is_left_behind(
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    paths: list[str],
    options: dict[str, object],
    error: type[vstore.VstoreError],
) -> None:
    monkeypatch.chdir(pictures.parent)
    with pytest.raises(error):
        Store.sync_new(".vstore", paths, **options)  # type: ignore[arg-type]
    assert not Path(".vstore").exists()


def test_a_faiss_that_is_missing_leaves_no_store_behind(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingPackage, match="faiss cannot be used"):
        first(pictures)
    assert not (pictures.parent / ".vstore").exists()


def test_a_store_that_exists_is_left_as_it_is(pictures: Path) -> None:
    first(pictures)
    with pytest.raises(UsageError, match="already exists"):
        first(pictures)
    with pytest.raises(ModelError, match="--model, --compute can only be given for a new one"):
        first(pictures, model="openai/clip", compute="fp32")


def test_a_store_is_found_upwards_and_knows_its_folders(pictures: Path) -> None:
    folder = pictures.parent / Store.FOLDER
    assert Store.find(pictures) is None or Store.find(pictures) != folder
    assert not Store.exists(folder)
    first(pictures)
    (pictures / "sub").mkdir()
    assert Store.find(pictures / "sub") == folder
    assert Store.exists(folder)
    with Store(folder) as store:
        assert store.label_of(pictures) == store.label_of(pictures / "sub") == "pictures"
        assert store.label_of(pictures.parent) is None
        assert store.label_of(pictures.parent / "pictures2") is None


def test_a_first_sync_is_planned_without_a_store(pictures: Path) -> None:
    store = pictures.parent / "store"
    planned = Store.sync_new(store, [pictures], dry_run=True, made=lambda report: pytest.fail("a store was made"))
    assert (planned.dry_run, planned.store_exists, planned.created_store) == (True, False, False)
    assert not store.exists()
    done = Store.sync_new(store, [pictures])
    assert (done.store_exists, done.created_store, done.embed_bytes) == (True, True, 0)
    same = ("paths", "images", "new", "copied", "ignored", "space", "space_name")
    assert {name: getattr(done, name) for name in same} == {name: getattr(planned, name) for name in same}
    assert planned.to_embed == done.embedded
    assert planned.embed_bytes == sum(path.stat().st_size for path in pictures.rglob("*.png"))
