"""What a sync passed over, in its report; and stores that hold pictures of folders which are left out today."""

from __future__ import annotations

import shutil

import pytest
from support.folders import World, classes

from vstore.errors import Refused
from vstore.sync.report import PassedOver, SyncReport

BACK = "!#recycle/"


def old(world: World, *, inside: int, outside: int) -> None:
    """Make the store of an older vstore: it holds the pictures of a recycle bin."""
    world.put({f"#recycle/{n}.png": n for n in range(inside)})
    world.put({f"{n}.png": 1000 + n for n in range(outside)})
    world.sync(world.pictures, exclude=[BACK])
    report = world.store.status(())
    assert classes(report) == {"unchanged": inside + outside}


def upgraded(world: World, **options: bool) -> SyncReport:
    return world.sync(world.pictures, no_exclude=[BACK], **options)


def test_each_kind_of_thing_passed_over_is_reported_once(world: World) -> None:
    world.put({"a.png": 1, "#recycle/x/b.png": 2, "#recycle/c.png": 3, "d/@eaDir/e.png": 4, "@eaDir/f.png": 5})
    world.put({"g.mp4": b"", "h.mp4": b"", "i.xmp": b"", "j.psd": b"", "k": b""})
    report = world.sync()
    assert classes(report) == {"new": 1} and report.ignored == 5
    assert [passed[:4] for passed in report.passed] == [
        ("deleted", "#recycle", 1, b"pictures/#recycle"),
        ("previews", "@eaDir", 2, b"pictures/@eaDir"),
        ("picture", "psd", 1, b"pictures/j.psd"),
        ("other", "mp4", 2, b"pictures/g.mp4"),
        ("other", "", 1, b"pictures/k"),
        ("other", "xmp", 1, b"pictures/i.xmp"),
    ]
    assert report.passed[0].take_in == "--exclude '!#recycle/'"
    assert [passed.take_in for passed in report.passed[2:]] == [None] * 4
    assert report.to_json()["passed"][0] == {  # type: ignore[index, call-overload]
        "kind": "deleted", "name": "#recycle", "count": 1, "path": "pictures/#recycle", "reason": "deleted files",
        "take_in": "--exclude '!#recycle/'", "file": f"{world.pictures}/#recycle",
    }  # fmt: skip
    assert world.store.status(()).passed == report.passed == world.sync().passed


def test_a_record_names_its_fields() -> None:
    assert PassedOver._fields == ("kind", "name", "count", "path", "reason", "take_in")


def test_a_symlinked_folder_is_named_with_the_option_that_enters_it(world: World) -> None:
    world.put({"a.png": 1, "../elsewhere/b.png": 2})
    (world.pictures / "album").symlink_to("../elsewhere")
    (link,) = world.sync().passed
    assert (link.kind, link.path, link.take_in) == ("link", b"pictures/album", "--follow-symlinks")
    assert world.sync(follow_symlinks=True).passed == ()


@pytest.mark.parametrize(("inside", "outside"), [(25, 5), (25, 0), (2, 3)])
def test_pictures_of_a_bin_that_an_old_store_holds_leave_it_and_are_no_accident(
    world: World, inside: int, outside: int
) -> None:
    old(world, inside=inside, outside=outside)
    before = world.store.status(())
    report = upgraded(world)
    expected = {"removed": inside, "unchanged": outside}
    assert classes(report) == {name: count for name, count in expected.items() if count}
    assert (report.removed_left_out, before.removed_left_out, report.removed_excluded) == (inside, 0, 0)
    assert [p.name for p in report.passed] == ["#recycle"]
    again = world.sync(world.pictures, exclude=[BACK])
    assert (again.known, again.embedded, again.removed_left_out) == (inside, 0, 0)


def test_a_dry_run_says_it_before_it_happens(world: World) -> None:
    old(world, inside=25, outside=1)
    report = upgraded(world, dry_run=True)
    assert (report.removed, report.removed_left_out) == (25, 25)
    assert world.sync().paths == 26


def test_pictures_lost_beside_them_still_are_an_accident(world: World) -> None:
    old(world, inside=25, outside=30)
    for n in range(30):
        (world.pictures / f"{n}.png").unlink()
    with pytest.raises(Refused):
        upgraded(world)


def test_a_bin_that_went_away_with_the_change_is_left_out_all_the_same(world: World) -> None:
    old(world, inside=25, outside=1)
    shutil.rmtree(world.pictures / "#recycle")
    report = upgraded(world)
    assert (report.removed, report.removed_left_out) == (25, 25)


def test_a_part_in_a_bin_says_that_it_is_left_out(world: World) -> None:
    old(world, inside=3, outside=1)
    upgraded(world)
    report = world.sync(world.pictures / "#recycle")
    assert classes(report) == {} and [p.path for p in report.passed] == [b"pictures/#recycle"]


def test_the_folder_is_taken_in_for_later_syncs_too(world: World) -> None:
    world.put({"a.png": 1, "#recycle/b.png": 2})
    world.sync(world.pictures, exclude=[BACK])
    assert world.sync().paths == 2
    world.put({"#recycle/c.png": 3})
    assert classes(world.sync()) == {"new": 1, "unchanged": 2}


def test_the_rarest_of_many_extensions_are_counted_together(world: World) -> None:
    world.put({"a.png": 1, **{f"{n}.x{n:03d}y": b"" for n in range(130)}, "again.x129y": b""})
    report = world.sync()
    assert report.ignored == sum(passed.count for passed in report.passed) == 131
    assert len(report.passed) == 101
    assert [(p.name, p.count) for p in report.passed[:2]] == [("", 30), ("x129y", 2)]


@pytest.mark.parametrize("inner", ["#recycle", "x/#recycle", "#recycle/trip", "#recycle/deep/trip"])
def test_a_bin_that_was_synced_on_its_own_is_not_lost_to_a_wider_folder(world: World, inner: str) -> None:
    world.put({f"{inner}/b.png": 2, f"{inner}/c/d.png": 3, "a.png": 1, "y/#recycle/e.png": 4})
    if inner.endswith("trip"):
        world.put({"#recycle/beside.png": 5, "#recycle/deep/beside/f.png": 6})
    world.sync(world.pictures / inner)
    report = world.sync()
    assert (report.paths, report.new, report.removed, report.embedded) == (3, 1, 0, 1)
    assert (world.sync().paths, len(report.absorbed)) == (3, 1)


def test_pictures_that_patterns_hide_left_the_index_and_are_counted_as_that(world: World) -> None:
    world.put({**{f"in/{n}.png": n for n in range(3)}, "a.png": 50, "b.png": 51})
    world.sync()
    (world.pictures / ".vstoreignore").write_text("in/\n")
    (world.pictures / "b.png").unlink()
    report = world.sync()
    assert (report.removed, report.removed_excluded, report.removed_left_out) == (4, 3, 0)
    (world.pictures / ".vstoreignore").unlink()
    again = world.sync()
    assert (again.known, again.embedded, again.removed_excluded) == (3, 0, 0)
    hidden = world.sync(exclude=["in/"])
    assert (hidden.removed, hidden.removed_excluded) == (3, 3)
