"""Plans: made of duplicates, edited, carried out, taken back, and heeded by the guards of a sync."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.folders import World, drawn, put
from support.format_1 import begin
from support.format_page import fields
from support.plans import files

from vstore.embed.builtin import BuiltinEmbedder
from vstore.errors import Locked, MigrationNeeded, Refused, UsageError
from vstore.format.decisions import Verdicts
from vstore.plans.places import Places
from vstore.plans.report import DupesApplied
from vstore.progress import Silent
from vstore.repository.decisions import Choice, decide, newest_decisions
from vstore.stop import Stop
from vstore.store import Store


class Planned(World):
    """A world with plans, whose files were all written at one moment: copies go by their paths."""

    def put(self, files: Mapping[str, int | bytes]) -> None:
        super().put(files)
        for name in files:
            os.utime(self.pictures / name, (10**9, 10**9))

    def plan(self, **words: Any) -> dict[str, Any]:
        """Write a plan. Returns: what its file says."""
        self.store.dupes_plan(self.file, **words)
        return self.said()

    @property
    def file(self) -> Path:
        return self.top / "plan.json"

    def said(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.file.read_bytes())
        return value

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        value = self.said()
        change(value)
        self.file.write_text(json.dumps(value))

    def apply(self, **words: Any) -> DupesApplied:
        return self.store.dupes_apply(self.file, **words)

    def restore(self, folder: str = "pictures") -> Any:
        (trash,) = (self.top / folder / ".vstore-trash").iterdir()
        return Store.dupes_restore(trash)

    def reasons(self) -> dict[str, str]:
        return {os.fsdecode(row.path): row.reason for row in self.apply().refused}

    def disk(self) -> dict[str, bytes]:
        """Read all pictures that are not in a trash folder."""
        return {name: data for name, data in files(self.pictures).items() if ".vstore-trash" not in name}


def rows(plan: dict[str, Any]) -> list[list[tuple[str, str]]]:
    return [[(file["do"], file["path"]) for file in group["files"]] for group in plan["groups"]]


@pytest.fixture
def world(tmp_path: Path) -> Planned:
    world = Planned(tmp_path / "world")
    world.put({"a.png": 1, "b/a.png": 1, "c.png": 2, "d.png": 3, "e/d.png": 3, "e/dd.png": 3})
    world.sync()
    return world


def test_a_plan_says_what_stays_and_what_goes(world: Planned) -> None:
    before = files(world.top)
    report = world.store.dupes_plan(world.file)
    assert (report.groups, report.moves, report.size) == (2, 3, len(drawn(1)) + 2 * len(drawn(3)))
    plan = world.said()
    assert plan["vstore_plan"] == 1 and plan["id"] == report.plan and plan["snapshot"] == "v1"
    assert sorted(rows(plan)) == [
        [("keep", "pictures/a.png"), ("move", "pictures/b/a.png")],
        [("keep", "pictures/d.png"), ("move", "pictures/e/d.png"), ("move", "pictures/e/dd.png")],
    ]
    group = next(one for one in plan["groups"] if one["files"][0]["path"] == "pictures/a.png")
    assert group["alike"] == "same bytes"
    assert group["files"][0] == {
        "do": "keep", "path": "pictures/a.png", "key": world.key(1), "size": len(drawn(1)), "why": "first by its path",
    }  # fmt: skip
    world.file.unlink()
    assert files(world.top) == before, "a plan moves nothing"


def test_a_plan_is_carried_out_and_taken_back(world: Planned) -> None:
    before = files(world.pictures)
    plan = world.plan()
    report = world.apply()
    assert sorted(report.moved) == [b"pictures/b/a.png", b"pictures/e/d.png", b"pictures/e/dd.png"]
    assert (report.done, report.refused, report.decided) == (0, (), 0)
    assert report.size == len(drawn(1)) + 2 * len(drawn(3))
    trash = world.pictures / ".vstore-trash" / plan["id"]
    assert report.trash == (os.fsencode(trash),)
    assert files(trash) == {"b/a.png": drawn(1), "e/d.png": drawn(3), "e/dd.png": drawn(3)}
    assert world.disk() == {"a.png": drawn(1), "c.png": drawn(2), "d.png": drawn(3)}
    assert world.apply()._replace(done=0)[1:5] == ((), 0, 0, ())
    assert world.apply().done == 3
    shutil.rmtree(world.folder)
    restored = world.restore()
    assert (len(restored.moved), restored.refused, restored.left) == (3, (), ())
    assert world.disk() == before


def test_the_next_sync_does_not_see_the_trash(world: Planned) -> None:
    world.plan()
    world.apply()
    report = world.sync()
    assert report.removed == 3 and report.new == report.renamed == report.copied == 0
    assert world.paths() == ["pictures/a.png", "pictures/c.png", "pictures/d.png"]
    assert world.sync(include=[".vstore-trash/", "*.png", ".*"], exclude=["!.*/", "!.vstore-trash/"]).snapshot is None
    trash = world.pictures / ".vstore-trash"
    assert world.sync(trash).snapshot is None
    world.restore()
    assert world.sync().embedded == 0
    assert len(world.paths()) == 6


def test_an_existing_plan_is_not_replaced(world: Planned) -> None:
    world.plan()
    before = world.file.read_bytes()
    with pytest.raises(UsageError, match=r"plan.json already exists"):
        world.plan()
    assert world.file.read_bytes() == before
    with pytest.raises(UsageError, match="there is no folder"):
        world.store.dupes_plan(world.top / "none" / "plan.json")


def test_an_edited_plan_does_what_it_says(world: Planned) -> None:
    world.plan()

    def change(plan: dict[str, Any]) -> None:
        for group in plan["groups"]:
            for file in group["files"]:
                if file["path"] == "pictures/a.png":
                    file["do"] = "move"
                elif file["path"] in ("pictures/b/a.png", "pictures/e/d.png"):
                    file["do"] = "keep"

    world.edit(change)
    assert sorted(world.apply().moved) == [b"pictures/a.png", b"pictures/e/dd.png"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda file: file.update(do="delete"), "it says neither keep nor move"),
        (lambda file: file.pop("do"), "it says neither keep nor move"),
        (lambda file: file.update(key="00"), "its key is not 32 hex digits"),
        (lambda file: file.pop("key"), "its key is not 32 hex digits"),
        (lambda file: file.update(key=7), "its key is not 32 hex digits"),
        (lambda file: file.update(key="0" * 32), "it has changed since"),
        (lambda file: file.update(path="pictures/none.png"), "it is gone"),
        (lambda file: file.update(path="other/a.png"), "it is in no folder of the store"),
        (lambda file: file.update(path="pictures/../pictures/b/a.png"), "it is no path below its folder"),
        (lambda file: file.update(path="/etc/hosts"), "it is in no folder of the store"),
        (lambda file: file.update(path="pictures"), "it is no path below its folder"),
        (lambda file: file.update(path="pictures/a.png"), "the plan says of it, too, that it stays"),
    ],
)
def test_a_row_that_fits_nothing_is_refused_alone(
    world: Planned, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    world.plan()
    at = next(n for n, group in enumerate(world.said()["groups"]) if group["files"][0]["path"] == "pictures/a.png")
    world.edit(lambda plan: change(plan["groups"][at]["files"][1]))
    report = world.apply()
    assert [(row.reason, row.row) for row in report.refused] == [(reason, f"groups[{at}].files[1]")]
    assert sorted(report.moved) == [b"pictures/e/d.png", b"pictures/e/dd.png"]
    assert (world.pictures / "b/a.png").read_bytes() == drawn(1)


def test_rows_without_a_path_and_groups_without_files_are_refused(world: Planned) -> None:
    world.plan()
    world.edit(lambda plan: plan["groups"].extend([{"files": [7, {"do": "keep"}]}, {"files": 3}, None]))
    refused = [(row.row, row.path, row.reason) for row in world.apply().refused]
    assert refused == [
        ("groups[2].files[0]", b"", "it names no path"),
        ("groups[2].files[1]", b"", "it names no path"),
        ("groups[3]", b"", "it is no group with files"),
        ("groups[4]", b"", "it is no group with files"),
    ]


def test_without_a_file_that_stays_nothing_goes(world: Planned) -> None:
    world.plan()
    before = files(world.pictures)

    def change(plan: dict[str, Any]) -> None:
        first, second = plan["groups"]
        del first["files"][0]
        for file in second["files"]:
            file["do"] = "move"

    world.edit(change)
    report = world.apply()
    assert {row.reason for row in report.refused} == {"no picture of its group stays"}
    assert (report.moved, files(world.pictures)) == ((), before)


def test_a_file_that_is_named_twice_stays(world: Planned) -> None:
    world.plan()
    world.edit(lambda plan: plan["groups"].append(plan["groups"][0]))
    report = world.apply()
    assert {row.reason for row in report.refused} == {"the plan names it several times"}


def test_a_plan_that_no_longer_fits_is_refused_row_by_row(world: Planned) -> None:
    world.plan()
    world.put({"b/a.png": 50})
    (world.pictures / "e/d.png").unlink()
    os.rename(world.pictures / "d.png", world.pictures / "renamed.png")
    before = files(world.pictures)
    reasons = world.reasons()
    assert reasons == {
        "pictures/b/a.png": "it has changed since",
        "pictures/e/d.png": "it is gone",
        "pictures/e/dd.png": "no file that is to stay for it is there with its bytes (d.png: it is gone)",
    }
    assert files(world.pictures) == before


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"vstore_plan": 2}', '{"vstore_plan": 1}', "[" * 100_000, "\x00",
     '{"vstore_plan": 1, "id": "../x", "store": "", "hash": "xxh3_128", "snapshot": "v1", "time": "", "groups": []}',
     '{"vstore_plan": 1, "id": ".x", "store": "", "hash": "xxh3_128", "snapshot": "v1", "time": "", "groups": []}',
     '{"vstore_plan": 1, "id": "x", "store": "", "hash": "md5", "snapshot": "v1", "time": "", "groups": []}',
     '{"vstore_plan": 1, "id": "x", "store": "y", "hash": "xxh3_128", "snapshot": "v1", "time": "", "groups": []}'],
)  # fmt: skip
def test_what_is_no_plan_of_this_store_is_refused(world: Planned, text: str) -> None:
    world.file.write_text(text)
    before = files(world.pictures)
    with pytest.raises(UsageError):
        world.apply()
    assert files(world.pictures) == before


def test_a_plan_that_is_not_there_or_no_file_is_refused(world: Planned) -> None:
    with pytest.raises(UsageError, match=r"cannot read the plan .*No such file"):
        world.apply()
    os.mkfifo(world.file)
    with pytest.raises(UsageError, match=r"cannot read the plan .*not a regular file"):
        world.apply()


def test_links_and_other_names_of_one_file_are_left_alone(world: Planned) -> None:
    world.put({"f/a.png": 1})
    (world.pictures / "0.png").symlink_to("a.png")
    (world.pictures / "b/00.png").symlink_to("a.png")
    os.link(world.pictures / "d.png", world.pictures / "d2.png")
    world.sync()
    before = files(world.pictures)
    plan = world.plan()
    why = {file["path"]: (file["do"], file.get("why")) for group in plan["groups"] for file in group["files"]}
    assert why == {
        "pictures/0.png": ("keep", "it is a link"),
        "pictures/a.png": ("keep", "first by its path"),
        "pictures/b/00.png": ("keep", "it is a link"),
        "pictures/b/a.png": ("keep", "a link of this group leads to it"),
        "pictures/f/a.png": ("move", None),
        "pictures/d.png": ("keep", "first by its path"),
        "pictures/d2.png": ("keep", "another name of a file of this group"),
        "pictures/e/d.png": ("move", None),
        "pictures/e/dd.png": ("move", None),
    }
    odd = ("pictures/0.png", "pictures/b/00.png", "pictures/d2.png")
    world.edit(lambda plan: [f.update(do="move") for g in plan["groups"] for f in g["files"] if f["path"] in odd])
    reasons = world.reasons()
    assert reasons == {
        "pictures/0.png": "it is a link",
        "pictures/b/00.png": "it is a link",
        "pictures/d2.png": "it is another name of the file that stays for it",
    }
    assert set(world.disk()) == set(before) - {"e/d.png", "e/dd.png", "f/a.png"}


def test_a_file_with_two_names_is_not_planned_to_go_by_one_of_them(world: Planned) -> None:
    os.link(world.pictures / "b/a.png", world.pictures / "b/aa.png")
    world.sync()
    plan = world.plan()
    assert "pictures/b/a.png" not in str(plan), "its group has nothing that goes"
    world.put({"f/a.png": 1})
    world.sync()
    world.file.unlink()
    (group,) = (one for one in world.plan()["groups"] if "pictures/f/a.png" in str(one))
    name = "another name of a file of this group"
    assert [(file["path"], file["do"], file.get("why")) for file in group["files"]] == [
        ("pictures/a.png", "keep", "first by its path"),
        ("pictures/b/a.png", "keep", name),
        ("pictures/b/aa.png", "keep", name),
        ("pictures/f/a.png", "move", None),
    ]
    assert world.apply().refused == ()


@pytest.mark.parametrize(("later", "do"), [(0, "keep"), (1, "move")])
def test_a_file_that_may_be_seen_through_two_mounts_is_not_planned_to_go(
    world: Planned, monkeypatch: pytest.MonkeyPatch, later: int, do: str
) -> None:
    looked = Places.look

    def look(places: Places, path: bytes) -> os.stat_result:
        found = looked(places, path)
        if not path.startswith(b"pictures/b/"):
            return found
        one = looked(places, b"pictures/a.png")
        mode, inode, device, *rest = found  # the first ten fields; the others go by their names
        ten = ("st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size")
        numbers = {name: getattr(one, name) for name in dir(one) if name.startswith("st_") and name not in ten}
        return os.stat_result((mode, inode, device + 1, *rest), numbers | {"st_ctime_ns": one.st_ctime_ns + later})

    monkeypatch.setattr(Places, "look", look)
    (copy,) = [file for group in world.plan()["groups"] for file in group["files"] if "/b/" in file["path"]] or [{}]
    assert copy.get("do", "keep") == do


def test_a_link_is_never_the_file_that_stays(world: Planned) -> None:
    world.plan()
    (world.pictures / "a.png").unlink()
    (world.pictures / "a.png").symlink_to("b/a.png")
    assert "a.png: it is a link" in world.reasons()["pictures/b/a.png"]
    assert (world.pictures / "a.png").read_bytes() == drawn(1)


def test_nothing_is_moved_out_of_the_store(tmp_path: Path) -> None:
    world = Planned(tmp_path / "world")
    world.put({"a.png": 1, "b.png": 1})
    inner = world.pictures / ".vstore"
    shutil.move(world.folder, inner)
    world.store.close()
    world.folder = inner
    world.store = world.another()
    world.sync()
    world.plan()
    name = next((inner / "refs").iterdir()).name
    data = (inner / "refs" / name).read_bytes()
    row = {"do": "move", "path": f"pictures/.vstore/refs/{name}", "key": world.key(data)}
    world.edit(lambda plan: plan["groups"][0]["files"].append(row))
    assert world.reasons() == {f"pictures/.vstore/refs/{name}": "it belongs to the store"}
    assert (inner / "refs" / name).read_bytes() == data


def test_copies_in_two_folders_each_go_to_the_trash_of_their_own(world: Planned) -> None:
    put(world.top / "z", {"c.png": 2, "own.png": 9, "a.png": 1})
    world.sync(world.top / "z")
    before = files(world.top / "z")
    world.plan()
    report = world.apply()
    assert report.refused == ()
    assert len(report.trash) == 2
    assert {name for name in files(world.top / "z") if ".vstore-trash" not in name} == {"own.png"}
    assert set(world.disk()) == {"a.png", "c.png", "d.png"}
    assert len(world.restore().moved) == 3
    assert len(world.restore("z").moved) == 2
    assert files(world.top / "z") == before


def test_a_folder_that_is_emptied_by_a_plan_is_no_missing_disk(world: Planned) -> None:
    put(world.top / "more", {f"{n}.png": 10 + n for n in range(30)})
    world.put({f"copy {n}.png": 10 + n for n in range(30)})
    for path in ("a.png", "b/a.png", "c.png", "d.png", "e/d.png", "e/dd.png"):
        (world.pictures / path).unlink()
    world.all()
    world.sync(world.top / "more", allow_mass_delete=True)
    world.plan(prefer=[world.top / "more"])
    world.apply()
    assert world.disk() == {}
    assert world.all().removed == 30


# Look-alikes


def grey(level: int) -> bytes:
    """A picture much like that of another level, of other bytes."""
    out = io.BytesIO()
    pixels = np.random.default_rng(level // 100).integers(0, 200, (20, 30, 3), dtype=np.uint8)
    pixels[0, 0] += np.uint8(level % 100 // 10)
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


@pytest.fixture
def alike(tmp_path: Path) -> Planned:
    """Thirty pictures, each twice: with other bytes, and the same pixels or nearly so."""
    world = Planned(tmp_path / "alike", BuiltinEmbedder())  # type: ignore[arg-type]
    world.put({f"{n:02d}.png": grey(100 * n) for n in range(30)})
    world.put({f"copies/{n:02d}.png": grey(100 * n + 10) for n in range(30)})
    world.sync()
    return world


def test_pictures_that_look_alike_are_decided_about_before_they_go(alike: Planned) -> None:
    alike.plan(near=0.9)
    report = alike.apply()
    assert (len(report.moved), report.decided, report.refused) == (30, 30, ())
    made = list(newest_decisions(alike.repo))
    assert {(one.verb, len(one.keys), len(one.kept)) for one in made} == {("keep", 2, 1)}
    assert {one.kept[0].hex() for one in made} == {alike.key(data) for data in alike.disk().values()}
    assert alike.apply()._replace(done=0)[1:6] == ((), 0, 0, (), 0), "a second run decides nothing again"


def test_swapped_keys_turn_no_decision_round(alike: Planned) -> None:
    before = alike.plan(near=0.9)["groups"]

    def swap(plan: dict[str, Any]) -> None:
        for group in plan["groups"]:
            one, other = group["files"]
            one["key"], other["key"] = other["key"], one["key"]

    alike.edit(swap)
    report = alike.apply()
    assert (report.moved, report.decided, len(report.refused)) == ((), 0, 30)
    assert list(newest_decisions(alike.repo)) == []
    alike.file.unlink()
    assert alike.plan(near=0.9)["groups"] == before


def test_a_plan_that_fits_nothing_decides_nothing(alike: Planned) -> None:
    alike.plan(near=0.9)
    for group in alike.said()["groups"]:
        for file in group["files"][:1] if group["files"][0]["path"] < "pictures/15" else group["files"][1:]:
            (alike.top / file["path"]).unlink()
    report = alike.apply()
    assert (report.moved, report.decided, len(report.refused)) == ((), 0, 30)
    assert list(newest_decisions(alike.repo)) == []


def test_the_guards_do_not_count_what_a_plan_moved(alike: Planned) -> None:
    alike.plan(near=0.9)
    alike.apply()
    report = alike.sync()
    assert report.removed == 30
    assert len(alike.paths()) == 30


def test_without_the_decision_they_are_counted(alike: Planned) -> None:
    alike.plan(near=0.9)
    alike.apply()
    alike.store.undo()
    with pytest.raises(Refused, match="would remove 30 of the 60 pictures"):
        alike.sync()


def test_what_was_decided_to_be_different_stays_so(alike: Planned) -> None:
    """Of three that look alike, the two that go are different: what stays is said of each by itself."""
    alike.put({"third.png": grey(20)})
    alike.sync()
    alike.plan(near=0.9)
    (group,) = (group for group in alike.said()["groups"] if len(group["files"]) == 3)
    one, other = (bytes.fromhex(file["key"]) for file in group["files"] if file["do"] == "move")
    decide(alike.repo, [Choice("different", [one, other])])
    report = alike.apply()
    assert (len(report.moved), report.decided, report.refused) == (31, 31, ())
    verdict = Verdicts(newest_decisions(alike.repo)).of(one, other)
    assert verdict is not None and verdict.verb == "different"
    assert alike.sync().removed == 31


def held(world: Planned, one: bytes, other: bytes) -> tuple[str, tuple[bytes, ...]] | None:
    """Give the verb, and which of the two stay."""
    found = Verdicts(newest_decisions(world.repo)).of(one, other)
    return found and (found.verb, tuple(key for key in found.kept if key in (one, other)))


def stays(world: Planned, key: bytes, *others: bytes) -> None:
    """Write a plan by which the first stays for the last; those between stay, too."""
    world.plan(near=0.9)
    order = {key.hex(): at for at, key in enumerate((key, *others))}

    def change(plan: dict[str, Any]) -> None:
        for group in plan["groups"]:
            group["files"].sort(key=lambda file: order[file["key"]])
            for file in group["files"]:
                file["do"] = "move" if file["key"] == others[-1].hex() else "keep"

    world.edit(change)


def test_what_stays_by_chance_is_not_decided_to_stay(three: tuple[Planned, list[bytes]]) -> None:
    """Of three, the second stays as it has two names: it was once decided to stay, over the word of the user."""
    world, keys = three
    first, second, third = keys
    os.link(world.pictures / "1.png", world.pictures / "1 too.png")
    world.sync()
    decide(world.repo, [Choice("keep", [first, second], [first])])
    decide(world.repo, [Choice("keep", [first, third], [first]), Choice("same", [first, third])])
    found = said(world.plan(near=0.9))
    assert [do for do, _ in (found[key.hex()] for key in keys)] == ["keep", "keep", "move"]
    report = world.apply()
    assert (report.moved, report.decided) == ((b"pictures/2.png",), 1)
    assert held(world, first, second) == held(world, first, third) == ("keep", (first,))
    assert held(world, second, third) is None
    (world.pictures / "1 too.png").unlink()
    world.sync()
    world.file.unlink()
    assert said(world.plan(near=0.9))[second.hex()][0] == "move"


def test_what_goes_goes_for_a_picture_that_it_is_not_different_from(three: tuple[Planned, list[bytes]]) -> None:
    world, (first, second, third) = three
    stays(world, first, second, third)
    decide(world.repo, [Choice("different", [first, third])])
    assert (world.apply().moved, held(world, first, third)) == ((b"pictures/2.png",), ("different", ()))
    assert held(world, second, third) == ("keep", (second,))


def test_what_is_different_from_all_that_stays_is_refused(three: tuple[Planned, list[bytes]]) -> None:
    world, keys = three
    stays(world, *keys)
    decide(world.repo, [Choice("different", keys)])
    report = world.apply()
    assert (report.moved, report.decided, len(report.refused)) == ((), 0, 1)
    assert report.refused[0].reason == "it is decided to be another picture than those that stay for it"


def test_what_is_not_there_is_not_decided_to_stay(three: tuple[Planned, list[bytes]]) -> None:
    world, (first, second, third) = three
    stays(world, first, second, third)
    (world.pictures / "0.png").unlink()
    assert len(world.apply().moved) == 1
    assert (held(world, first, third), held(world, second, third)) == (None, ("keep", (second,)))


@pytest.mark.parametrize("is_changed", [False, True])
def test_the_last_copy_of_a_picture_goes_with_a_decision(three: tuple[Planned, list[bytes]], is_changed: bool) -> None:
    """The copy that is to stay went, or changed, after the plan was made: what stays is another picture."""
    world, (first, second, _) = three
    (world.pictures / "2.png").unlink()
    world.put({"copy.png": grey(10)})
    world.sync()
    world.plan(near=0.9)

    def change(plan: dict[str, Any]) -> None:
        for file in plan["groups"][0]["files"]:
            file["do"] = "move" if file["path"] == "pictures/1.png" else "keep"

    world.edit(change)
    (world.pictures / "copy.png").unlink()
    if is_changed:
        world.put({"copy.png": 77})
    report = world.apply()
    assert len(report.refused) == is_changed, "what is there may be changed back"
    assert (report.moved, report.decided) == (() if is_changed else (b"pictures/1.png",), not is_changed)
    assert held(world, first, second) == (None if is_changed else ("keep", (first,)))


def test_what_was_decided_about_two_that_go_holds(three: tuple[Planned, list[bytes]]) -> None:
    world, _ = three
    plan = world.plan(near=0.9)["groups"][0]["files"]
    best, one, other = (bytes.fromhex(file["key"]) for file in plan)
    assert [file["do"] for file in plan] == ["keep", "move", "move"]
    decide(world.repo, [Choice("keep", [one, other], [one])])
    assert (len(world.apply().moved), held(world, one, other)) == (2, ("keep", (one,)))
    assert held(world, best, one) == held(world, best, other) == ("keep", (best,))


def test_all_files_of_what_stays_do_so_still(three: tuple[Planned, list[bytes]]) -> None:
    world, (first, second, third) = three
    decide(world.repo, [Choice("keep", [first], [first])])
    stays(world, first, second, third)
    assert len(world.apply().moved) == 1
    assert held(world, first, third) == ("keep", (first,))
    world.put({"copy.png": grey(0)})
    world.sync()
    world.file.unlink()
    files = world.plan(near=0.9)["groups"][0]["files"]
    assert [file["do"] for file in files if file["key"] == first.hex()] == ["keep", "keep"]


def test_what_is_kept_must_be_there_still(alike: Planned) -> None:
    alike.plan(near=0.9)
    alike.apply()
    for name in alike.disk():
        (alike.pictures / name).unlink()
    alike.put({"new.png": 77})
    with pytest.raises(Refused, match="would remove 60 of the 60 pictures"):
        alike.sync()


def test_a_newer_decision_counts_them_again(alike: Planned) -> None:
    alike.plan(near=0.9)
    alike.apply()
    pairs = [(alike.repo.hash.digest(grey(100 * n)), alike.repo.hash.digest(grey(100 * n + 10))) for n in range(30)]
    decide(alike.repo, [Choice("different", pair) for pair in pairs])
    with pytest.raises(Refused, match="would remove 30 of the 60 pictures"):
        alike.sync()


def test_what_plans_moved_in_a_week_is_not_counted_either(alike: Planned) -> None:
    alike.plan(near=0.9)
    alike.apply()
    alike.sync()
    alike.put({f"more {n}.png": 300 + n for n in range(10)})
    alike.sync()
    for name in sorted(alike.disk())[:10]:
        (alike.pictures / name).unlink()
    assert alike.sync().removed == 10


def test_a_store_of_format_1_moves_copies_and_nothing_that_only_looks_alike(tmp_path: Path) -> None:
    begin(tmp_path / "alike" / ".vstore")
    world = Planned(tmp_path / "alike", BuiltinEmbedder())  # type: ignore[arg-type]
    world.put({"a.png": grey(0), "b.png": grey(10), "c.png": grey(100), "d.png": grey(100)})
    world.sync()
    before = files(world.pictures)
    world.plan(near=0.9)
    with pytest.raises(MigrationNeeded, match="vstore migrate"):
        world.apply()
    assert files(world.pictures) == before
    world.file.unlink()
    world.plan()
    assert world.apply().moved == (b"pictures/d.png",)


def test_while_another_process_changes_the_store_nothing_is_moved(world: Planned) -> None:
    world.plan()
    before = files(world.pictures)
    with world.repo.lock("ingest") as lock:
        lock.acquire()
        with pytest.raises(Locked):
            world.apply()
    assert files(world.pictures) == before


def test_a_run_that_is_stopped_goes_on_when_it_is_run_again(world: Planned) -> None:
    world.plan()
    stop = Stop()

    class Stopping(Silent):
        def advance(self, n: int = 1) -> None:
            stop.set()

    report = world.apply(progress=Stopping(), stop=stop)
    assert (len(report.moved), report.interrupted) == (1, True)
    report = world.apply()
    assert (len(report.moved), report.done, report.interrupted) == (2, 1, False)
    (trash,) = (world.pictures / ".vstore-trash").iterdir()
    stop.clear()
    restored = Store.dupes_restore(trash, progress=Stopping(), stop=stop)
    assert (len(restored.moved), restored.interrupted) == (1, True)
    assert (len(world.restore().moved), len(world.disk())) == (2, 6)


# Decisions


def said(plan: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Take a plan apart: key -> what is done with its files, and why."""
    return {file["key"]: (file["do"], file.get("why", "")) for group in plan["groups"] for file in group["files"]}


