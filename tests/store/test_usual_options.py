"""The usual options of a user: for folders that keep none of their own, without being recorded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.folders import World, classes, drawn, put, trust_young_stats

from vstore.errors import UsageError
from vstore.pictures.scan_options import SWITCHES, OptionEdits, ScanOptions
from vstore.store import Store
from vstore.testing import FakeEmbedder

MOST = drawn(9)[: len(drawn(9)) * 93 // 100]  # a picture whose file is cut
OLD = Path(__file__).parent / "data" / "format-1" / "store"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    trust_young_stats(monkeypatch)
    world = World(tmp_path)
    world.put({"a.png": 1, "b.png": 2, "sub/c.png": 3})
    return world


def usual(world: World, **options: Any) -> Store:
    """The store as a user with these usual options has it."""
    return Store(world.folder, load_embedder=world.load, usual=options)  # type: ignore[arg-type]


def kept(world: World) -> dict[str, Any]:
    (root,) = world.repo.state.roots.values()
    return dict(root.options)


def test_excludes_of_a_user_hide_pictures_and_are_not_recorded(world: World) -> None:
    with usual(world, exclude=["sub/"]) as store:
        assert store.sync([world.pictures]).new == 2
        assert store.status().unchanged == 2
        assert store.sync().snapshot is None
    assert kept(world)["exclude"] == []
    assert world.all().new == 1, "without the user's configuration the folder has no excludes"


def test_what_a_folder_keeps_takes_the_place_of_what_is_usual(world: World) -> None:
    world.sync(exclude=["a.png"])
    with usual(world, exclude=["sub/"]) as store:
        assert store.sync().snapshot is None
    assert kept(world)["exclude"] == ["a.png"]


def test_what_is_given_is_kept_alone_and_the_next_sync_does_the_same(world: World) -> None:
    with usual(world, exclude=["sub/"]) as store:
        assert store.sync([world.pictures], exclude=["a.png"]).new == 2
        assert kept(world)["exclude"] == ["a.png"]
        assert store.sync().snapshot is None


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_that_is_given_comes_before_what_is_kept_and_that_before_what_is_usual(name: str) -> None:
    on: Any = 80 if name == "accept_truncated" else True
    other: Any = 50 if name == "accept_truncated" else True
    general, none = ScanOptions(**{name: other}), ScanOptions()
    assert getattr(none.filled(general), name) == other
    assert getattr(ScanOptions(**{name: on}).filled(general), name) == on
    off = OptionEdits(**{name: type(on)(0)}).applied(none, general)
    assert not getattr(off.filled(general), name), "off stays off"
    assert off.to_json()["off"] == [name]
    again = ScanOptions.from_json(off.to_json())
    assert not getattr(OptionEdits().applied(again, general).filled(general), name)
    turned = OptionEdits(**{name: on}).applied(again, general)
    assert getattr(turned.filled(general), name) == on
    assert turned.to_json(before=again.to_json())["off"] == []


def test_switching_off_what_is_not_usual_records_nothing_new(world: World) -> None:
    world.sync()
    before = kept(world)
    records = len(world.store.log())
    world.all(ignore_inode=False)
    assert kept(world) == before and "off" not in before
    assert len(world.store.log()) == records


def test_switched_off_in_one_folder_an_option_stays_off_there(world: World, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "d.png").write_bytes((world.pictures / "a.png").read_bytes() + b"x")
    os.symlink(tmp_path / "elsewhere", world.pictures / "more")
    with usual(world, follow_symlinks=True) as store:
        assert store.sync([world.pictures]).new == 4
        assert store.sync(follow_symlinks=False).removed == 1
        assert store.sync().snapshot is None
        assert kept(world)["off"] == ["follow_symlinks"]
        assert store.sync(follow_symlinks=True).snapshot is not None
        assert kept(world)["off"] == []
    assert kept(world)["follow_symlinks"] is True


def test_many_pictures_that_a_new_usual_exclude_hides_are_no_loss(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put({f"{at}.png": at for at in range(40)})
    world.put({f"old/{at}.png": 100 + at for at in range(40)})
    world.sync()
    with usual(world, exclude=["old/"]) as store:
        assert classes(store.sync()) == {"unchanged": 40, "removed": 40}


def test_a_usual_exclude_cannot_be_taken_from_one_folder_alone(world: World) -> None:
    with usual(world, exclude=["sub/"]) as store:
        store.sync([world.pictures])
        with pytest.raises(UsageError, match=r"the exclude 'sub/' is one of your configuration") as caught:
            store.sync(no_exclude=["sub/"])
        assert caught.value.next_step.endswith("--exclude '!sub/'")
        assert store.sync(exclude=["!sub/"]).new == 1


def test_cut_pictures_are_taken_where_that_is_usual_but_in_a_store_of_format_1(world: World, tmp_path: Path) -> None:
    world.put({"most.png": MOST})
    with usual(world, accept_truncated=80) as store:
        assert len(store.sync([world.pictures]).truncated) == 1
    assert "accept_truncated" not in kept(world)
    shutil.copytree(OLD, tmp_path / "old" / ".vstore")
    with Store(tmp_path / "old" / ".vstore", usual={"accept_truncated": 80}) as store:
        assert store._repo.usual == ScanOptions()


def test_a_usual_share_that_is_none_is_refused(world: World) -> None:
    with usual(world, accept_truncated=800) as store, pytest.raises(UsageError, match="is no share of lines"):
        store.sync([world.pictures])


def test_a_wider_folder_keeps_off_what_both_had_off() -> None:
    off, on = ScanOptions(off=("ignore_inode",)), ScanOptions(ignore_inode=True)
    assert off.taking_over(ScanOptions(), b"a", b"/x").off == ("ignore_inode",)
    taken = off.taking_over(on, b"a", b"/x")
    assert (taken.ignore_inode, taken.off) == (True, ())


def test_a_first_sync_looks_for_pictures_as_is_usual(tmp_path: Path) -> None:
    put(tmp_path, {"elsewhere/a.png": 1, "pictures/b.dat": 2})
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "more").symlink_to(tmp_path / "elsewhere")
    fake = FakeEmbedder()

    def first(folder: str, **usual: Any) -> int:
        report = Store.sync_new(
            tmp_path / f".{folder}",
            [tmp_path / folder],
            recipe=fake.recipe,
            load_embedder=lambda recipe: fake,
            usual=usual,  # type: ignore[arg-type]
        )
        return report.new

    with pytest.raises(UsageError):
        first("links")
    assert first("links", follow_symlinks=True) == 1
    assert first("pictures", include=["*.dat"]) == 1
