"""Patterns that can match nothing are told when they are given, with their right form."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import pytest
from support.folders import World, classes, put

from vstore.errors import UsageError
from vstore.pictures import spelling
from vstore.pictures.formats import EXTENSIONS
from vstore.pictures.pattern_faults import fault_of, fault_of_line
from vstore.pictures.pattern_watch import Watch
from vstore.pictures.patterns import Patterns
from vstore.pictures.scan_options import ScanOptions
from vstore.pictures.shared_scan import shared_scan


def right(glob: str, place: Path, label: str = "pictures") -> tuple[str, ...] | None:
    """The right forms of a pattern; None if it may match."""
    fault = fault_of(glob, os.fspath(place), label)
    return None if fault is None else fault.right


@pytest.mark.parametrize(
    ("glob", "forms"),
    [
        ("./animals/", ("/animals/",)),
        ("./*.webp", ("/*.webp",)),
        ("!./animals/", ("!/animals/",)),
        ("a/./b", ("/a/b",)),
        ("a//b/", ("/a/b/",)),
        ("a/../b", ("/b",)),
        ("../b", ()),
        ("..", ()),
        (".", ()),
        ("*.{webp,gif}", ("*.webp", "*.gif")),
        ("{a,b}/{c,d}", ("a/c", "a/d", "b/c", "b/d")),
        ("20{24..26}/", ("2024/", "2025/", "2026/")),
        ("*.webp,*.gif", ("*.webp", "*.gif")),
        (r"animals\cats", ("animals/cats",)),
        ("'*.webp'", ("*.webp",)),
        ('"a b"', ("a b",)),
        ("pictures/animals/", ("/animals/",)),
        ("pictures/*.jpg", ("/*.jpg",)),
        ("shown/animals/", ("/animals/",)),
    ],
)
def test_a_pattern_of_another_program_has_a_right_form_that_matches(
    tmp_path: Path, glob: str, forms: tuple[str, ...]
) -> None:
    place = tmp_path / "shown"
    place.mkdir()
    assert right(glob, place) == forms
    for form in forms:
        assert right(form, place) is None


@pytest.mark.parametrize(
    "glob",
    [
        "animals/", "/animals/", "animals/*", "**/x", "*.[jJ]pg", "!#recycle/", "#recycle/", "~snapshot/", "~$x", "a b",
        r"\{a,b\}", r"a\*", r"\!x", r"\#x", "{uuid}", "a..b", "...", ".hidden", "/x/y", "pictures/", "pictures", "a,b",
        "it's", "'", "a'b'", "pictures2/animals/", "/tmp/", "sub/pictures/", "[{a,b}]", "[ab]",
    ],
)  # fmt: skip
def test_other_patterns_may_match(tmp_path: Path, glob: str) -> None:
    assert right(glob, tmp_path) is None


def test_the_label_may_be_the_name_of_a_folder_too(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    assert right("pictures/animals/", tmp_path) is None


def test_absolute_paths_become_paths_below_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "home/pictures"
    put(place, {"animals/a b.png": 1})
    (tmp_path / "link").symlink_to(place)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert right(f"{place}/animals", place) == ("/animals",)
    assert right(f"{place}/animals/*.png", place) == ("/animals/*.png",)
    assert right(f"{place}/gone/", place) == ("/gone/",)
    assert right(f"!{place}/animals/", place) == ("!/animals/",)
    assert right(f"{tmp_path}/link/animals/", place) == ("/animals/",)
    assert right(f"{place}/animals/", tmp_path / "link") == ("/animals/",)
    assert right("~/pictures/animals/", place) == ("/animals/",)
    assert right(f"file://{place}/animals/a%20b.png", place) == ("/animals/a b.png",)
    assert right(str(place), place) == ()
    assert right(f"{place}/", place) == ()


def test_absolute_paths_elsewhere_are_told_and_rooted_patterns_are_not(tmp_path: Path) -> None:
    place = tmp_path / "pictures"
    put(place, {"var/a.png": 1})
    put(tmp_path, {"other/x": b""})
    assert right(f"{tmp_path}/other/", place) == ()
    assert right("~/no such folder/x", place) == ()
    assert right("file:///no/such", place) == ()
    assert right("/var/lib/", place) is None  # the folder has one of that name
    assert right("/no such thing/at all", place) is None
    assert right("/animals//x", place) == ("/animals/x",)


def test_a_line_of_an_ignore_file_may_be_no_pattern() -> None:
    assert fault_of_line("a[") and fault_of_line("!") and not fault_of_line("a")


# When it is given


@pytest.mark.parametrize("option", ["exclude", "include"])
@pytest.mark.parametrize("first", [True, False])
def test_a_sync_refuses_it_and_keeps_nothing(world: World, option: str, first: bool) -> None:
    world.put({"animals/a.png": 1, "b.png": 2})
    if not first:
        world.sync()
    with pytest.raises(UsageError, match=rf"--{option} ./animals/ can match nothing .* give: --{option} /animals/"):
        world.sync(**{option: ["./animals/"]})
    assert all(not root.options.get(option) for root in world.repo.state.roots.values())
    assert classes(world.sync(exclude=["/animals/"]))["unchanged" if not first else "new"] == 1


def test_a_file_of_excludes_is_looked_at_too(world: World) -> None:
    world.put({"a.png": 1, "b.png": 2})
    (world.top / "list").write_text("*.webp\n./b.png\n")
    with pytest.raises(UsageError, match=r"give: --exclude /b\.png"):
        world.sync(exclude_from=world.top / "list")


def test_one_that_an_older_store_has_can_be_removed_and_does_no_harm(world: World) -> None:
    from vstore.pictures import scan_options

    world.put({"a.png": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan_options.OptionEdits, "refuse_faulty", lambda *_: None)
        world.sync(exclude=["./b/"])
    assert world.sync().notes == ()
    world.sync(no_exclude=["./b/"])
    assert world.repo.state.roots["pictures"].options["exclude"] == []


def test_lines_of_ignore_files_are_noted_with_their_right_form(world: World) -> None:
    world.put(
        {"a.png": 1, "d/b.png": 2, ".vstoreignore": b"./d/\n# ./x\n*.webp\n", "d/.vstoreignore": b"d/b.png\na[\n"}
    )
    for report in (world.sync(), world.sync(), world.status()):
        assert report.notes == (
            f"{world.pictures}/.vstoreignore has the line ./d/, which can match nothing: it has a name that no file "
            "has: a pattern knows no '.', no '..' and no '//'. Write: /d/",
            f"{world.pictures}/d/.vstoreignore has the line d/b.png, which can match nothing: paths are relative to "
            "the folder, without 'd'. Write: /b.png",
            f"{world.pictures}/d/.vstoreignore has the line a[, which can match nothing: a bracket is not closed.",
        )


def test_a_line_of_a_file_that_is_no_text_is_shortened(world: World) -> None:
    world.put({"a.png": 1, ".vstoreignore": b"./" + b"x" * 5000})
    (note,) = world.sync().notes
    assert f"/.vstoreignore has the line ./{'x' * 97}…, which can match nothing: " in note
    assert len(note) < 400 and "Write:" not in note


def test_many_such_lines_are_counted(world: World) -> None:
    world.put({"a.png": 1, ".vstoreignore": "".join(f"./{n}\n" for n in range(13)).encode()})
    notes = world.sync().notes
    assert len(notes) == 11 and notes[-1] == "3 more lines of ignore files can match nothing."


# Lines of ignore files in another letter case


@pytest.mark.parametrize(
    ("line", "near", "form"),
    [
        ("ANIMALS/", "Animals", "Animals/"),
        ("/animals/", "Animals", "/Animals/"),
        ("animals/cats", "Animals/cats", "/Animals/cats/"),
        ("*.JPG", "Animals/b.jpg", "*.[jJ][pP][gG]"),
        ("A.png", "a.png", "a.png"),
        ("\u00c9T\u00c9/", "\u00e9t\u00e9", "\u00e9t\u00e9/"),
    ],
)
def test_a_line_that_another_letter_case_keeps_from_matching_is_noted(
    world: World, line: str, near: str, form: str
) -> None:
    world.put(
        {
            "a.png": 1,
            "Animals/b.jpg": 2,
            "Animals/cats/c.png": 3,
            "\u00e9t\u00e9/d.png": 4,
            ".vstoreignore": line.encode(),
        }
    )
    said = (
        f"{world.pictures}/.vstoreignore has the line {line}, which can match nothing: letter case matters, and there "
        f"is {near}. Write: {form}",
    )
    for report in (world.sync(), world.sync(), world.status()):
        assert report.notes == said
    world.put({".vstoreignore": form.encode()})
    report = world.sync()
    assert report.notes == () and report.removed


@pytest.mark.parametrize(
    "lines",
    [
        "*.PNG\n*.png",  # the other line takes what this one leaves
        "*.png\n*.PNG",
        "A.png\n*.png",
        "*.JPG\nB.JPG",  # a line that matched, behind one that decided
        "*.TXT",  # no picture
        "nothing/",
        "*.1",
        "!ANIMALS/",  # nothing hides it
    ],
)
def test_a_line_whose_letter_case_costs_nothing_is_not_noted(world: World, lines: str) -> None:
    world.put(
        {
            "a.png": 1,
            "keep.gif": 2,
            "B.JPG": 3,
            "c.jpg": 4,
            "n.txt": b"",
            "Animals/d.webp": 5,
            ".vstoreignore": lines.encode(),
        }
    )
    assert world.sync().notes == ()


def test_a_line_that_should_bring_back_is_noted_where_it_does_not(world: World) -> None:
    world.put({"a.png": 1, "keep.gif": 2, ".vstoreignore": b"*.gif\n!KEEP.gif\n"})
    (note,) = world.sync().notes
    assert (
        "the line !KEEP.gif, which can match nothing: letter case matters, and there is keep.gif. Write: !keep" in note
    )


def test_a_deeper_ignore_file_is_about_the_names_below_it(world: World) -> None:
    world.put({"a.png": 1, "D/A.png": 2, "D/x/b.png": 3, "D/.vstoreignore": b"a.png\n/B.png\nX/B.png\n"})
    notes = world.sync().notes
    assert [note.partition(",")[0] for note in notes] == [
        f"{world.pictures}/D/.vstoreignore has the line a.png",
        f"{world.pictures}/D/.vstoreignore has the line X/B.png",
    ]
    assert world.sync(world.pictures / "D").notes == notes
    assert world.sync(world.pictures / "D/x").notes == (), "not all names that it is about were met"


def test_a_disk_that_finds_names_in_any_case_needs_no_note(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spelling, "folds_case", lambda place: True)
    world.put({"a.png": 1, "Animals/b.png": 2, ".vstoreignore": b"ANIMALS/\n"})
    assert world.sync().notes == () and world.paths() == ["pictures/a.png"]


def test_a_path_that_is_gone_is_not_near(world: World) -> None:
    world.put({"a.png": 1, "Animals/b.png": 2})
    world.sync()
    shutil.rmtree(world.pictures / "Animals")
    world.put({".vstoreignore": b"ANIMALS/\n"})
    assert world.sync().notes == ()


# What matches nothing


@pytest.mark.parametrize(
    ("glob", "near", "form"),
    [
        ("ANIMALS/", "Animals", "Animals/"),
        ("animals", "Animals", "Animals/"),
        ("!aNIMALS/", "Animals", "!Animals/"),
        ("/animals/", "Animals", "/Animals/"),
        ("animals/cats/", "Animals/cats", "/Animals/cats/"),
        ("*.PNG", "Animals/a.png", "*.[pP][nN][gG]"),
        ("cats/deep/", "Animals/cats/deep", "/Animals/cats/deep/"),
        ("/cats/", "Animals/cats", "/Animals/cats/"),
        ("/cats/d*/", "Animals/cats/deep", "**/[cC][aA][tT][sS]/[dD]*/"),
        ("a.png/", "Animals/a.png", "a.png"),
        ("ÉTÉ/", "été", "été/"),
        ("[2019] Trip/", "[2019] Trip", "\\[2019\\] Trip/"),
        ("x[1].png", "[2019] Trip/x[1].png", "x\\[1\\].png"),
    ],
)
def test_a_pattern_that_matches_nothing_is_noted_with_what_it_may_mean(
    world: World, glob: str, near: str, form: str
) -> None:
    world.put({"Animals/a.png": 1, "Animals/cats/deep/b.png": 2, "été/c.png": 3, "[2019] Trip/x[1].png": 4})
    world.sync()
    (note,) = world.sync(exclude=[glob]).notes
    assert note.startswith(f"--exclude {shlex.quote(glob)} matches nothing; there is ")
    assert f"there is {near}. To match that: vstore sync --no-exclude " in note
    (stored,) = world.repo.state.roots["pictures"].options["exclude"]
    assert stored == glob
    assert world.sync(no_exclude=[glob], exclude=[form]).notes == ()
    path = near if near.endswith(".png") else near + "/"
    assert Patterns.from_file(form).matches(path) is not None
    assert world.sync().notes == ()


def test_a_pattern_that_matches_nothing_at_all_is_noted_once(world: World) -> None:
    world.put({"a.png": 1})
    said = "--exclude '*.webp' matches nothing, or nothing that is not left out already."
    assert world.store.sync([world.pictures], dry_run=True, exclude=["*.webp"]).notes == (said,)
    assert world.sync(exclude=["*.webp"]).notes == (
        f"{said} It stays with the folder; to remove it: vstore sync --no-exclude '*.webp'",
    )
    assert world.sync().notes == ()
    assert world.sync(include=["*.RAW"]).notes == (said.replace("exclude '*.webp'", "include '*.RAW'"),)


def test_of_several_folders_one_match_is_enough_and_a_part_proves_nothing(world: World) -> None:
    world.put({"a.png": 1, "d/b.png": 2})
    put(world.top / "more", {"x/c.png": 3})
    world.sync(world.pictures, world.top / "more")
    assert world.all(exclude=["x/"]).notes == ()
    assert world.sync(world.pictures / "d", exclude=["nothing/"]).notes == ()


def test_a_match_counts_whichever_process_would_have_met_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    put(tmp_path, {f"{number}/a{number}.jpg": b"" for number in range(40)})
    watch = Watch(("exclude", f"a{number}.jpg") for number in range(40))
    scan = shared_scan(
        os.fsencode(tmp_path), ScanOptions(), EXTENSIONS, under=b"", skip=(), expect=1_000_000, watch=watch
    )
    assert sum(folder.count for folder in scan) == 40
    assert list(watch.unmatched()) == [] and not watch