@pytest.fixture
def three(tmp_path: Path) -> tuple[Planned, list[bytes]]:
    """Three pictures that look alike, and their keys."""
    world = Planned(tmp_path / "three", BuiltinEmbedder())  # type: ignore[arg-type]
    world.put({f"{n}.png": grey(10 * n) for n in range(3)})
    world.sync()
    return world, [world.repo.hash.digest(grey(10 * n)) for n in range(3)]


@pytest.mark.parametrize("best", range(3))
def test_what_is_to_be_kept_over_others_is_kept(three: tuple[Planned, list[bytes]], best: int) -> None:
    world, keys = three
    decide(world.repo, [Choice("keep", keys, [keys[best]])])
    found = said(world.plan(near=0.9))
    assert {key for key, (do, _) in found.items() if do == "keep"} == {keys[best].hex()}
    assert len(found) == 3
    assert (len(world.apply().moved), world.apply().decided) == (2, 0), "nothing is decided again"


def test_what_is_to_stay_does_not_go(three: tuple[Planned, list[bytes]]) -> None:
    world, keys = three
    decide(world.repo, [Choice("keep", keys[:2], keys[:2])])
    found = said(world.plan(near=0.9))
    assert {key for key, (do, _) in found.items() if do == "move"} <= {keys[2].hex()}
    assert [why for _, why in found.values() if why == "decided to stay"]


