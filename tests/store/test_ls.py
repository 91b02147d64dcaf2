"""Listing what a snapshot holds, held against a dict."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builder import HASH, RECIPE, Builder, aliases, unit_vectors
from support.builder import key as builder_key
from support.folders import World
from support.numbered import NumberedStore, key

from vstore.browse.failed import unread_files
from vstore.disk.catalogue import Catalogue
from vstore.errors import Damage, SnapshotNotFound, StoreClosed, UsageError
from vstore.format.pages import level_of
from vstore.format.recipes import space_id
from vstore.format.tree import Tree
from vstore.repository.add_space import add_space
from vstore.store import Store

NAMES = st.binary(min_size=1, max_size=3).filter(
    lambda name: not {0, ord("/")} & set(name) and name not in (b".", b"..")
)
PATHS = st.lists(NAMES, min_size=2, max_size=4).map(b"/".join)
TREES = st.dictionaries(PATHS, st.integers(1, 6), max_size=24)


def whole(files: dict[bytes, int]) -> dict[bytes, int]:
    """Leave out paths below which others lie: no disk has both."""
    return {path: seed for path, seed in files.items() if not any(other.startswith(path + b"/") for other in files)}


def listed(store: Store, *words: Any, **options: Any) -> list[tuple[bytes, bytes | None]]:
    return [(entry.path, entry.key) for entry in store.ls(words, **options).entries]


def children(files: dict[bytes, int], folder: bytes) -> list[tuple[bytes, bytes | None]]:
    """The rule word by word, for a dict."""
    base = folder + b"/" if folder else b""
    found: dict[bytes, bytes | None] = {}
    for path, number in files.items():
        if path.startswith(base):
            name, slash, _ = path[len(base) :].partition(b"/")
            found[base + name] = None if slash else key(number)
    return sorted(found.items(), key=lambda item: item[0] + (b"/" if item[1] is None else b""))


@settings(max_examples=40, deadline=None)
@given(files=TREES, data=st.data())
def test_a_folder_lists_what_a_dict_says(
    tmp_path_factory: pytest.TempPathFactory, files: dict[bytes, int], data: st.DataObject
) -> None:
    files = whole(files)
    world = NumberedStore(tmp_path_factory.mktemp("ls"))
    world.builder.add_snapshot({path: key(number) for path, number in files.items()}, "")
    with Store(world.builder.repo.layout.folder) as store:
        assert listed(store) == children(files, b"")
        folders = {b"/".join(path.split(b"/")[:depth]) for path in files for depth in range(1, path.count(b"/") + 1)}
        if folders:
            folder = data.draw(st.sampled_from(sorted(folders)))
            assert listed(store, folder, at="current") == children(files, folder)  # a word alone, as "@", may mean that
            below = sorted((path, key(n)) for path, n in files.items() if path.startswith(folder + b"/"))
            assert listed(store, folder, at="current", recursive=True) == below
            (count,) = {entry.paths for entry in store.ls(long=True).entries if entry.path == folder} or {len(below)}
            assert count == len(below)
        assert listed(store, recursive=True) == sorted((path, key(number)) for path, number in files.items())


@settings(max_examples=25, deadline=None)
@given(before=TREES, after=TREES)
def test_new_since_leaves_out_the_pictures_of_another_snapshot(
    tmp_path_factory: pytest.TempPathFactory, before: dict[bytes, int], after: dict[bytes, int]
) -> None:
    world = NumberedStore(tmp_path_factory.mktemp("ls"))
    for files in (whole(before), whole(after)):
        world.builder.add_snapshot({path: key(number) for path, number in files.items()}, "")
    with Store(world.builder.repo.layout.folder) as store:
        known = {key(number) for number in whole(before).values()}
        wanted = sorted((path, key(n)) for path, n in whole(after).items() if key(n) not in known)
        assert listed(store, new_since="v1") == wanted


def test_a_picture_lists_itself_and_an_older_snapshot_its_own(settled: World) -> None:
    settled.put({"a.png": 1, "sub/b.png": 2})
    settled.sync()
    (settled.pictures / "a.png").unlink()
    settled.sync()
    at = settled.store
    assert [path for path, _ in listed(at, "v1", "pictures")] == [b"pictures/a.png", b"pictures/sub"]
    assert [path for path, _ in listed(at, "v1", "pictures/a.png")] == [b"pictures/a.png"]
    assert [path for path, _ in listed(at, "pictures", at="v1")] == [b"pictures/a.png", b"pictures/sub"]
    assert [path for path, _ in listed(at, settled.pictures / "sub")] == [b"pictures/sub/b.png"]
    (entry,) = at.ls(["v2", "pictures/sub"], long=True).entries
    assert entry.file == os.fsencode(settled.pictures / "sub/b.png")
    assert entry.key is not None
    assert entry.details is not None
    assert (entry.details.width, entry.details.height, entry.details.format) == (30, 20, "PNG")
    assert entry.details.bytes == (settled.pictures / "sub/b.png").stat().st_size
    assert entry.details.modified is not None


def test_the_time_of_a_file_is_no_time_of_an_older_picture(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"a.png": 2})
    settled.sync()
    old, new = (next(iter(settled.store.ls(["pictures"], at=at, long=True).entries)) for at in ("v1", "v2"))
    assert old.details is not None
    assert new.details is not None
    assert (old.details.modified, old.details.width) == (None, 30)
    assert new.details.modified is not None


def test_one_word_is_a_snapshot_or_a_path_and_never_both(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settled.put({"a.png": 1, "v1/b.png": 2})
    settled.sync()
    settled.put({"c.png": 3})
    settled.sync()
    store = settled.store
    assert store.ls(["v1"]).snapshot == "v1"
    monkeypatch.chdir(settled.pictures)
    with pytest.raises(UsageError, match="v1 is a snapshot, and a path too; for the snapshot, add --at v1"):
        store.ls(["v1"])
    assert (
        listed(store, "./v1") == listed(store, "pictures/v1") == [(b"pictures/v1/b.png", bytes.fromhex(settled.key(2)))]
    )
    store.snapshot_tag("v1", "a&b")
    (settled.pictures / "a&b").mkdir()
    settled.put({"a&b/d.png": 4})
    settled.sync()
    with pytest.raises(UsageError, match=r"add --at 'a&b' and leave the word out; for the path, write '\./a&b'"):
        store.ls(["a&b"])
    assert store.ls(at="v1").snapshot == "v1"
    (settled.top / "v2").mkdir()  # in no synced folder: nobody can mean it
    monkeypatch.chdir(settled.top)
    assert store.ls(["v2"]).snapshot == "v2"
    with pytest.raises(UsageError, match=r"no snapshot 'v7'.*; and as a path, v7 is"):
        store.ls(["v7"])
    settled.put({"animals/cat.png": 3})
    settled.sync()
    for word, near in (("animals", "animals"), ("animals/", "animals"), ("animal/cat.png", "animals/cat.png")):
        with pytest.raises(UsageError, match=rf"in any synced folder; did you mean pictures/{near}\?$"):
            store.ls([word])
    with pytest.raises(SnapshotNotFound):
        store.ls(["v7", "pictures"])
    with pytest.raises(UsageError, match=r"did you mean pictures/a\.png"):
        store.ls(["v1", "pictures/aa.png"])
    for words, at in ((["v1", "pictures", "v2"], None), (["v1", "pictures"], "v1")):
        with pytest.raises(UsageError, match="too many"):
            store.ls(words, at=at)


def test_pictures_without_a_vector_in_a_space_are_listed(builder: Builder) -> None:
    builder.add_pictures(aliases(1, 2, 3))
    other = {**RECIPE, "name": "another"}
    add_space(builder.repo, other, "another")
    builder.space = space_id(other)
    builder.add_segment([builder_key(2)], unit_vectors(1))
    with Store(builder.repo.layout.folder) as store:
        assert listed(store, space_missing="fake-1") == []
        assert [path for path, _ in listed(store, space_missing="another")] == [b"r/1.png", b"r/3.png"]
        assert [path for path, _ in listed(store, "r/3.png", space_missing="another")] == [b"r/3.png"]
        with pytest.raises(UsageError, match="the spaces here are: another, fake-1"):
            store.ls(space_missing="anothr")


def test_files_that_no_sync_could_read_are_listed_with_the_reason(settled: World) -> None:
    settled.put({"a.png": 1, "broken.png": b"no picture", "sub/deep/b.png": b"nor this", "ok/c.png": 2})
    settled.sync()
    found = list(settled.store.ls(failed=True).entries)
    assert [entry.path for entry in found] == [b"pictures/broken.png", b"pictures/sub/deep/b.png"]
    assert {entry.kind for entry in found} == {"not_an_image"}
    assert all(entry.reason and entry.file and entry.key for entry in found)
    assert [entry.path for entry in settled.store.ls(["pictures/sub"], failed=True).entries] == [found[1].path]
    settled.put({"broken.png": 3})
    settled.sync()
    assert [entry.path for entry in settled.store.ls(failed=True).entries] == [found[1].path]
    assert settled.store.ls(failed=True).snapshot is None
    for options in ({"at": "v1"}, {"new_since": "v1"}, {"space_missing": "fake-1"}):
        with pytest.raises(UsageError, match="in no snapshot"):
            settled.store.ls(failed=True, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="v1 is one"):
        settled.store.ls(["v1"], failed=True)


def test_files_that_are_too_large_or_closed_are_among_them(settled: World, faulty: Any) -> None:
    settled.put({"a.png": 1, "large.png": bytes(5000), "closed.png": 2})
    faulty.errors["closed.png"] = 13
    settled.sync(max_file_size=4000)
    found = {entry.path: entry for entry in settled.store.ls(failed=True).entries}
    assert {path: entry.kind for path, entry in found.items()} == {
        b"pictures/large.png": "too_large",
        b"pictures/closed.png": "unread",
    }
    assert all(entry.key is None for entry in found.values())
    (large,) = settled.store.ls(["pictures/large.png"], failed=True, long=True).entries
    assert large.details is not None and large.details.bytes == 5000 and large.details.modified


def test_a_long_list_of_failed_files_says_what_is_known_of_them(settled: World) -> None:
    settled.put({"a.png": 1, "broken.png": b"no picture"})
    settled.sync()
    (entry,) = settled.store.ls(failed=True, long=True).entries
    assert entry.details is not None and entry.details.bytes == len(b"no picture") and entry.details.modified
    assert (entry.kind, entry.paths) == ("not_an_image", None)
    assert [one.details for one in settled.store.ls(failed=True).entries] == [None]


def test_what_the_snapshot_holds_has_not_failed(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()  # the file is young: its stat says nothing yet
    catalogue = Catalogue.open(world.folder / "catalogue", world.repo.store_id, write=True)
    assert catalogue is not None
    with catalogue, catalogue.batch() as batch:
        batch.put_decode_failure(bytes.fromhex(world.key(1)), "an older decoder", "truncated", "it was cut then")
    assert list(world.another().ls(failed=True).entries) == []


def test_without_a_catalogue_nothing_is_known_to_have_failed(settled: World) -> None:
    settled.put({"a.png": 1, "broken.png": b"no picture"})
    settled.sync()
    shutil.rmtree(settled.folder / "catalogue")
    assert list(settled.another().ls(failed=True).entries) == []
    assert [entry.details for entry in settled.another().ls(["pictures"], long=True).entries] != []


def test_the_first_lines_cost_no_more_than_the_first_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = NumberedStore(tmp_path)
    world.sync({f"{n:05}.png": n for n in range(20_000)})
    read: list[bytes] = []
    page = Tree.page

    def counted(tree: Tree, digest: bytes) -> bytes:
        read.append(digest)
        return page(tree, digest)

    monkeypatch.setattr(Tree, "page", counted)
    with Store(world.builder.repo.layout.folder) as store:
        lines = iter(store.ls(["p"]).entries)
        first = [next(lines).path for _ in range(50)]
        assert first == [f"p/{n:05}.png".encode() for n in range(50)]
        assert len(read) < 20  # of about 160
        lines.close()  # type: ignore[attr-defined]
        assert len(list(store.ls(["p"]).entries)) == 20_000


def test_a_look_at_one_place_of_a_tree_reads_a_page_of_each_level() -> None:
    made = Tree.empty(HASH, {}.__getitem__).edited(
        {f"p/{n:06}.png".encode(): HASH.digest(b"%d" % n) for n in range(60_000)}
    )
    read: list[bytes] = []

    def fetch(digest: bytes) -> bytes:
        read.append(digest)
        return made.fresh[digest]

    tree = Tree(HASH, fetch, made.root)
    found = next(tree.range(b"p/030000", None))
    assert found[0] == b"p/030000.png"
    level = level_of(made.fresh[made.root])
    assert level >= 2
    assert len(set(read)) == level + 1
    for n in range(0, 60_000, 400):  # many looks read the inner pages once
        assert tree.get(f"p/{n:06}.png".encode()) == HASH.digest(b"%d" % n)
    inner = [digest for digest, at in made.pages() if at]
    assert all(read.count(digest) <= 20 for digest in inner)


def test_the_pictures_of_large_folders_are_counted(tmp_path: Path) -> None:
    world = NumberedStore(tmp_path)
    sizes = {f"p/{n:02}": 37 * n + 1 for n in range(20)}
    world.sync({f"{folder}/{n}.png": n for folder, size in sizes.items() for n in range(size)})
    with Store(world.builder.repo.layout.folder) as store:
        assert {one.path.decode(): one.paths for one in store.ls(["p"], long=True).entries} == sizes
        (top,) = store.ls(long=True).entries
        assert top.paths == sum(sizes.values())


def test_a_listing_can_be_read_twice_and_beside_other_calls(settled: World) -> None:
    settled.put({f"{n}.png": n for n in range(5)})
    settled.sync()
    report = settled.store.ls(["pictures"])
    lines = iter(report.entries)
    first = next(lines)
    settled.put({"more.png": 9})
    settled.sync()
    assert [first, *lines] == list(report.entries) == list(settled.store.ls(["pictures"], at="v1").entries)
    assert len(report.to_json()["entries"]) == 5


def test_what_gc_collects_meanwhile_is_looked_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = NumberedStore(tmp_path)
    world.sync({f"{n:05}.png": n for n in range(2_000)})
    with Store(world.builder.repo.layout.folder) as store:
        wanted = list(store.ls(recursive=True).entries)
        lines = iter(store.ls(recursive=True).entries)
        begun = [next(lines) for _ in range(40)]
        lost = FileNotFoundError(2, "gone", str(store.folder / "packs/x.pack"))
        decode = Tree.decode
        fails = iter([True])

        def once(tree: Tree, leaf: Any) -> Any:
            if next(fails, False):
                world.publish("tag", {"tags": {"x": "v1"}})  # somebody has changed the store
                raise lost
            return decode(tree, leaf)

        monkeypatch.setattr(Tree, "decode", once)
        assert [*begun, *lines] == wanted
        fails = iter([True, True])
        monkeypatch.setattr(world, "publish", lambda *words: None)
        with pytest.raises(Damage, match="is missing"):
            list(store.ls(recursive=True).entries)


def test_a_closed_store_says_so_when_lines_are_asked_for(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    report = settled.store.ls()
    settled.store.close()
    with pytest.raises(StoreClosed):
        list(report.entries)


def test_a_forged_catalogue_makes_no_endless_walk(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    monkeypatch.setattr("vstore.browse.failed.subfolders_in", lambda values: {b"x"})
    repo = settled.repo
    snapshot = repo.snapshot("current")
    assert list(unread_files(repo, snapshot.space, repo.tree(snapshot), None)) == []


def test_listings_in_threads_do_not_disturb_one_another(settled: World) -> None:
    settled.put({f"{n}.png": n for n in range(8)})
    settled.sync()
    wanted = list(settled.store.ls(["pictures"]).entries)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(list(settled.store.ls(["pictures"]).entries))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 4
