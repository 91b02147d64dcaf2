"""Many small losses of a week add up to one that is refused."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builder import key
from support.folders import World, classes, put
from support.guarded import many, refused, unlink

from vstore.errors import Refused
from vstore.format.hashing import HASHES
from vstore.format.tree import Tree
from vstore.store import Store
from vstore.sync import week
from vstore.sync.guards import WEEK_PERCENT
from vstore.sync.week import DAYS, count_under, fullest, gone_since

OLD = Path(__file__).parent / "data" / "format-1"
HASH = HASHES["xxh3_128"]


def aliases(paths: list[str]) -> Tree:
    empty = Tree.empty(HASH, lambda digest: b"")
    return empty.edited({path.encode(): key(number) for number, path in enumerate(paths, 1)})


def later(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Let the guard believe that some days went by."""
    now = time.time() + 86_400 * days
    monkeypatch.setattr(week.time, "time", lambda: now)


def test_the_week_and_the_half() -> None:
    assert (DAYS, WEEK_PERCENT) == (7, 50)


def test_seven_syncs_of_less_than_a_third_are_stopped_at_the_half(settled: World) -> None:
    settled.put(many(300))
    settled.sync()
    left = 300
    for lost in (87, 61):  # 29 % each
        unlink(settled, lost, first=300 - left)
        left -= lost
        assert classes(settled.sync()) == {"unchanged": left, "removed": lost}
    unlink(settled, 2, first=300 - left)
    assert classes(settled.sync()) == {"unchanged": 150, "removed": 2}  # half of them is not more than half
    unlink(settled, 1, first=150)
    text = refused(settled)
    assert "would remove 1 picture of 'pictures'; with those that went before, 151 of the 300 pictures" in text
    assert f"that it had in v1 would be gone: {settled.pictures}/00000.bmp, " in text
    assert "vstore snapshot diff v1" in text and "--allow-mass-delete" in text
    with pytest.raises(Refused, match="151 of the 300"):
        settled.status()


def test_a_loss_that_is_allowed_starts_the_count_afresh(settled: World) -> None:
    settled.put(many(100))
    settled.sync()
    unlink(settled, 30)
    settled.sync()
    unlink(settled, 21, first=30)
    refused(settled)
    assert settled.sync(allow_mass_delete=True).removed == 21
    assert settled.repo.state.roots["pictures"].since == 3
    unlink(settled, 14, first=51)
    assert settled.sync().removed == 14
    unlink(settled, 10, first=65)
    assert settled.sync().removed == 10  # 24 of 49
    unlink(settled, 1, first=75)
    assert "25 of the 49 pictures that it had in v3" in refused(settled)


def test_a_sync_that_may_lose_many_and_loses_nothing_starts_nothing_afresh(settled: World) -> None:
    settled.put(many(100))
    settled.sync()
    unlink(settled, 30)
    settled.sync()
    settled.put({"new.png": 1})
    settled.sync(allow_mass_delete=True)
    assert settled.repo.state.roots["pictures"].since == 0
    unlink(settled, 21, first=30)
    assert "51 of the 100" in refused(settled)


def test_a_count_begun_afresh_holds_for_the_folder_that_lost_something(settled: World) -> None:
    other = settled.top / "other"
    settled.put(many(100))
    put(other, many(100, first=1000))
    settled.sync(settled.pictures, other)
    unlink(settled, 40)
    settled.all(allow_mass_delete=True)
    roots = settled.repo.state.roots
    assert (roots["pictures"].since, roots["other"].since) == (2, 0)