def test_what_is_different_goes_for_nothing(three: tuple[Planned, list[bytes]]) -> None:
    world, keys = three
    decide(world.repo, [Choice("different", keys)])
    assert world.plan(near=0.9)["groups"] == []


def test_pictures_that_are_the_same_are_planned_though_all_is_decided(three: tuple[Planned, list[bytes]]) -> None:
    world, keys = three
    decide(world.repo, [Choice("same", keys)])
    assert world.store.dupes(near=0.9).groups == ()
    assert sorted(do for do, _ in said(world.plan(near=0.9)).values()) == ["keep", "move", "move"]


def test_all_files_of_a_picture_that_is_to_stay_do(world: Planned) -> None:
    decide(world.repo, [Choice("keep", [bytes.fromhex(world.key(1))], [bytes.fromhex(world.key(1))])])
    assert rows(world.plan()) == [
        [("keep", "pictures/d.png"), ("move", "pictures/e/d.png"), ("move", "pictures/e/dd.png")]
    ]


# Companions


def beside(world: Planned, *names: str) -> Planned:
    """Sync pictures `x/NAME` that have a copy in `a/`, with these files beside the one that is to go."""
    world.put({"a/one.png": 90, "x/one.png": 90, **{f"x/{name}": name.encode() for name in names}})
    world.sync()
    return world


