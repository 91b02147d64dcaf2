"""The paths of the pictures of a snapshot, by key: read from `cache/`, made by the delta, and made from all pages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builder import Builder, unit_vectors

from vstore.disk import mapped_cache
from vstore.disk.mapped_cache import MappedCache, map_cache, write_mapped
from vstore.disk.written import note_written
from vstore.errors import Damage
from vstore.format.differences import differences
from vstore.format.hashing import store_hash
from vstore.format.tree import Tree
from vstore.search import key_paths as module
from vstore.search.key_paths import KeyPaths, changed, key_paths, made

HASH = store_hash("xxh3_128")
KEYS = [HASH.digest(bytes([number])) for number in range(12)]
names = st.sampled_from([b"p/%d" % number for number in range(30)])
aliases = st.dictionaries(names, st.sampled_from(KEYS))


def tree_of(paths: dict[bytes, bytes]) -> Tree:
    return Tree.empty(HASH, {}.__getitem__).edited(dict(paths))


def listed(found: KeyPaths) -> dict[bytes, list[bytes]]:
    return {found.key(number): found.paths_at(number) for number in range(len(found))}


def by_key(paths: dict[bytes, bytes]) -> dict[bytes, list[bytes]]:
    return {key: sorted(p for p, k in paths.items() if k == key) for key in sorted({*paths.values()})}


@given(aliases)
def test_each_key_has_its_paths(paths: dict[bytes, bytes]) -> None:
    found = KeyPaths(made(tree_of(paths), HASH.size), HASH.size)
    assert list(listed(found).items()) == list(by_key(paths).items())
    assert list(found) == sorted({*paths.values()})
    for key in KEYS:
        assert found.paths_of(key) == by_key(paths).get(key, [])
        assert (key in found) == (key in paths.values())


@given(aliases, aliases)
def test_the_delta_gives_the_same_bytes_as_all_pages(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> None:
    older = KeyPaths(made(tree_of(before), HASH.size), HASH.size)
    assert changed(older, differences(tree_of(before), tree_of(after))) == made(tree_of(after), HASH.size)


@given(aliases)
def test_the_tree_is_made_again_from_the_paths(paths: dict[bytes, bytes]) -> None:
    found = module.tree_of(KeyPaths(made(tree_of(paths), HASH.size), HASH.size), HASH)
    assert found.root == tree_of(paths).root
    assert list(found) == sorted(paths.items())


@pytest.mark.parametrize("hash", ["xxh3_128", "sha256"])
def test_of_a_mapped_file_little_is_read_to_find_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hash: str
) -> None:
    chosen = store_hash(hash)
    keys = sorted(chosen.digest(b"%d" % number) for number in range(20_000))
    content = module.made(
        Tree.empty(chosen, {}.__getitem__).edited({b"p/%05d" % n: key for n, key in enumerate(keys)}), chosen.size
    )
    monkeypatch.setattr(mapped_cache, "BLOCK", 1024)
    assert write_mapped(tmp_path, "paths-x", content)
    mapped = map_cache(tmp_path, "paths-x", len(content))
    assert mapped is not None and bytes(mapped.part(0, len(mapped))) == content
    for number in (0, 1, 777, 19_998, 19_999):
        mapped = map_cache(tmp_path, "paths-x", len(content))
        assert mapped is not None
        found = KeyPaths(mapped, chosen.size)
        assert found.paths_of(keys[number]) == [b"p/%05d" % number]
        assert found.find(chosen.digest(b"absent")) is None
        assert sum(mapped._is_proved) <= 30 < len(mapped._is_proved) / 10
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped_cache, "checksum", refuse)
        assert found.paths_of(keys[19_999]) == [b"p/19999"]  # what is proved stays so


@given(st.sets(st.binary(min_size=16, max_size=16), max_size=40), st.binary(min_size=16, max_size=16))
def test_keys_that_are_no_digests_are_found_too(some: set[bytes], other: bytes) -> None:
    content = made(Tree.empty(HASH, {}.__getitem__).edited({b"p/" + key.hex().encode(): key for key in some}), 16)
    late, early = KeyPaths(content, 16), KeyPaths(content, 16)
    early.hold()
    for number, key in enumerate(sorted(some)):
        assert late.find(key) == early.find(key) == number
    assert (late.find(other) is None) == (early.find(other) is None) == (other not in some)


def test_rot_after_the_opening_is_made_good_from_the_pages(world: World) -> None:
    world.snapshot({"a": 1, "b": 2})
    expected = listed(world.read())
    (file,) = world.files
    data = file.read_bytes()
    found = world.read()
    with file.open("r+b") as writer:  # the mapped file itself
        writer.seek(data.index(b"p/b"))
        writer.write(b"p/x")
    mapped_cache_of(found)._is_proved[0] = 0
    assert listed(found) == expected
    assert file.read_bytes() == data


def mapped_cache_of(found: KeyPaths) -> MappedCache:
    assert isinstance(found._content, MappedCache)
    return found._content


class World:
    """A store with snapshots of pictures by number."""

    def __init__(self, folder: Path) -> None:
        self.builder = Builder(folder / ".vstore")
        self.count = 0

    def snapshot(self, paths: dict[str, int]) -> None:
        pictures = {
            b"p/" + path.encode(): (KEYS[number], unit_vectors(1, seed=number)[0]) for path, number in paths.items()
        }
        self.builder.add_pictures(pictures)

    def read(self, at: str = "current") -> KeyPaths:
        repo = self.builder.repo
        snapshot = repo.snapshot(at)
        return key_paths(repo, snapshot, repo.tree(snapshot))

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.builder.repo.layout.cache.iterdir() if path.name.startswith("paths-"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def refuse(*args: Any) -> Any:
    raise AssertionError("all pages are read")


def test_the_file_is_read_where_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.snapshot({"a": 1, "b": 2, "c": 1})
    first = listed(world.read())
    monkeypatch.setattr(module, "made", refuse)
    monkeypatch.setattr(module, "changed", refuse)
    assert listed(world.read()) == first == by_key({b"p/a": KEYS[1], b"p/b": KEYS[2], b"p/c": KEYS[1]})


def test_a_newer_snapshot_is_made_by_the_delta_over_others_without_a_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.snapshot({"a": 1, "b": 2, "c": 1})
    world.read()
    monkeypatch.setattr(module, "made", refuse)
    world.snapshot({"a": 1, "b": 2})
    world.snapshot({"a": 3, "b": 2, "d": 1})
    assert listed(world.read()) == by_key({b"p/a": KEYS[3], b"p/b": KEYS[2], b"p/d": KEYS[1]})


@pytest.mark.parametrize("harm", ["bit", "block", "cut", "empty", "gone", "swapped", "forged"])
def test_a_harmed_file_is_made_again(world: World, harm: str) -> None:
    world.snapshot({"a": 1, "b": 2})
    expected = listed(world.read())
    (file,) = world.files
    data = file.read_bytes()
    if harm == "bit":
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif harm == "block":
        file.write_bytes(data.replace(b"p/b", b"p/x"))
    elif harm == "cut":
        file.write_bytes(data[:-1])
    elif harm == "empty":
        file.write_bytes(b"")
    elif harm == "gone":
        file.unlink()
    elif harm == "swapped":
        world.snapshot({"z": 5, "y": 6})
        world.read()
        next(other for other in world.files if other != file).rename(file)
        world.builder.repo.layout.cache.joinpath("x").write_bytes(b"")
    else:
        for content in (b"\xff" * 8, data[8:-1], b"", (3).to_bytes(8, "little") + data[16:]):
            write_mapped(file.parent, file.name, content)
            note_written(file.parent, file.name)
            assert listed(world.read("v1")) == expected
    assert listed(world.read("v1")) == expected
    assert file.read_bytes() == data


def forge(world: World, paths: dict[bytes, bytes]) -> Path:
    """Put other paths, with right checksums, in place of the only file."""
    (file,) = world.files
    write_mapped(file.parent, file.name, made(tree_of(paths), HASH.size))
    return file


def test_a_file_that_this_disk_did_not_write_is_made_again(world: World, tmp_path: Path) -> None:
    world.snapshot({"a": 1, "b": 2})
    expected = listed(world.read())
    file = forge(world, {b"p/a": KEYS[1], b"other/secret": KEYS[2]})
    assert listed(world.read()) == expected
    before = file.stat()
    copied = file.read_bytes()
    file.unlink()
    file.write_bytes(copied)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert listed(world.read()) == expected
    assert file.stat().st_mtime_ns != before.st_mtime_ns, "a copy was used"


def test_an_older_file_that_this_disk_did_not_write_is_not_begun_with(world: World) -> None:
    world.snapshot({"a": 1, "b": 2})
    world.read()
    forge(world, {b"p/a": KEYS[1], b"p/x": KEYS[2]})
    world.snapshot({"a": 1, "b": 2, "c": 3})
    assert listed(world.read()) == by_key({b"p/a": KEYS[1], b"p/b": KEYS[2], b"p/c": KEYS[3]})


def test_an_older_file_that_counts_wrong_is_not_begun_with(world: World) -> None:
    world.snapshot({"a": 1, "b": 2})
    world.read()
    file = forge(world, {b"p/a": KEYS[1], b"p/x": KEYS[7]})
    note_written(file.parent, file.name)
    world.snapshot({"a": 1})
    assert listed(world.read()) == by_key({b"p/a": KEYS[1]})


def test_a_manifest_that_counts_otherwise_is_damage(world: World) -> None:
    world.snapshot({"a": 1, "b": 2})
    repo = world.builder.repo
    snapshot = repo.snapshot("current")
    with pytest.raises(Damage, match="names 2 pictures; its manifest says 3"):
        key_paths(repo, snapshot._replace(images=3), repo.tree(snapshot))


def test_few_files_are_kept_and_the_newest_always(world: World) -> None:
    for number in range(6):
        world.snapshot({"a": number})
        world.read()
        newest = f"paths-{world.builder.repo.tree(world.builder.repo.snapshot('current')).root.hex()}"
        assert newest in [path.name for path in world.files]
    assert len(world.files) == 3


def test_where_nothing_can_be_written_it_is_made_each_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.snapshot({"a": 1})
    monkeypatch.setattr(module, "write_mapped_here", lambda *args: False)
    assert listed(world.read()) == listed(world.read()) == by_key({b"p/a": KEYS[1]})
    assert not world.files