def test_snapshots_of_more_than_a_week_ago_do_not_count(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settled.put(many(100))
    settled.sync()
    unlink(settled, 30)
    settled.sync()
    unlink(settled, 21, first=30)
    later(monkeypatch, 6.99)
    assert "51 of the 100" in refused(settled)
    later(monkeypatch, 7.01)
    assert settled.sync().removed == 21


def test_forgotten_snapshots_do_not_count(settled: World) -> None:
    settled.put(many(100))
    settled.sync()
    unlink(settled, 30)
    settled.sync()
    settled.store.snapshot_forget(["v1"])
    unlink(settled, 21, first=30)
    assert settled.sync().removed == 21


def test_renames_and_edits_of_a_week_are_no_loss(settled: World) -> None:
    settled.put(many(101))
    settled.sync()
    unlink(settled, 1, first=100)  # so that the first snapshot is the fullest
    for number in range(60):
        os.rename(settled.pictures / f"{number:05d}.bmp", settled.pictures / f"renamed {number:05d}.bmp")
    settled.sync()
    settled.put(
        {name: data for name, data in zip(many(100), many(100, first=1000).values(), strict=True) if name >= "00060"}
    )
    settled.sync()
    unlink(settled, 25, first=60)
    assert settled.sync().removed == 25  # 25 of those of v1 went


def test_what_an_exclude_hid_is_no_loss_of_the_week(settled: World) -> None:
    settled.put({f"x/{name}": data for name, data in many(90).items()})
    settled.put(many(100, first=1000))
    settled.sync()
    settled.sync(exclude=["x/"])
    shutil.rmtree(settled.pictures / "x")
    unlink(settled, 25)
    assert settled.sync().removed == 25


def test_each_folder_has_its_own_week(settled: World) -> None:
    other = settled.top / "other"
    settled.put(many(60))
    put(other, many(200, first=1000))
    settled.sync(settled.pictures, other)
    unlink(settled, 18)
    settled.all()
    unlink(settled, 12, first=18)
    settled.all()
    unlink(settled, 1, first=30)
    with pytest.raises(Refused, match="31 of the 60 pictures that it had in v1"):
        settled.all()


def test_the_week_is_counted_under_the_name_of_the_wider_folder(settled: World) -> None:
    inner = settled.pictures / "x"
    settled.put({f"x/{name}": data for name, data in many(100).items()})
    settled.sync(inner)
    unlink_in(inner, 30)
    settled.sync(inner)
    settled.sync(settled.pictures)
    unlink_in(inner, 21, first=30)
    assert "51 of the 100 pictures that it had in v1" in refused(settled)


def unlink_in(folder: Path, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        (folder / f"{number:05d}.bmp").unlink()


def test_a_store_of_format_1_counts_too(tmp_path: Path) -> None:
    shutil.copytree(OLD / "store", tmp_path / ".vstore")
    with Store(tmp_path / ".vstore") as store:
        before = store._repo.state.roots
        assert before and all("since" not in root.to_json() for root in before.values())
        for label in before:
            assert fullest(store._repo, label, store._repo.state, now=0.0) is not None


def test_the_fullest_of_a_folder_is_not_that_with_the_most_pictures(settled: World) -> None:
    other = settled.top / "other"
    settled.put(many(30))
    settled.sync()
    unlink(settled, 10)
    put(other, many(50, first=1000))
    settled.sync(settled.pictures, other)
    repo = settled.repo
    found = fullest(repo, "pictures", repo.state)
    assert found is not None and found.name == "v1"
    found = fullest(repo, "other", repo.state)
    assert found is not None and found.name == "v2"
    assert fullest(repo, "unknown", repo.state) is None


NAMES = [f"{top}/{name}" for top, name in itertools.product("abc", range(400))]
SEEDS = st.tuples(st.integers(), st.integers(0, len(NAMES)))
SOME = SEEDS.map(lambda seed: random.Random(seed[0]).sample(NAMES, seed[1]))


@given(SOME)
def test_aliases_are_counted_as_they_are_listed(paths: list[str]) -> None:
    tree = aliases(paths)
    for label in (b"a", b"b", b"c", b"ab"):
        assert count_under(tree, label) == sum(1 for _ in tree.under(label))


@given(SOME, SOME, SOME)
def test_what_is_gone_is_what_a_comparison_of_all_paths_finds(
    first: list[str], then: list[str], last: list[str]
) -> None:
    earlier, base, now = aliases(first), aliases(then), aliases(last)
    changes = [
        (path, base.get(path), now.get(path))
        for path in sorted({path for path, _ in (*base, *now)})
        if base.get(path) != now.get(path)
    ]
    kept = {path for path, _ in now}
    expected = {path: key for path, key in earlier.under(b"a") if path not in kept}
    assert gone_since(earlier, base, b"a", changes) == expected


def test_the_mark_is_a_number_in_the_record(settled: World) -> None:
    settled.put(many(100))
    settled.sync()
    unlink(settled, 40)
    settled.sync(allow_mass_delete=True)
    newest = max((settled.folder / "refs").glob("*.json"))
    changes = json.loads(newest.read_text().splitlines()[0])["changes"]
    assert changes["roots"] == {"pictures": {"since": 2}}