@pytest.mark.parametrize("name", ["one.xmp", "one.png.xmp", "ONE.XMP", "one.pp3"])
def test_a_sidecar_goes_with_its_picture_and_comes_back(world: Planned, name: str) -> None:
    beside(world, name, "other.xmp")
    before = files(world.pictures)
    world.plan()
    report = world.apply()
    assert report.refused == () and os.fsencode(f"pictures/x/{name}") in report.moved
    assert {path for path in world.disk() if path.startswith("x/")} == {"x/other.xmp"}
    world.restore()
    assert world.disk() == before


@pytest.mark.parametrize("stays", ["one.jpg", "one.cr2", "one.mov", "one.png.jpg"])
def test_a_sidecar_stays_while_a_file_of_its_name_does(world: Planned, stays: str) -> None:
    name = "one.png.xmp" if stays == "one.png.jpg" else "one.xmp"
    beside(world, name)
    world.put({f"x/{stays}": 91})
    world.plan()
    assert f"pictures/x/{name}" not in json.dumps(world.said())
    row = {"do": "move", "path": f"pictures/x/{name}", "key": world.key(name.encode())}
    at = next(n for n, g in enumerate(world.said()["groups"]) if g["files"][0]["path"] == "pictures/a/one.png")
    world.edit(lambda plan: plan["groups"][at]["files"].append(row))
    assert world.reasons() == {f"pictures/x/{name}": f"{stays} stays, and shares its name"}


