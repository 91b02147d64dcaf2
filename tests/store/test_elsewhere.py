"""Pictures whose content is not here keep what they had: pointers of git-annex, Git LFS and iCloud."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.folders import World, classes, drawn, put

from vstore.errors import Refused, UsageError, VstoreError
from vstore.pictures.elsewhere import ANNEX, ICLOUD, LFS, name_at_icloud, program_of_link, program_of_pointer
from vstore.search.query import Operand

OF_LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
OF_ANNEX = b"/annex/objects/SHA256E-s31390--f50d7ac4c6b9.jpg\n"
TARGET = "../.git/annex/objects/Xk/9z/SHA256E-s1--ab.jpg/SHA256E-s1--ab.jpg"


def unlocked(path: Path) -> None:
    path.write_bytes(OF_ANNEX)


def locked(path: Path) -> None:
    path.unlink()
    path.symlink_to(TARGET)


def lfs(path: Path) -> None:
    path.write_bytes(OF_LFS)


def evicted(path: Path) -> None:
    path.unlink()
    (path.parent / f".{path.name}.icloud").write_bytes(b"bplist00")


def back(path: Path, seed: int) -> None:
    """Bring the content back."""
    path.unlink(missing_ok=True)
    (path.parent / f".{path.name}.icloud").unlink(missing_ok=True)
    path.write_bytes(drawn(seed))


HOW = {ANNEX: [unlocked, locked], LFS: [lfs], ICLOUD: [evicted]}
EVERY = pytest.mark.parametrize(("program", "drop"), [(program, drop) for program in HOW for drop in HOW[program]])


@pytest.mark.parametrize(
    ("data", "program"),
    [
        (OF_LFS, LFS),
        (OF_LFS.replace(b"oid", b"ext-0-foo sha256:ab\noid"), LFS),
        (OF_ANNEX, ANNEX),
        (OF_ANNEX.strip(), ANNEX),
        (OF_ANNEX + b"\nmore", ANNEX),
        (b"", None),
        (b"/annex/other\n", None),
        (b"/annex/objects/\n", None),
        (b"version https://example.org/spec/v1\noid sha256:ab\n", None),
        (b"version https://git-lfs.github.com/spec/v1\nsize 1\n", None),
        (OF_ANNEX + b"x" * 40_000, None),
        (b"\xff\xd8\xff" + OF_LFS, None),
    ],
)
def test_a_pointer_is_known_by_its_first_lines(data: bytes, program: str | None) -> None:
    assert program_of_pointer(data) == program


def test_links_and_names_of_programs_are_known() -> None:
    assert program_of_link(TARGET) == program_of_link(".git/annex/objects/x") == ANNEX
    assert program_of_link("../annexe/objects/a.jpg") is None and program_of_link("/mnt/disk/a.jpg") is None
    assert name_at_icloud(".a.jpg.icloud") == "a.jpg"
    assert name_at_icloud("a.jpg.icloud") is None and name_at_icloud(".icloud") is None


@EVERY
def test_a_picture_whose_content_went_elsewhere_keeps_its_vector(
    world: World, program: str, drop: Callable[[Path], None]
) -> None:
    world.put({"a.png": 1, "d/b.png": 2, "c.png": 3})
    world.sync()
    drop(world.pictures / "d/b.png")
    for _ in range(2):
        report = world.sync()
        assert classes(report) == {"unchanged": 2, "carried": 1}
        assert (report.snapshot, report.failed, report.ignored) == (None, (), 0)
        (absent,) = report.passed
        assert (absent.kind, absent.name, absent.count, absent.path) == ("elsewhere", program, 1, b"pictures/d/b.png")
        assert program in absent.reason and absent.take_in is None
        assert classes(world.store.status()) == {"unchanged": 2, "carried": 1}
    back(world.pictures / "d/b.png", 2)
    report = world.sync()
    assert classes(report) == {"unchanged": 3} and report.embedded == 0 and report.passed == ()


@EVERY
def test_one_that_is_really_deleted_then_is_removed(world: World, program: str, drop: Callable[[Path], None]) -> None:
    """Nothing else of its folder changes: what the catalogue remembers must not hide it."""
    world.put({"a.png": 1, "b.png": 2})
    world.sync()
    drop(world.pictures / "b.png")
    world.sync()
    for name in ("b.png", ".b.png.icloud"):
        if os.path.lexists(world.pictures / name):
            (world.pictures / name).unlink()
    assert classes(world.sync()) == {"unchanged": 1, "removed": 1}


@EVERY
def test_a_whole_folder_that_went_elsewhere_is_no_loss(
    world: World, program: str, drop: Callable[[Path], None]
) -> None:
    world.put({f"{n}.png": n for n in range(25)})
    world.sync()
    for path in sorted(world.pictures.iterdir()):
        drop(path)
    report = world.sync()
    assert classes(report) == {"carried": 25} and report.paths == 25
    assert [(p.name, p.count) for p in report.passed] == [(program, 25)]


@pytest.mark.parametrize("drop", [unlocked, locked, lfs])
def test_a_part_that_is_one_such_picture_keeps_it(world: World, drop: Callable[[Path], None]) -> None:
    world.put({"a.png": 1, "d/b.png": 2})
    world.sync()
    drop(world.pictures / "d/b.png")
    assert classes(world.sync(world.pictures / "d/b.png")) == {"carried": 1}
    assert world.sync().paths == 2


def test_what_was_never_here_is_said_and_taken_once_it_comes(world: World) -> None:
    world.put({"a.png": 1, "b.jpg": OF_LFS})
    report = world.sync()
    assert classes(report) == {"new": 1} and [p.name for p in report.passed] == [LFS]
    back(world.pictures / "b.jpg", 7)
    assert classes(world.sync()) == {"new": 1, "unchanged": 1}


def test_a_new_folder_of_pointers_alone_is_refused_with_the_reason(world: World) -> None:
    put(world.pictures, {".git/HEAD": b"x"})
    (world.pictures / "a.jpg").symlink_to(TARGET)
    with pytest.raises(UsageError, match="1 picture whose content is not here but in git-annex"):
        world.sync()


def test_a_link_of_nobody_that_leads_nowhere_is_gone(world: World) -> None:
    world.put({"a.png": 1, "b.png": 2})
    world.sync()
    (world.pictures / "b.png").unlink()
    (world.pictures / "b.png").symlink_to("/nowhere/at all.png")
    report = world.sync()
    assert classes(report) == {"unchanged": 1, "removed": 1} and report.ignored == 1
    assert [p.kind for p in report.passed] == ["broken"]


def test_other_pictures_that_go_meanwhile_still_are_a_loss(world: World) -> None:
    world.put({f"{n}.png": n for n in range(30)})
    world.sync()
    locked(world.pictures / "0.png")
    for n in range(1, 30):
        (world.pictures / f"{n}.png").unlink()
    with pytest.raises(Refused):
        world.sync()


@pytest.mark.parametrize("drop", [unlocked, locked, lfs])
def test_a_search_by_one_says_that_its_content_is_not_here(world: World, drop: Callable[[Path], None]) -> None:
    world.put({"a.png": 1, "b.png": 2})
    world.sync()
    drop(world.pictures / "b.png")
    with pytest.raises(
        VstoreError, match=r"the content of .*b\.png is not here but in (git-annex|Git LFS); get it first: git"
    ):
        world.store.search([Operand(1.0, os.fsencode(world.pictures / "b.png"))])


def test_an_excluded_one_is_not_named_and_goes(world: World) -> None:
    world.put({"a.png": 1, "b.png": 2, "c.png": 3, "d.png": 4})
    world.sync()
    for name, drop in (("b.png", locked), ("c.png", evicted)):
        drop(world.pictures / name)
    report = world.sync(exclude=["b.png", "c.png"])
    assert classes(report) == {"unchanged": 2, "removed": 2} and report.passed == ()
