"""Hard links in the place of copies: made, taken back, and refused where they would be something else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.folders import World, drawn, put
from support.format_page import fields
from support.plans import files

from vstore.disk import durable
from vstore.disk.durable import Disk
from vstore.plans import linker
from vstore.plans.report import DupesApplied, DupesRestored
from vstore.repository.decisions import newest_decisions
from vstore.store import Store


class Linking(World):
    """A world with a plan: `a.png` stays, `b/a.png` and `b/c.png` go."""

    def plan(self, near: float | None = None) -> None:
        for path in self.pictures.rglob("*.*"):
            os.utime(path, (10**9, 10**9))
        self.sync()
        self.store.dupes_plan(self.top / "plan.json", near=near)

    def apply(self, link: bool = True) -> DupesApplied:
        return self.store.dupes_apply(self.top / "plan.json", link=link)

    @property
    def trash(self) -> Path:
        (trash,) = (self.pictures / ".vstore-trash").iterdir()
        return trash

    def restore(self) -> DupesRestored:
        return Store.dupes_restore(self.trash)

    def inodes(self) -> list[int]:
        return [(self.pictures / name).stat().st_ino for name in ("a.png", "b/a.png", "b/c.png")]

    def reasons(self, report: DupesApplied | DupesRestored) -> dict[str, str]:
        return {os.fsdecode(row.path): row.reason for row in report.refused}


@pytest.fixture
def world(tmp_path: Path) -> Linking:
    world = Linking(tmp_path / "world")
    world.put({"a.png": 1, "b/a.png": 1, "b/c.png": 1})
    world.plan()
    return world


def test_a_link_takes_the_place_of_a_copy_and_goes_again(world: Linking) -> None:
    before, was = files(world.pictures), world.inodes()
    report = world.apply()
    assert sorted(report.linked) == sorted(report.moved) == [b"pictures/b/a.png", b"pictures/b/c.png"]
    assert (report.refused, report.done, report.size) == ((), 0, 2 * len(drawn(1)))
    assert world.inodes() == [was[0]] * 3
    assert files(world.trash) == {"b/a.png": drawn(1), "b/c.png": drawn(1)}
    again = world.apply()
    assert (again.linked, again.moved, again.refused, again.done) == ((), (), (), 2)
    assert world.sync().removed == 0
    restored = world.restore()
    assert (len(restored.moved), restored.refused, restored.left) == (2, (), ())
    assert world.inodes() == was
    assert files(world.pictures) == before
    assert world.restore().done == 2
    assert len(world.apply().linked) == 2


def test_the_record_names_the_file_of_the_link(world: Linking) -> None:
    kept = world.inodes()[0]
    world.apply()
    lines = [json.loads(line) for line in (world.trash / "moves.jsonl").read_bytes().splitlines()]
    assert [line.get("inode") for line in lines] == [None, kept, kept]
    assert set(lines[1]) == set(fields("move"))


def test_what_was_moved_before_gets_its_link(world: Linking) -> None:
    before, was = files(world.pictures), world.inodes()
    assert len(world.apply(link=False).moved) == 2
    report = world.apply()
    assert (report.moved, report.done, len(report.linked)) == ((), 0, 2)
    assert world.inodes() == [was[0]] * 3
    world.restore()
    assert files(world.pictures) == before and world.inodes() == was


def test_other_bytes_get_no_link(tmp_path: Path) -> None:
    world = Linking(tmp_path / "world")
    put(world.pictures, {"a.png": drawn(1) + b"more", "b/near.png": 1, "b/near.xmp": b"stars"})
    world.plan(near=0.999)
    before = files(world.pictures)
    report = world.apply()
    assert len(report.refused) == 2 and set(world.reasons(report).values()) == {linker.NOT_THE_BYTES}
    assert (report.moved, report.linked, report.decided) == ((), (), 0)
    assert list(newest_decisions(world.repo)) == []
    assert files(world.pictures) == before


def test_a_raw_file_keeps_its_name_and_may_be_linked(tmp_path: Path) -> None:
    world = Linking(tmp_path / "world")
    put(world.pictures, {"a.dng": 1, "b/a.dng": 1, "b/a.png": 2})
    world.plan()
    plan = json.loads((world.top / "plan.json").read_text())
    files = [
        {"do": do, "path": path, "key": world.key(1)}
        for do, path in (("keep", "pictures/a.dng"), ("move", "pictures/b/a.dng"))
    ]
    plan["groups"] = [{"files": files}]
    (world.top / "plan.json").write_text(json.dumps(plan))
    assert world.apply(link=False).refused[0].reason == "a.png stays, and shares its name"
    assert world.apply().linked == (b"pictures/b/a.dng",)


def test_no_link_leads_to_another_disk(world: Linking, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(world.pictures)
    plain = linker.standing

    def far(keepers: object) -> object:
        return [
            (keeper, os.stat_result((*kept[:2], kept.st_dev + 1, *kept[3:])))
            for keeper, kept in plain(keepers)  # type: ignore[arg-type]
        ]

    monkeypatch.setattr(linker, "standing", far)
    report = world.apply()
    assert set(world.reasons(report).values()) == {linker.FAR} and len(report.refused) == 2
    assert files(world.pictures) == before


class WithoutLinks(Disk):
    """A disk that knows no hard links."""

    def link_at(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        raise PermissionError(1, "Operation not permitted")


def test_without_hard_links_the_file_is_where_it_was(world: Linking, monkeypatch: pytest.MonkeyPatch) -> None:
    before, was = files(world.pictures), world.inodes()
    monkeypatch.setattr(durable, "disk", WithoutLinks())
    report = world.apply()
    reason = "cannot make a hard link in its place: Operation not permitted"
    assert set(world.reasons(report).values()) == {reason} and len(report.refused) == 2
    assert (report.moved, report.linked) == ((), ())
    assert files(world.pictures) == before and world.inodes() == was
    world.apply(link=False)
    before = files(world.pictures)
    assert len(world.apply().refused) == 2
    assert files(world.pictures) == before, "what was moved before stays in the trash"


class Taken(Disk):
    """A disk on which another file takes the name just before a link is made there."""

    def link_at(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT, dir_fd=to), "wb") as file:
            file.write(b"new work")
        super().link_at(folder, name, to, new)


def test_a_file_that_cannot_be_moved_back_is_said_to_lie_in_the_trash(
    world: Linking, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(durable, "disk", Taken())
        report = world.apply()
    (trash,) = (os.fsencode(path) for path in (world.pictures / ".vstore-trash").iterdir())
    said = f"another file is at its place now; look at that, then run: vstore dupes --restore {os.fsdecode(trash)}"
    assert set(world.reasons(report).values()) == {f"it lies in the trash, and {said}"}
    assert (report.moved, report.linked, report.trash) == ((), (), (trash,))


class Quick(Disk):
    """A disk on which another file takes the name of the one that stays just before a link to it is made."""

    def link_at(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        os.link("other.png", "a.png.new", src_dir_fd=folder, dst_dir_fd=folder)
        os.rename("a.png.new", "a.png", src_dir_fd=folder, dst_dir_fd=folder)
        super().link_at(folder, name, to, new)


def test_a_link_to_a_file_that_came_in_that_moment_is_taken_away(
    world: Linking, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put({"other.png": 9})
    was = world.inodes()
    monkeypatch.setattr(durable, "disk", Quick())
    report = world.apply()
    assert len(report.refused) == 2 and report.linked == ()
    assert world.inodes()[1:] == was[1:]
    assert (world.pictures / "a.png").read_bytes() == drawn(9)
    assert not (world.trash / "moves.link").exists()


def test_what_is_no_such_link_any_more_is_not_taken_away(world: Linking) -> None:
    world.apply()
    copy = world.pictures / "b/a.png"
    copy.unlink()
    copy.write_bytes(drawn(1))  # the same bytes, and a file of its own, with two names
    os.link(copy, world.top / "name.png")
    report = world.restore()
    assert world.reasons(report) == {"b/a.png": "another file is at its place now"}
    assert report.moved == (b"b/c.png",)
    assert (world.trash / "b/a.png").read_bytes() == copy.read_bytes() == drawn(1)


def test_an_edit_of_both_is_kept(world: Linking) -> None:
    world.apply()
    with open(world.pictures / "a.png", "r+b") as file:
        file.write(b"edited")
    now = files(world.pictures)
    assert set(world.reasons(world.restore()).values()) == {
        "the hard link at its place has other bytes now: look at both"
    }
    assert files(world.pictures) == now


def test_the_last_name_of_a_file_is_not_taken_away(world: Linking) -> None:
    world.apply()
    (world.pictures / "a.png").unlink()
    (world.pictures / "b/c.png").unlink()
    report = world.restore()
    assert world.reasons(report) == {"b/a.png": "another file is at its place now"}
    assert (world.pictures / "b/a.png").exists()
    assert report.moved == (b"b/c.png",)


class Swapped(Disk):
    """A disk on which another file takes the name of a link just before it is taken away."""

    def move(self, folder: int, name: bytes, to: int, new: bytes) -> None:
        if new == b"moves.link":
            os.unlink(name, dir_fd=folder)
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=folder))
        super().move(folder, name, to, new)


def test_a_file_that_takes_the_name_of_a_link_stays(world: Linking, monkeypatch: pytest.MonkeyPatch) -> None:
    world.apply()
    monkeypatch.setattr(durable, "disk", Swapped())
    report = world.restore()
    assert len(report.refused) == 2 and report.left == ()
    assert (world.pictures / "b/a.png").read_bytes() == (world.pictures / "b/c.png").read_bytes() == b""
    assert files(world.trash) == {"b/a.png": drawn(1), "b/c.png": drawn(1)}


def test_a_forged_record_takes_no_name_from_other_bytes(world: Linking) -> None:
    world.apply()
    (world.pictures / "x.png").write_bytes(drawn(7))
    os.link(world.pictures / "x.png", world.pictures / "y.png")
    record = world.trash / "moves.jsonl"
    line = json.loads(record.read_bytes().splitlines()[1])
    line |= {"from": "y.png", "inode": (world.pictures / "y.png").stat().st_ino}
    record.write_text(json.dumps(line) + "\n")
    now = files(world.pictures)
    assert set(world.reasons(world.restore())) == {"y.png"}
    record.write_text(json.dumps({**line, "inode": True}) + "\n")
    assert world.restore().moved == ()
    assert files(world.pictures) == now


def test_a_link_that_is_there_is_done(world: Linking) -> None:
    (world.pictures / "b/a.png").unlink()
    os.link(world.pictures / "a.png", world.pictures / "b/a.png")
    report = world.apply()
    assert (report.done, report.linked, report.refused) == (1, (b"pictures/b/c.png",), ())


def test_a_link_leads_to_another_folder_of_the_same_disk(world: Linking) -> None:
    put(world.top / "more", {"z.png": 1})
    world.sync(world.top / "more")
    world.store.dupes_plan(world.top / "two.json", prefer=["more"])
    report = world.store.dupes_apply(world.top / "two.json", link=True)
    assert len(report.linked) == 3 and report.refused == ()
    assert world.inodes() == [(world.top / "more/z.png").stat().st_ino] * 3
    os.rename(world.top / "more/z.png", world.top / "more/renamed.png")
    assert len(world.restore().moved) == 3
    assert len(set(world.inodes())) == 3