def test_a_sidecar_stays_if_its_picture_is_refused(world: Planned) -> None:
    beside(world, "one.xmp")
    world.plan()
    world.put({"x/one.png": 92})
    assert world.reasons() == {
        "pictures/x/one.png": "it has changed since",
        "pictures/x/one.xmp": "one.png stays, and shares its name",
    }


def test_no_picture_goes_for_a_sidecar_that_stays(world: Planned) -> None:
    beside(world, "one.xmp")
    world.plan()
    turned = {"pictures/a/one.png": "move", "pictures/x/one.xmp": "keep"}
    world.edit(
        lambda plan: [f.update(do=turned.get(f["path"], f["do"])) for group in plan["groups"] for f in group["files"]]
    )
    reason = "no picture of its group stays"
    assert world.reasons() == {"pictures/a/one.png": reason, "pictures/x/one.png": reason}
    assert {"a/one.png", "x/one.png"} <= set(world.disk())


def raw_pair(world: Planned) -> Planned:
    """A RAW file and a JPEG of its name, beside copies of both. No RAW is decoded: the names decide."""
    world.put({"a/two.cr2": 93, "x/two.cr2": 93, "a/two.jpg": 94, "x/two.jpg": 94})
    world.sync(include=["*.cr2"])
    return world


def test_a_raw_file_and_the_jpeg_of_its_name_go_together(world: Planned) -> None:
    raw_pair(world)
    world.plan()
    report = world.apply()
    assert {b"pictures/x/two.cr2", b"pictures/x/two.jpg"} <= set(report.moved)
    assert report.moved.index(b"pictures/x/two.cr2") > report.moved.index(b"pictures/x/two.jpg")


