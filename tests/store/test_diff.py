"""Differences between two snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.numbered import NumberedStore, aliases

from vstore.versions.diff import snapshot_diff
from vstore.versions.show import snapshot_list


@pytest.fixture
def world(tmp_path: Path) -> NumberedStore:
    return NumberedStore(tmp_path)


class Classes(NamedTuple):
    changed: list[bytes]
    renamed: list[tuple[bytes, bytes]]
    copied: list[bytes]
    added: list[bytes]
    removed: list[bytes]


def classes(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> Classes:
    """The rules word by word, for two dicts."""
    found = Classes([], [], [], [], [])
    gone = {path: key for path, key in sorted(before.items()) if path not in after}
    seen: set[bytes] = set()
    for path, key in sorted(after.items()):
        if before.get(path) == key:
            continue
        partner = next((old for old in gone if gone[old] == key), None)
        if path in before:
            found.changed.append(path)
        elif partner is not None:
            found.renamed.append((partner, path))
            del gone[partner]
        elif key in before.values() or key in seen:
            found.copied.append(path)
        else:
            found.added.append(path)
        seen.add(key)
    found.removed.extend(gone)
    return found


def keys(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> dict[bytes, tuple[bytes | None, bytes | None]]:
    both = {path: (before.get(path), after.get(path)) for path in {*before, *after}}
    return {path: pair for path, pair in both.items() if pair[0] != pair[1]}


FILES = st.dictionaries(st.sampled_from([f"{a}/{b}" for a in "pqr" for b in "123456"]), st.integers(1, 7), max_size=10)


@settings(max_examples=30, deadline=None)
@given(versions=st.lists(FILES, min_size=2, max_size=4))
def test_differences_are_those_of_two_dicts(tmp_path_factory: pytest.TempPathFactory, versions: list[Any]) -> None:
    world = NumberedStore(tmp_path_factory.mktemp("diff"))
    for files in versions:
        world.sync(files)
    for a, before in enumerate(versions, 1):
        for b, after in enumerate(versions, 1):
            report = snapshot_diff(world.repo, f"v{a}", f"v{b}")
            assert (report.before, report.after, report.same_space) == (f"v{a}", f"v{b}", True)
            found = Classes(*(list(getattr(report, name)) for name in Classes._fields))
            assert found == classes(aliases(before), aliases(after))
            assert report.keys == keys(aliases(before), aliases(after))


def test_two_files_that_swap_contents_are_both_changed(world: NumberedStore) -> None:
    world.sync({"a": 1, "b": 2})
    world.sync({"a": 2, "b": 1})
    assert snapshot_diff(world.repo, "v1", "v2").changed == (b"p/a", b"p/b")


def test_comparing_large_snapshots_that_differ_little_reads_little(
    world: NumberedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"p/{n:05}": n for n in range(5000)}
    world.sync(many)
    world.sync({**many, "p/02500": 9999})
    from vstore.format import tree

    decoded = []
    decode = tree.decode_leaf
    monkeypatch.setattr(tree, "decode_leaf", lambda *args: decoded.append(1) or decode(*args))
    assert snapshot_diff(world.repo, "v1", "v2").changed == (b"p/02500",)
    assert len(decoded) == 2


def test_a_root_that_was_taken_in_by_a_wider_one_is_no_difference(world: NumberedStore, tmp_path: Path) -> None:
    world.builder.add_root("p", tmp_path / "wide/p")
    world.sync({"p/a": 1, "p/sub/b": 2})
    world.builder.add_root("wide", tmp_path / "wide")
    world.builder.absorb("p", "wide/p")
    world.sync({"wide/p/a": 1, "wide/p/sub/c": 2, "wide/d": 3})
    report = snapshot_diff(world.repo, "v1", "v2")
    assert report.renamed == ((b"wide/p/sub/b", b"wide/p/sub/c"),)
    assert report.added == (b"wide/d",)
    assert (report.changed, report.copied, report.removed) == ((), (), ())
    back = snapshot_diff(world.repo, "v2", "v1")
    assert back.removed == (b"wide/d",)
    assert snapshot_diff(world.repo, "v1", "v1").to_json()["changed"] == []


def test_a_difference_says_that_the_snapshots_are_of_two_spaces(world: NumberedStore) -> None:
    world.snapshots(2)
    state = world.repo.state.document
    other = "ee" * 32
    entry = {**state["snapshots"]["v2"], "space": other}
    world.publish("model use", {"snapshots": {"v2": entry}})
    assert not snapshot_diff(world.repo, "v1", "v2").same_space
    assert snapshot_list(world.repo)[0].space_name == other[:12]  # a space that was dropped is called by its id


def test_differences_tell_names_that_are_not_utf8(world: NumberedStore) -> None:
    world.sync({})
    world.sync({"p/\udcff": 1})
    assert snapshot_diff(world.repo, "v1", "v2").to_json()["added"] == [
        {"path": "p/�", "path_b64": "cC//", "file": None, "key": f"{1:032x}"}
    ]


def test_each_picture_has_its_key(world: NumberedStore) -> None:
    world.sync({"changed": 1, "old": 2, "removed": 3})
    world.sync({"changed": 4, "new": 2, "copy": 2, "added": 5})
    found = snapshot_diff(world.repo, "v1", "v2").to_json()
    (changed,), (renamed,), (copied,), (added,), (removed,) = (
        found[kind] for kind in ("changed", "renamed", "copied", "added", "removed")
    )
    assert (changed["key_before"], changed["key"]) == (f"{1:032x}", f"{4:032x}")
    assert [one["key"] for one in (renamed, copied, added, removed)] == [f"{n:032x}" for n in (2, 2, 5, 3)]


def test_a_part_of_a_difference_has_the_keys_of_that_part(world: NumberedStore) -> None:
    world.sync({"p/a": 1, "p/b": 2, "q/old": 3})
    world.sync({"p/b": 4, "p/new": 3})
    report = snapshot_diff(world.repo, "v1", "v2", under="p", only=("removed", "renamed"))
    assert set(report.keys) == {b"p/a", b"p/new", b"q/old"}
