"""Which snapshots hold a page: each page is read once, and rows of snapshots have no gap."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.numbered import NumberedStore, key

from vstore.browse.spans import Held, in_order, is_in
from vstore.format.entries import Snapshot
from vstore.format.tree import Tree
from vstore.store import Store


def test_pages_that_snapshots_share_are_looked_at_once(tmp_path: Path) -> None:
    world = NumberedStore(tmp_path)
    files = {f"{n:04}.png": n for n in range(1_000)}
    for number in range(6):
        world.sync({**files, "0000.png": 5_000 + number})
    repo, looked = world.repo, Counter[bytes]()

    def look(tree: Tree, leaf: object) -> bool:
        looked[leaf.digest] += 1  # type: ignore[attr-defined]
        return True

    held: Held[bool] = Held(repo, look)
    assert sum(1 for _ in held.read()) == len(looked)
    assert set(looked.values()) == {1}
    pages = {leaf.digest for one in held.snapshots for leaf in repo.tree(one).leaves}
    assert set(looked) == pages


def test_rows_that_meet_become_one_and_fetched_snapshots_stand_apart(tmp_path: Path) -> None:
    world = NumberedStore(tmp_path)
    world.snapshots(4)
    held: Held[bool] = Held(world.repo, lambda tree, leaf: None)
    own = list(held.snapshots)
    held.snapshots = [*own, own[0]._replace(name="origin/v1"), own[1]._replace(name="origin/v2")]

    def spans(*runs: list[int]) -> list[tuple[str, str]]:
        return [tuple(span) for span in held.spans(runs)]  # type: ignore[misc]

    assert spans([2, 3], [0, 0], [1, 1]) == [("v1", "v4")]
    assert spans([3, 3], [0, 1]) == [("v1", "v2"), ("v4", "v4")]
    assert spans([0, 5]) == [("v1", "v4"), ("origin/v1", "origin/v2")]
    assert spans([3, 3], [4, 4]) == [("v4", "v4"), ("origin/v1", "origin/v1")]
    assert spans() == []


def test_snapshots_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    world = NumberedStore(tmp_path)
    world.snapshots(11)
    rows = [*world.repo.listing.kept()]
    fetched: list[Snapshot] = [rows[0]._replace(name=f"b/v{n}") for n in (2, 10, 1)]
    names = [one.name for one in in_order([*fetched, *rows])]
    assert names == [*(f"v{n}" for n in range(1, 12)), "b/v1", "b/v2", "b/v10"]


@pytest.mark.parametrize("size", [16, 32])
def test_a_key_across_two_others_is_not_in_a_column(size: int) -> None:
    one, two = bytes(range(size)), bytes(range(size, 2 * size))
    across = (one + two)[size // 2 : size // 2 + size]
    assert is_in(one + two, one)
    assert is_in(one + two, two)
    assert not is_in(one + two, across)
    assert is_in(one + two + across, across)
    assert not is_in(b"", one)


def test_a_picture_that_stays_where_it_is_costs_each_snapshot_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = NumberedStore(tmp_path)
    for number in range(3):
        world.sync({f"{n:05}.png": n for n in range(5_000 + number)})
    read: list[bytes] = []
    page = Tree.page

    def counted(tree: Tree, digest: bytes) -> bytes:
        read.append(digest)
        return page(tree, digest)

    monkeypatch.setattr(Tree, "page", counted)
    with Store(world.builder.repo.layout.folder) as store:
        report = store.show("p/02500.png", no_neighbours=True)
        assert [tuple(span) for span in report.snapshots] == [("v1", "v3")]
        assert [name.path for name in report.names] == [b"p/02500.png"]
        assert len(read) < 25  # of about 45 in each
        again = store.show(report.key.hex(), no_neighbours=True)
        assert again._replace(path=report.path) == report


def test_a_second_name_of_a_picture_is_found(tmp_path: Path) -> None:
    world = NumberedStore(tmp_path)
    world.sync({"a.png": 1, "b.png": 2})
    world.sync({"b.png": 2, "z.png": 1})
    world.sync({"a.png": 1, "b.png": 2, "z.png": 1})
    world.sync({"b.png": 2})
    with Store(world.builder.repo.layout.folder) as store:
        report = store.show("p/a.png", at="v3", no_neighbours=True)
        assert [name.path for name in report.names] == [b"p/a.png", b"p/z.png"]
        assert [tuple(span) for span in report.snapshots] == [("v1", "v3")]


def test_forgotten_snapshots_are_no_gap(tmp_path: Path) -> None:
    world = NumberedStore(tmp_path)
    world.snapshots(4)
    with Store(world.builder.repo.layout.folder) as store:
        world.publish("forget", {"snapshots": {"v2": {"kept": False}}})
        (found,) = store.find_pictures("0.png", all=True).entries
        assert found.key == key(0)
        assert [tuple(span) for span in found.snapshots] == [("v1", "v4")]