def test_a_raw_file_stays_while_a_picture_of_its_name_does(world: Planned) -> None:
    raw_pair(world)
    world.put({"x/two.jpg": 95})
    world.sync()
    world.plan()
    why = {file["path"]: (file["do"], file.get("why")) for group in world.said()["groups"] for file in group["files"]}
    assert "pictures/x/two.cr2" not in why, "its group has nothing that goes"
    assert "pictures/x/two.jpg" not in why
    row = {"do": "move", "path": "pictures/x/two.cr2", "key": world.key(93)}
    stays = {"do": "keep", "path": "pictures/a/two.cr2", "key": world.key(93)}
    world.edit(lambda plan: plan["groups"].append({"files": [stays, row]}))
    assert world.reasons() == {"pictures/x/two.cr2": "two.jpg stays, and shares its name"}


def test_a_name_that_is_not_utf8_may_be_the_reason(world: Planned) -> None:
    name, stays = os.fsdecode(b"\xff.cr2"), os.fsdecode(b"\xff.jpg")
    put(world.pictures, {f"a/{name}": 93, f"x/{name}": 93, f"x/{stays}": 95, f"z/{name}": 93})
    world.sync(include=["*.cr2"])
    why = {file.get("why") for group in world.plan()["groups"] for file in group["files"]}
    assert "\ufffd.jpg stays, and shares its name" in why
    assert "move" in {file["do"] for group in world.said()["groups"] for file in group["files"]}


