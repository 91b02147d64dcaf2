"""A sync costs what changed: what it need not look at, it does not read."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from support.folders import World, classes

import vstore.format.tree
from vstore.disk.catalogue import Catalogue


def _many(folders: int, each: int) -> Mapping[str, int]:
    return {f"{i:03d}/{j}.png": i * each + j for i in range(folders) for j in range(each)}


def test_a_new_folder_beside_many_is_taken_in_without_a_look_at_the_pages_of_the_others(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.put(_many(400, 3))
    settled.sync()
    assert len(settled.tree().leaves) >= 6
    decoded = []
    decode = vstore.format.tree.decode_leaf
    monkeypatch.setattr(vstore.format.tree, "decode_leaf", lambda *page: decoded.append(page) or decode(*page))
    settled.put({"200+/new.png": 5_000})
    assert classes(settled.sync()) == {"unchanged": 1200, "new": 1}
    assert len({page for page, _ in decoded}) <= 2


def test_a_folder_with_more_subfolders_than_files_gains_loses_and_renames_its_own_files(settled: World) -> None:
    settled.put({**_many(8, 1), "a.png": 100, "b.png": 101, "c.png": 102, "d.png": 103})
    settled.sync()
    (settled.pictures / "a.png").unlink()
    (settled.pictures / "b.png").rename(settled.pictures / "0.png")
    settled.put({"c.png": 200, "e.png": 201, "new/f.png": 202})
    report = settled.sync()
    assert classes(report) == {"unchanged": 9, "changed": 1, "renamed": 1, "new": 2, "removed": 1}
    assert settled.aliases() == {
        **{f"pictures/{name}": settled.key(seed) for name, seed in _many(8, 1).items()},
        "pictures/0.png": settled.key(101),
        "pictures/c.png": settled.key(200),
        "pictures/d.png": settled.key(103),
        "pictures/e.png": settled.key(201),
        "pictures/new/f.png": settled.key(202),
    }
    assert (report.paths, report.images) == (13, 13)


def test_several_commits_of_one_run_count_every_picture_once(settled: World) -> None:
    settled.put(_many(8, 1))
    settled.sync()
    settled.put({f"{i}.png": 100 + i for i in range(40)} | {"copy.png": 100, "009/z.png": 101})
    report = settled.sync(commit_every=0.0)
    assert len(settled.store.snapshot_list()) > 2
    assert classes(report) == {"unchanged": 8, "new": 40, "copied": 2}
    assert (report.paths, report.images) == (50, 48)
    assert settled.sync().snapshot is None


def test_vectors_are_known_whether_the_catalogue_was_told_of_them_or_not(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vstore.intake.stored_keys.REST", 4)
    told = []
    for first in (0, 3, 6):
        settled.put({f"{seed}.png": seed for seed in range(first, first + 3)})
        assert settled.sync().embedded == 3
        with Catalogue.open(settled.folder / "catalogue", settled.repo.store_id, write=False) as catalogue:  # type: ignore[union-attr]
            (space,) = settled.repo.state.spaces
            found = [catalogue.location(space, bytes.fromhex(settled.key(seed))) for seed in range(first + 3)]
            told.append([place and place[0] for place in found])
    assert told == [[None] * 3, [0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1, None, None, None]]
    for seed in range(9):
        (settled.pictures / f"{seed}.png").rename(settled.top / f"{seed}.png")
    assert classes(settled.sync(allow_mass_delete=True)) == {"removed": 9}
    for seed in range(9):
        (settled.top / f"{seed}.png").rename(settled.pictures / f"{seed}.png")
    report = settled.sync()
    assert (classes(report), report.embedded) == ({"known": 9}, 0)