def test_a_raw_file_stays_if_the_jpeg_of_its_name_is_refused(world: Planned) -> None:
    raw_pair(world)
    world.plan()
    world.put({"x/two.jpg": 95})
    assert world.reasons() == {
        "pictures/x/two.jpg": "it has changed since",
        "pictures/x/two.cr2": "two.jpg stays, and shares its name",
    }


def test_of_two_raw_files_of_one_name_none_goes_alone(world: Planned) -> None:
    world.put({"a/two.cr2": 93, "x/two.cr2": 93, "a/two.dng": 94, "x/two.dng": 94})
    world.sync(include=["*.cr2", "*.dng"])
    world.plan()
    put(world.pictures, {"x/two.dng": drawn(95)})
    assert world.reasons() == {
        "pictures/x/two.cr2": "two.dng stays, and shares its name",
        "pictures/x/two.dng": "it has changed since",
    }


def test_two_raw_files_of_one_name_go_together(world: Planned) -> None:
    world.put({"a/two.cr2": 93, "x/two.cr2": 93, "a/two.dng": 94, "x/two.dng": 94})
    world.sync(include=["*.cr2", "*.dng"])
    world.plan()
    assert {b"pictures/x/two.cr2", b"pictures/x/two.dng"} <= set(world.apply().moved)


# The contract


def test_a_plan_and_its_record_have_the_fields_of_format(alike: Planned) -> None:
    world = alike
    put(world.pictures, {os.fsdecode(b"g/\xff.png"): grey(100), os.fsdecode(b"\xff.png"): grey(300)})
    world.sync()
    world.plan(near=0.9)
    plan = world.said()
    said = set(plan) | {f"groups[].{name}" for group in plan["groups"] for name in group}
    said |= {f"groups[].files[].{name}" for group in plan["groups"] for file in group["files"] for name in file}
    assert said == set(fields("plan"))
    needed = {name for name, kind in fields("plan").items() if not kind.endswith("optional")}
    world.edit(lambda value: [value.pop(name) for name in set(value) - needed])
    world.apply()
    (trash,) = (world.pictures / ".vstore-trash").iterdir()
    lines = [json.loads(line) for line in (trash / "moves.jsonl").read_bytes().splitlines()]
    assert set(lines[0]) == set(fields("head of moves"))
    always = {name for name, kind in fields("move").items() if not kind.endswith("optional")}
    assert {name.removesuffix("_b64") for line in lines[1:] for name in line} == always


def test_the_best_file_of_a_group_stays(world: Planned) -> None:
    plan = world.store.dupes_plan(world.file, prefer=["pictures/e"])
    assert plan.moves == 3
    found = {file["path"]: (file["do"], file.get("why")) for group in world.said()["groups"] for file in group["files"]}
    assert found["pictures/e/d.png"] == ("keep", "in a preferred folder, first by its path")
    assert found["pictures/d.png"] == ("move", None)
    world.file.unlink()
    os.utime(world.pictures / "e/dd.png", (10**8, 10**8))
    found = {file["path"]: (file["do"], file.get("why")) for group in world.plan()["groups"] for file in group["files"]}
    assert found["pictures/e/dd.png"] == ("keep", "older file")
    world.file.unlink()
    assert ("keep", "pictures/d.png") in [row for group in rows(world.plan(keep_by=["bytes"])) for row in group]


def test_where_the_best_file_may_not_stay_the_next_one_does(world: Planned) -> None:
    world.put({"f/a.png": 1})
    world.sync()
    (world.pictures / "a.png").unlink()
    os.mkfifo(world.pictures / "a.png")
    os.utime(world.pictures / "a.png", (10**9, 10**9))
    plan = world.plan(keep_by="oldest")
    (group,) = (one for one in plan["groups"] if "pictures/f/a.png" in str(one))
    said = [(file["path"], file["do"], file.get("why")) for file in group["files"]]
    assert said[0][:2] == ("pictures/a.png", "keep") and "first by its path" not in str(said[0])
    assert said[1:] == [
        ("pictures/b/a.png", "keep", "the first of them that may stay"),
        ("pictures/f/a.png", "move", None),
    ]


def test_a_link_is_never_the_best_file(world: Planned) -> None:
    (world.pictures / "0.png").symlink_to("b/a.png")
    world.sync()
    os.utime(world.pictures / "b/a.png", (10**8, 10**8))
    (group,) = (one for one in world.plan()["groups"] if len(one["files"]) == 3 and "a.png" in str(one))
    assert [(file["path"], file["do"], file.get("why")) for file in group["files"]] == [
        ("pictures/b/a.png", "keep", "older file"),
        ("pictures/a.png", "move", None),
        ("pictures/0.png", "keep", "it is a link"),
    ]
