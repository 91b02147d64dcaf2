from __future__ import annotations

import errno
import os
import random
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest
from support.folders import put

from vstore.errors import Interrupted, UsageError
from vstore.pictures import listing, rules
from vstore.pictures import scan as scanning
from vstore.pictures import shared_scan as sharing
from vstore.pictures.folder import CHUNK, FileStat, Folder, Trouble, count_of, files_of, subfolders_of
from vstore.pictures.formats import EXTENSIONS
from vstore.pictures.links import Fence
from vstore.pictures.other_process import Found
from vstore.pictures.patterns import MOST_WILD
from vstore.pictures.scan import Scan
from vstore.pictures.scan_options import ScanOptions
from vstore.pictures.shared_scan import shared_scan

Path_ = str | bytes


def scan(place: Path, under: Path_ = b"", skip: Any = (), **options: Any) -> Scan:
    return Scan(os.fsencode(place), ScanOptions(**options), EXTENSIONS, under=os.fsencode(under), skip=skip)


def files(folder: Folder) -> list[FileStat]:
    return [file for head in folder.heads for file in files_of(head)]


def found(walk: Scan) -> list[str]:
    """The relative paths of all candidates, sorted."""
    return sorted(os.fsdecode(os.path.join(f.path, file.name)) for f in walk for file in files(f))


def in_(place: Path, **options: Any) -> list[str]:
    return found(scan(place, **options))


def make(place: Path, *names: Path_) -> None:
    """Empty files, with the folders that they need."""
    put(place, dict.fromkeys(names, b""))  # type: ignore[misc]


# What is a candidate


def test_candidates_have_the_extension_of_a_picture_in_any_case(tmp_path: Path) -> None:
    good = [f"{n}{extension}" for n, extension in enumerate(sorted(EXTENSIONS))]
    good += ["a.JPG", "b.JpEg", "c.x.Png", "d..gif", "e .tif", "é.webp", "💡.avif"]
    bad = ["jpg", "a.jpg.txt", "a.jpgx", "a.jp", "png.", "a.jpg ", "a.jpg~", "movie.mp4", "drawn.psd"]
    make(tmp_path, *good, *bad)
    (folder,) = scan(tmp_path)
    assert sorted(file.name.decode() for file in files(folder)) == sorted(good)
    assert folder.count == len(good)
    assert folder.ignored == len(bad)


def test_stats_are_those_of_the_files(tmp_path: Path) -> None:
    put(tmp_path, {"a.jpg": b"1234", "b.Png": b"12"})
    os.utime(tmp_path / "a.jpg", ns=(5, 1_234_567_890_123_456_789))
    (folder,) = scan(tmp_path)
    for file in files(folder):
        stat = (tmp_path / os.fsdecode(file.name)).stat()
        assert file[1:] == (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


def test_times_of_any_century_are_read(tmp_path: Path) -> None:
    make(tmp_path, "past.jpg", "future.jpg", "Future.Jpg")
    os.utime(tmp_path / "past.jpg", (-2e9, -2e9))
    for name in ("future.jpg", "Future.Jpg"):
        os.utime(tmp_path / name, (1.2e10, 1.2e10))  # the year 2350
    (folder,) = scan(tmp_path)
    times = {file.name: file.mtime_ns for file in files(folder)}
    assert times[b"past.jpg"] < 0
    assert times[b"future.jpg"] > 4e18 and times[b"Future.Jpg"] > 4e18


def test_options_blank_out_what_a_disk_makes_up(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b.Jpg")
    (folder,) = scan(tmp_path, ignore_inode=True)
    assert all(file.inode == 0 and file.ctime_ns for file in files(folder))
    (folder,) = scan(tmp_path, ignore_ctime=True)
    assert all(file.ctime_ns == 0 and file.inode for file in files(folder))


def test_include_adds_names_and_excludes_take_away(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b.raw", "c.RAW", "d/e.raw", "d/f.jpg", "noextension", ".hidden.raw", ".folder/g.raw")
    assert in_(tmp_path, include=("*.raw",)) == [".hidden.raw", "a.jpg", "b.raw", "d/e.raw", "d/f.jpg"]
    assert in_(tmp_path, include=("/d/*.raw",)) == ["a.jpg", "d/e.raw", "d/f.jpg"]
    assert in_(tmp_path, include=("noextension",)) == ["a.jpg", "d/f.jpg", "noextension"]
    assert in_(tmp_path, include=("*.raw",), exclude=("d/",)) == [".hidden.raw", "a.jpg", "b.raw"]
    assert in_(tmp_path, exclude=("*.jpg", "!/d/f.jpg")) == ["d/f.jpg"]


def test_hidden_names_and_thumbnail_folders_are_skipped(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", ".b.jpg", ".c/d.jpg", "@eaDir/e.jpg", "f/@eaDir/g.jpg", "f/.h/i.jpg", "f/eaDir/j.jpg")
    walk = scan(tmp_path)
    folders = list(walk)
    assert sum(folder.ignored for folder in folders) == 0
    assert in_(tmp_path) == ["a.jpg", "f/eaDir/j.jpg"]
    assert walk.hides(b".b.jpg") and walk.hides(b".c/d.jpg") and walk.hides(b"f/@eaDir/g.jpg")
    assert not walk.hides(b"a.jpg") and not walk.hides(b"f/eaDir/j.jpg")


def test_what_is_no_regular_file_is_no_candidate(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    make(tmp_path, "folder.jpg/a.jpg", "b.jpg")
    folders = {folder.path: folder for folder in scan(tmp_path)}
    assert [file.name for file in files(folders[b""])] == [b"b.jpg"]
    assert folders[b""].ignored == 1
    assert [file.name for file in files(folders[b"folder.jpg"])] == [b"a.jpg"]


@pytest.mark.parametrize("glob", ["", "!", "#", "a[", "\\"])
@pytest.mark.parametrize("option", ["exclude", "include"])
def test_a_glob_means_something_or_is_a_usage_error(tmp_path: Path, option: str, glob: str) -> None:
    make(tmp_path, "a.jpg")
    try:
        assert in_(tmp_path, **{option: (glob,)}) == ["a.jpg"]
    except UsageError as err:
        assert repr(glob) in str(err)


# Ignore files, held against git


def hidden_by(place: Path, ignore: Mapping[str, bytes], *names: str) -> list[str]:
    """List what ignore files leave of some files. ignore: folder -> the bytes of its ignore file."""
    make(place, *names)
    for folder, text in ignore.items():
        put(place, {f"{folder}.vstoreignore": text})
    return in_(place)


def test_an_ignore_file_speaks_of_all_below_it(tmp_path: Path) -> None:
    names = ["a.jpg", "b.jpg", "d/a.jpg", "d/b.jpg", "d/e/a.jpg"]
    assert hidden_by(tmp_path, {"": b"a.jpg\n"}, *names) == ["b.jpg", "d/b.jpg"]


def test_a_nested_ignore_file_overrules_the_one_above(tmp_path: Path) -> None:
    names = ["a.jpg", "d/a.jpg", "d/b.jpg", "d/e/b.jpg"]
    left = hidden_by(tmp_path, {"": b"*.jpg\n!b.jpg\n", "d/": b"!a.jpg\nb.jpg\n"}, *names)
    assert left == ["d/a.jpg"]


def test_what_lies_in_a_hidden_folder_cannot_be_brought_back(tmp_path: Path) -> None:
    assert hidden_by(tmp_path, {"": b"d/\n!d/a.jpg\n", "d/": b"!a.jpg\n"}, "d/a.jpg", "b.jpg") == ["b.jpg"]


def test_marks_blanks_comments_and_line_ends_are_as_git_has_them(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbfa.jpg\r\n# b.jpg\r\n\r\nc.jpg   \r\n\\#d.jpg\r\ne\\ \r\n\xff.jpg"
    names = ["a.jpg", "b.jpg", "c.jpg", "#d.jpg", "f.jpg"]
    assert hidden_by(tmp_path, {"": text}, *names, os.fsdecode(b"\xff.jpg")) == ["b.jpg", "f.jpg"]


def test_a_line_of_an_ignore_file_that_means_nothing_is_passed_over(tmp_path: Path) -> None:
    assert hidden_by(tmp_path, {"": b"!\n\\\na.jpg\n"}, "a.jpg", "b.jpg") == ["b.jpg"]


def test_an_ignore_file_of_any_size_is_read_to_its_end(tmp_path: Path) -> None:
    text = b"# nothing\n" * 120_000 + b"a.jpg\n"
    assert hidden_by(tmp_path, {"": text}, "a.jpg", "b.jpg") == ["b.jpg"]


def test_names_before_the_ignore_file_are_hidden_too(tmp_path: Path) -> None:
    """In whatever order the folder is listed, and however large it is."""
    many = [f"{n:04}.jpg" for n in range(2500)]
    assert hidden_by(tmp_path, {"": b"*.jpg\n!1234.jpg\n"}, *many) == ["1234.jpg"]


def test_a_folder_named_like_an_ignore_file_is_a_hidden_folder(tmp_path: Path) -> None:
    make(tmp_path, ".vstoreignore/a.jpg", "b.jpg")
    assert in_(tmp_path) == ["b.jpg"]


def test_an_ignore_file_that_cannot_be_read_leaves_its_folder_unknown(tmp_path: Path, faults: Faults) -> None:
    make(tmp_path, "a.jpg", "d/b.jpg", "d/.vstoreignore", "d/e/c.jpg")
    faults.deny(".vstoreignore")
    walk = scan(tmp_path)
    assert found(walk) == ["a.jpg"]
    assert walk.troubles == [Trouble(b"d", "permission", "Permission denied", True)]


def test_excludes_of_the_root_overrule_ignore_files(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b.jpg")
    put(tmp_path, {".vstoreignore": b"!a.jpg\nb.jpg\n"})
    assert in_(tmp_path, exclude=("a.jpg",)) == []
    assert in_(tmp_path, exclude=("!b.jpg",)) == ["a.jpg", "b.jpg"]


def test_what_is_hidden_is_hidden_by_the_same_rules_when_asked_for_one_path(tmp_path: Path) -> None:
    names = ["a.jpg", "d/a.jpg", "d/b.jpg", "d/e/b.jpg", "f/g.jpg", ".h.jpg", "i/.j/k.jpg"]
    make(tmp_path, *names)
    put(tmp_path, {".vstoreignore": b"*.jpg\n!b.jpg\nf/\n", "d/.vstoreignore": b"!a.jpg\n/e\n"})
    walk = scan(tmp_path)
    left = found(walk)
    assert left == ["d/a.jpg", "d/b.jpg"]
    assert [name for name in names if not walk.hides(name.encode())] == left


PARTS = ["a", "b", "*", "a*", "?", "[ab]", "[!a]", "**", "*.jpg", "a.jpg", "b.jpg", "***", "\\a", "[a-b]?", "[^b]*"]
PARTS += ["[[:alpha:]]*", "[]a]", "[b-a]", "[[:digit:]b]", "*\\.jpg", "[", "\\"]
ENDS = ["", "", "", " ", "   ", "\r", " \r", "\\ ", "\t"]


def patterns(rng: random.Random) -> bytes:
    lines = []
    for _ in range(rng.randrange(5)):
        middle = "/".join(rng.choice(PARTS) for _ in range(rng.randrange(1, 4)))
        start = rng.choice(["", "", "", "!", "#", "\\!", "\\#"]) + rng.choice(["", "", "/", "**/"])
        lines.append(start + middle + rng.choice(["", "", "/", "/*", "/**"]) + rng.choice(ENDS))
    return "\n".join(lines).encode()


@pytest.mark.skipif(shutil.which("git") is None, reason="git says what is right")
def test_ignore_files_mean_what_they_mean_to_git(tmp_path: Path) -> None:
    """Two hundred folders with ignore files in them, drawn by lot."""
    rng = random.Random(1)
    cases = [f"case{n}/" for n in range(200)]
    for case in cases:
        folders = ["".join(rng.choice(["a/", "b/", "ab/"]) for _ in range(rng.randrange(4))) for _ in range(4)]
        make(tmp_path, *(f"{case}{rng.choice(folders)}{rng.choice(['a', 'b', 'ab'])}.jpg" for _ in range(8)))
        for folder in {"", *folders[:2]}:
            if (tmp_path / case / folder).is_dir():
                put(tmp_path, {f"{case}{folder}.vstoreignore": patterns(rng)})
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q", tmp_path], check=True, env=environment)
    listed = subprocess.run(
        ["git", "-C", tmp_path, "ls-files", "-o", "-z", "--exclude-per-directory=.vstoreignore"],
        check=True,
        capture_output=True,
        env=environment,
    ).stdout.decode()
    for case in cases:
        wanted = sorted(
            name.removeprefix(case) for name in listed.split("\0") if name.startswith(case) and name.endswith(".jpg")
        )
        walk = scan(tmp_path / case)
        assert found(walk) == wanted, case
        names = [str(path.relative_to(tmp_path / case)) for path in (tmp_path / case).rglob("*.jpg")]
        assert sorted(name for name in names if not walk.hides(name.encode())) == wanted, case


# Links


def test_a_linked_file_is_read_as_what_it_names(tmp_path: Path) -> None:
    put(tmp_path, {"outside/a.jpg": b"12345", "outside/b.txt": b"", "in/c.jpg": b""})
    (tmp_path / "in/link.jpg").symlink_to("../outside/a.jpg")
    (tmp_path / "in/text.jpg").symlink_to("../outside/b.txt")
    (tmp_path / "in/picture.txt").symlink_to("../outside/a.jpg")
    (tmp_path / "in/nowhere.jpg").symlink_to("nowhere")
    (tmp_path / "in/itself.jpg").symlink_to("itself.jpg")
    (folder,) = walk = list(scan(tmp_path / "in"))
    by_name = {file.name: file for file in files(folder)}
    assert sorted(by_name) == [b"c.jpg", b"link.jpg", b"text.jpg"]
    assert by_name[b"link.jpg"].size == 5
    assert by_name[b"link.jpg"].inode == (tmp_path / "outside/a.jpg").stat().st_ino
    assert folder.ignored == 3
    assert walk[0].troubles == ()


def linked(tmp_path: Path) -> Path:
    """A folder with links to folders inside and outside of it, some of them loops."""
    make(tmp_path, "in/real/a.jpg", "in/real/deep/b.jpg", "outside/c.jpg", "outside/deep/d.jpg")
    for link, to in {
        "in/before": "real",
        "in/real/up": "..",
        "in/real/deep/self": ".",
        "in/out": "../outside",
        "in/out2": "../outside/deep",
        "in/real/zout": "../../outside",
        "outside/back": "../in",
    }.items():
        (tmp_path / link).symlink_to(to, target_is_directory=True)
    return tmp_path / "in"


def test_linked_folders_are_not_entered_unless_asked_to(tmp_path: Path) -> None:
    place = linked(tmp_path)
    walk = scan(place)
    assert found(walk) == ["real/a.jpg", "real/deep/b.jpg"]
    assert walk.troubles == []


def test_followed_links_lead_into_each_folder_once_and_never_round(tmp_path: Path) -> None:
    place = linked(tmp_path)
    walk = scan(place, follow_symlinks=True)
    left = found(walk)
    assert [name for name in left if name.endswith("/a.jpg")] == ["real/a.jpg"]  # the name that is no link
    assert [name for name in left if name.endswith("b.jpg")] == ["real/deep/b.jpg"]
    assert left == ["out/c.jpg", "out2/d.jpg", "real/a.jpg", "real/deep/b.jpg"]
    assert walk.troubles == []


def test_a_part_is_what_the_whole_has_there(tmp_path: Path) -> None:
    """With every option: walking a part finds exactly what the whole walk finds below it."""
    place = linked(tmp_path)
    make(place, ".hidden/e.jpg", "real/x/f.jpg", "real/x/g.txt")
    put(place, {".vstoreignore": b"x/g*\n", "real/.vstoreignore": b"deep/\n"})
    parts = ["real", "real/deep", "real/a.jpg", "real/x", "before", "before/a.jpg", "before/deep", "out", "out/c.jpg"]
    parts += ["out/deep", "out2", "out2/d.jpg", "real/up", "real/zout", "real/zout/c.jpg", ".hidden", "nowhere", "a/b"]
    parts += ["real/a.jpg/b", "real/x/f.jpg", "real/x/g.txt"]
    for options in ({}, {"follow_symlinks": True}, {"exclude": ("x/",)}, {"one_file_system": True}):
        whole = in_(place, **options)
        for part in parts:
            wanted = [name for name in whole if name == part or name.startswith(part + "/")]
            walk = scan(place, part, **options)
            assert found(walk) == wanted, (part, options)
            assert walk.troubles == []


def test_a_part_lists_one_file_alone(tmp_path: Path) -> None:
    make(tmp_path, "d/a.jpg", "d/b.jpg", "d/e/c.jpg")
    (folder,) = scan(tmp_path, "d/a.jpg")
    assert folder.path == b"d"
    assert [file.name for file in files(folder)] == [b"a.jpg"]


# Disks


class Faults:
    """The os module as the scan sees it, on which some things go wrong.

    deny: opening or listing what has this name is refused. fail: so is a stat of it.
    before: something that is done before the folder of this name is opened.
    """

    def __init__(self) -> None:
        self._denied: dict[str, int] = {}
        self._failing: dict[str, int] = {}
        self._breaking: dict[str, int] = {}
        self._before: dict[str, Callable[[], object]] = {}
        self._devices: dict[str, int] = {}

    def deny(self, name: str, error: int = errno.EACCES) -> None:
        self._denied[name] = error

    def fail(self, name: str, error: int = errno.EACCES) -> None:
        self._failing[name] = error

    def break_off(self, name: str, error: int = errno.EIO) -> None:
        """Let the listing of the folder that holds this name break off there."""
        self._breaking[name] = error

    def before(self, name: str, act: Callable[[], object]) -> None:
        self._before[name] = act

    def open(self, path: Any, flags: int, *, dir_fd: int | None = None) -> int:
        name = os.path.basename(os.fsdecode(path))
        if act := self._before.pop(name, None):
            act()
        if name in self._denied:
            raise OSError(self._denied[name], os.strerror(self._denied[name]), path)
        return os.open(path, flags, dir_fd=dir_fd)

    def scandir(self, fd: int) -> _Entries:
        return _Entries(os.scandir(fd), self._failing, self._breaking)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


class _Entries:
    def __init__(self, entries: Any, failing: Mapping[str, int], breaking: Mapping[str, int]) -> None:
        self._entries = entries
        self._failing = failing
        self._breaking = breaking

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *error: object) -> None:
        self._entries.close()

    def __iter__(self) -> Iterator[Any]:
        for entry in self._entries:
            if entry.name in self._breaking:
                raise OSError(self._breaking[entry.name], os.strerror(self._breaking[entry.name]))
            yield _Entry(entry, self._failing[entry.name]) if entry.name in self._failing else entry


class _Entry:
    def __init__(self, entry: Any, error: int) -> None:
        self._entry = entry
        self._error = error
        self.name = entry.name

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        raise OSError(self._error, os.strerror(self._error), self.name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    faulty = Faults()
    for module in (listing, rules, scanning):
        monkeypatch.setattr(module, "os", faulty)
    return faulty


def test_a_root_that_is_not_there_is_a_trouble(tmp_path: Path) -> None:
    make(tmp_path, "file.jpg")
    for place, reason in (("nowhere", "No such file or directory"), ("file.jpg", "Not a directory")):
        walk = scan(tmp_path / place)
        assert list(walk) == []
        assert walk.troubles == [Trouble(b"", "io", reason, True)]


def test_a_folder_that_cannot_be_opened_is_a_trouble_and_its_neighbours_are_found(
    tmp_path: Path, faults: Faults
) -> None:
    make(tmp_path, "a/1.jpg", "b/2.jpg", "b/c/3.jpg", "d/4.jpg")
    faults.deny("b")
    walk = scan(tmp_path)
    assert found(walk) == ["a/1.jpg", "d/4.jpg"]
    assert walk.troubles == [Trouble(b"b", "permission", "Permission denied", True)]


@pytest.mark.parametrize("under", ["b", "b/2.jpg", "b/c", "b/c/3.jpg"])
@pytest.mark.parametrize("by", ["exclude", "ignore file"])
def test_a_hidden_folder_that_cannot_be_opened_is_no_trouble_for_a_part_below_it(
    tmp_path: Path, faults: Faults, under: str, by: str
) -> None:
    make(tmp_path, "a/1.jpg", "b/2.jpg", "b/c/3.jpg")
    if by == "ignore file":
        (tmp_path / ".vstoreignore").write_text("b/\n")
    faults.deny("b")
    walk = scan(tmp_path, under, exclude=("b/",) if by == "exclude" else ())
    assert (found(walk), walk.troubles) == ([], [])
    assert walk.hides(os.fsencode(under if under.endswith(".jpg") else under + "/"))


def test_a_listing_that_breaks_off_counts_for_nothing(tmp_path: Path, faults: Faults) -> None:
    make(tmp_path, *(f"a/{n}.jpg" for n in range(30)), "b/1.jpg", "a/c/2.jpg")
    faults.break_off("7.jpg")
    walk = scan(tmp_path)
    assert found(walk) == ["b/1.jpg"]
    assert walk.troubles == [Trouble(b"a", "io", "Input/output error", True)]


@pytest.mark.parametrize("name", ["a.jpg", "A.Jpg"])
def test_a_file_that_cannot_be_stat_ed_is_a_trouble_of_its_own(tmp_path: Path, faults: Faults, name: str) -> None:
    make(tmp_path, f"d/{name}", "d/b.jpg")
    faults.fail(name)
    walk = scan(tmp_path)
    folders = list(walk)
    assert [file.name for file in files(folders[1])] == [b"b.jpg"]
    assert folders[1].troubles == (Trouble(f"d/{name}".encode(), "permission", "Permission denied", name != "a.jpg"),)
    assert walk.troubles == []


@pytest.mark.parametrize("name", ["a.jpg", "A.Jpg"])
def test_a_file_that_vanishes_before_its_stat_is_not_there(tmp_path: Path, faults: Faults, name: str) -> None:
    make(tmp_path, name, "b.jpg")
    faults.fail(name, errno.ENOENT)
    walk = scan(tmp_path)
    (folder,) = walk
    assert [file.name for file in files(folder)] == [b"b.jpg"]
    assert folder.troubles == () and walk.troubles == []


def test_a_folder_that_vanishes_while_walking_is_not_there(tmp_path: Path, faults: Faults) -> None:
    make(tmp_path, "a/1.jpg", "b/2.jpg", "c/3.jpg")
    faults.before("b", lambda: shutil.rmtree(tmp_path / "b"))
    walk = scan(tmp_path)
    assert found(walk) == ["a/1.jpg", "c/3.jpg"]
    assert walk.troubles == []


def test_a_folder_that_becomes_a_link_while_walking_is_not_entered(tmp_path: Path, faults: Faults) -> None:
    make(tmp_path, "in/a/1.jpg", "in/b/2.jpg", "outside/3.jpg")

    def swap() -> None:
        shutil.rmtree(tmp_path / "in/b")
        (tmp_path / "in/b").symlink_to("../outside")

    faults.before("b", swap)
    walk = scan(tmp_path / "in")
    assert found(walk) == ["a/1.jpg"]
    assert walk.troubles == []


def test_other_disks_are_left_out_where_that_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/1.jpg", "b/2.jpg", "b/c/3.jpg")
    other = (tmp_path / "b").stat().st_ino
    keeps_out = Scan._keeps_out

    def another_device(self: Scan, found: os.stat_result) -> bool:
        """As if a disk were mounted at b: no test may mount one."""
        if found.st_ino == other:
            found = os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))
        return keeps_out(self, found)

    monkeypatch.setattr(Scan, "_keeps_out", another_device)
    assert in_(tmp_path, one_file_system=True) == ["a/1.jpg"]
    assert in_(tmp_path) == ["a/1.jpg", "b/2.jpg", "b/c/3.jpg"]
    assert found(scan(tmp_path, "b", one_file_system=True)) == []


def test_folders_that_are_to_be_skipped_are_never_entered(tmp_path: Path, faults: Faults) -> None:
    make(tmp_path, "a/1.jpg", "store/2.jpg", "store/deep/3.jpg")
    stat = (tmp_path / "store").stat()
    skip = {(stat.st_dev, stat.st_ino)}
    assert found(scan(tmp_path, skip=skip)) == ["a/1.jpg"]
    assert found(scan(tmp_path, "store", skip=skip)) == []
    assert found(scan(tmp_path, "store/deep", skip=skip)) == []
    (tmp_path / "link").symlink_to("store")
    assert found(scan(tmp_path, skip=skip, follow_symlinks=True)) == ["a/1.jpg"]


# Names and sizes


def test_a_folder_of_more_than_a_thousand_files_comes_in_parts(tmp_path: Path) -> None:
    names = [f"{n:04}.jpg" for n in range(2 * CHUNK + 1)]
    make(tmp_path, *names, "x/y.jpg", "z/y.jpg")
    folder = next(iter(scan(tmp_path)))
    assert folder.count == len(names)
    assert [count_of(head) for head in folder.heads] == [CHUNK, CHUNK, 1]
    assert sorted(os.fsdecode(file.name) for file in files(folder)) == names
    assert folder.subfolders == [b"x", b"z"]
    assert [subfolders_of(head) for head in folder.heads] == [[b"x", b"z"], [], []]


def test_a_folder_that_lost_its_last_thousand_has_other_heads(tmp_path: Path) -> None:
    make(tmp_path, *(f"{n:04}.jpg" for n in range(CHUNK)))
    before = next(iter(scan(tmp_path))).heads[0]
    make(tmp_path, "more.jpg")
    after = next(iter(scan(tmp_path))).heads
    os.unlink(tmp_path / "more.jpg")
    again = next(iter(scan(tmp_path))).heads[0]
    assert before == again
    assert after[0] != before


def test_an_unchanged_folder_has_equal_heads(tmp_path: Path) -> None:
    make(tmp_path, *(f"{n}.jpg" for n in range(100)), "d/x.jpg")
    assert list(scan(tmp_path)) == list(scan(tmp_path))


def test_an_empty_folder_has_one_empty_head(tmp_path: Path) -> None:
    (folder,) = scan(tmp_path)
    assert len(folder.heads) == 1
    assert files(folder) == [] and folder.subfolders == []


@pytest.mark.parametrize("head", [b"", b"x", b"\1\0\0\0" * 4, b"\xff" * 40])
def test_what_is_no_head_holds_nothing(head: bytes) -> None:
    assert list(files_of(head)) == []


def test_names_are_bytes(tmp_path: Path) -> None:
    names = [
        b"\xff\xfe.jpg",
        b"new\nline.jpg",
        b" .jpg",
        b"a\x01\x7f.jpg",
        b"*.jpg",
        "\u202e.jpg".encode(),
        b"\xed\xa0\x80.jpg",
    ]
    put(tmp_path, {b"\xff\n" + b"/" + name: b"" for name in names})
    (_, folder) = scan(tmp_path)
    assert folder.path == b"\xff\n"
    assert sorted(file.name for file in files(folder)) == sorted(names)


@pytest.mark.parametrize("glob", ["*.jpg", "new?line.jpg", "d/", "**/new*"])
def test_patterns_match_names_that_hold_newlines(tmp_path: Path, glob: str) -> None:
    make(tmp_path, "d/new\nline.jpg")
    assert in_(tmp_path, exclude=(glob,)) == []


def test_patterns_may_name_what_is_not_utf8(tmp_path: Path) -> None:
    make(tmp_path, b"\xff.jpg", b"\xfe.jpg", b"\xff/a.jpg")
    assert in_(tmp_path, exclude=(os.fsdecode(b"/\xff*"),)) == [os.fsdecode(b"\xfe.jpg")]


def test_paths_longer_than_one_call_can_name_are_walked(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    depth = 30
    for _ in range(depth):
        os.mkdir("d" * 200, dir_fd=fd)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("a.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    walk = scan(tmp_path)
    folders = list(walk)
    assert len(folders) == depth + 1
    assert len(folders[-1].path) > 6000
    assert [file.name for file in files(folders[-1])] == [b"a.jpg"]
    assert walk.troubles == []
    deep = folders[-1].path
    assert [folder.path for folder in scan(tmp_path, deep)] == [deep]


def test_folders_come_depth_first_in_the_order_of_their_names(tmp_path: Path) -> None:
    make(tmp_path, "b/1.jpg", "a/x/2.jpg", "a/3.jpg", "a-/4.jpg", b"\xff/5.jpg")
    assert [folder.path for folder in scan(tmp_path)] == [b"", b"a", b"a/x", b"a-", b"b", b"\xff"]


# The options as they are kept


def test_options_survive_being_kept() -> None:
    options = ScanOptions(("a", "\udcff"), ("b",), True, True, True, True)
    assert ScanOptions.from_json(options.to_json()) == options
    assert ScanOptions.from_json({"exclude": ["a"], "of a later version": 1}) == ScanOptions(("a",))


# Two processes


def wide(place: Path) -> None:
    """More folders than one process keeps for itself, some of them with odd names."""
    put(place, {f"{top}/{n:02}/{k}.jpg": b"" for top in "ab" for n in range(12) for k in range(3)})
    put(place, {b"c\xff\n/%d/x.jpg" % n: b"" for n in range(12)} | {b"d/.hidden.jpg": b"", b"d/e.txt": b""})


def shared(place: Path, expect: int = 10**9, stop: threading.Event | None = None, **options: Any) -> Scan:
    skip = {(1, place.stat().st_ino)}
    return shared_scan(
        os.fsencode(place), ScanOptions(**options), EXTENSIONS, under=b"", skip=skip, expect=expect, stop=stop
    )


def by_path(walk: Scan) -> dict[bytes, Folder]:
    folders = list(walk)
    assert len({folder.path for folder in folders}) == len(folders)
    return {folder.path: folder for folder in folders}


REAL_FOUND = sharing.Other.found


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The processes that were started to share a scan. That there is one core only does not matter here."""
    started: list[Any] = []
    popen = subprocess.Popen

    def counted(*arguments: Any, **options: Any) -> Any:
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr("subprocess.Popen", counted)
    monkeypatch.setattr("vstore.pictures.shared_scan.os.cpu_count", lambda: 2)
    monkeypatch.setattr(sharing.Other, "found", patient(sharing.Other.found))
    return started


def patient(found: Callable[[Any], Found]) -> Callable[[Any], Found]:
    """Let a scan wait until the other process is there: it would come too late for so few folders."""

    def once_it_is_there(self: Any) -> Found:
        if self._process is not None and not self._ready:
            self._answers.poll()
        return found(self)

    return once_it_is_there


OPTIONS: list[dict[str, Any]] = [
    {},
    {"exclude": ("1.jpg", "/b/03", os.fsdecode(b"c\xff*"))},
    {"include": ("*.txt",)},
    {"ignore_ctime": True, "ignore_inode": True},
    {"one_file_system": True},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_shared_scan_gives_what_one_gives(tmp_path: Path, processes: list[Any], options: dict[str, Any]) -> None:
    wide(tmp_path)
    assert by_path(shared(tmp_path, **options)) == by_path(scan(tmp_path, **options))
    assert len(processes) == 1
    assert processes[0].returncode == 0


def test_troubles_are_told_by_both(tmp_path: Path, processes: list[Any], faults: Faults) -> None:
    wide(tmp_path)
    for name in ("00", "01", "02", "03"):  # what this process meets; the other one has the real disk
        faults.deny(name)
    walk = shared(tmp_path)
    list(walk)
    assert walk.troubles
    assert all(trouble.is_folder and trouble.kind == "permission" for trouble in walk.troubles)


def test_both_processes_list_folders(tmp_path: Path, processes: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    wide(tmp_path)
    listed: list[bytes] = []
    one = Scan.one

    def counted(self: Scan, path: bytes, only: str | None = None) -> Folder | None:
        listed.append(path)
        return one(self, path, only)

    monkeypatch.setattr(Scan, "one", counted)
    folders = by_path(shared(tmp_path))
    assert set(listed) < set(folders)


def test_a_folder_comes_after_the_one_above_it_whoever_lists_them(tmp_path: Path, processes: list[Any]) -> None:
    wide(tmp_path)
    put(tmp_path, {f"deep/{n}/a/b/{k}/1.jpg": b"" for n in range(6) for k in range(6)})
    paths = [folder.path for folder in shared(tmp_path)]
    assert all(os.path.dirname(path) in paths[:at] for at, path in enumerate(paths) if path)


def test_a_process_that_is_not_there_in_time_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: list[Any]
) -> None:
    """Not even if it never says a word."""
    wide(tmp_path)
    replaced(tmp_path, monkeypatch, "import time; time.sleep(600)")
    monkeypatch.setattr(sharing.Other, "found", REAL_FOUND)
    assert by_path(shared(tmp_path)) == by_path(scan(tmp_path))
    assert processes[0].returncode == -9


def test_a_link_that_may_lead_out_is_left_to_the_process_that_knows(tmp_path: Path, processes: list[Any]) -> None:
    wide(tmp_path)
    for n in range(12):
        (tmp_path / f"b/{n:02}/out.jpg").symlink_to("/etc/hostname")
    asked: list[bytes] = []

    def allowed() -> bool:
        asked.append(b"")
        return True

    def refuse(path: bytes) -> NoReturn:
        raise AssertionError(path)

    fence = Fence(os.fsencode(tmp_path), lambda: True, allowed, refuse)
    walk = shared_scan(os.fsencode(tmp_path), ScanOptions(), EXTENSIONS, under=b"", skip=(), expect=10**9, fence=fence)
    assert by_path(walk) == by_path(scan(tmp_path))
    assert len(asked) == 12


def test_where_there_are_ignore_files_both_tell_the_same(tmp_path: Path, processes: list[Any]) -> None:
    wide(tmp_path)
    for place in ("", "a/05/", "b/06/", "b/"):
        put(tmp_path, {f"{place}.vstoreignore": b"1.jpg\n"})
        walk, alone = shared(tmp_path), scan(tmp_path)
        assert by_path(walk) == by_path(alone)
        for path in (b"a/05/1.jpg", b"b/06/1.jpg", b"b/07/1.jpg", b"a/00/1.jpg"):
            assert walk.hides(path) == alone.hides(path)
        os.unlink(tmp_path / f"{place}.vstoreignore")


MEETS = "import marshal, sys, time\n" + (
    "def say(a): sys.stdout.buffer.write(len(a).to_bytes(8, 'little') + a); sys.stdout.buffer.flush()\n"
    "def take(): return marshal.load(sys.stdin.buffer)\n"
    "take(); say(marshal.dumps(([], [], []))); take()\n"
)


@pytest.mark.parametrize(
    "instead",
    [
        "raise SystemExit(3)",
        "import os; os.kill(os.getpid(), 9)",
        "import sys; sys.stdin.buffer.read(1)",
        "import sys; sys.stdin.buffer.read(1); print('no answer')",
        "import sys; sys.stdin.buffer.read(1); sys.stdout.write('[')",
        MEETS,
        MEETS + "print('no answer')",
        MEETS + "say(b'[')",
        MEETS + "say(marshal.dumps([1, 2, 3]))",
        MEETS + "say(marshal.dumps(([], [])))",
        MEETS + "take()",
    ],
)
def test_where_the_other_process_fails_this_one_does_all(
    tmp_path: Path, processes: list[Any], monkeypatch: pytest.MonkeyPatch, instead: str
) -> None:
    wide(tmp_path)
    script = tmp_path.with_name(tmp_path.name + ".sh")
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -c {shlex.quote(instead)}\n")
    script.chmod(0o755)
    monkeypatch.setattr("vstore.pictures.shared_scan.sys.executable", str(script))
    walk = shared(tmp_path)
    assert by_path(walk) == by_path(scan(tmp_path))
    assert walk.troubles == []
    assert [process.poll() is not None for process in processes] == [True]


def test_where_no_process_can_be_started_this_one_does_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide(tmp_path)
    monkeypatch.setattr("vstore.pictures.shared_scan.os.cpu_count", lambda: 2)
    monkeypatch.setattr("vstore.pictures.shared_scan.sys.executable", str(tmp_path / "no such python"))
    assert by_path(shared(tmp_path)) == by_path(scan(tmp_path))


def test_a_process_that_dies_before_it_has_read_what_to_do_is_no_error(
    tmp_path: Path, processes: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More names than a pipe holds."""
    put(tmp_path, {f"{'x' * 200}{n:03}/1.jpg": b"" for n in range(900)})
    monkeypatch.setattr("vstore.pictures.shared_scan.sys.executable", "/bin/false")
    assert len(by_path(shared(tmp_path))) == 901
    assert processes[0].returncode == 1


def test_small_scans_and_followed_links_are_not_shared(tmp_path: Path, processes: list[Any]) -> None:
    wide(tmp_path)
    assert len(by_path(shared(tmp_path, expect=sharing.SHARE_FROM - 1))) == 41
    assert len(by_path(shared(tmp_path, follow_symlinks=True))) == 41
    assert processes == []


def test_a_folder_whose_ignore_file_is_longer_than_any_is_not_listed(tmp_path: Path) -> None:
    """What it hides is not known: nothing of the folder is taken in, and nothing goes."""
    names = ["a.jpg", "d/b.jpg"]
    assert hidden_by(tmp_path, {"d/": b"#" * ((1 << 24) - 1) + b"\n"}, *names) == names
    assert hidden_by(tmp_path, {"d/": b"#" * (1 << 24) + b"\n"}, *names) == ["a.jpg"]


def wild(most: int, more: str = "") -> bytes:
    return "".join(f"x{n}{more}*\n" for n in range(most)).encode()


def test_a_folder_under_more_patterns_with_wildcards_than_a_name_is_held_against_is_not_listed(tmp_path: Path) -> None:
    """Those above a folder count, and those beside it do not."""
    names = ["a.jpg", "d/b.jpg", "d/e/c.jpg", "f/g.jpg"]
    half = MOST_WILD // 2
    ignore = {"d/": wild(half), "d/e/": wild(half, "e"), "f/": wild(MOST_WILD)}
    assert hidden_by(tmp_path, ignore, *names) == names
    assert hidden_by(tmp_path, {"d/e/": wild(half + 1, "e")}, *names) == ["a.jpg", "d/b.jpg", "f/g.jpg"]
    walk = scan(tmp_path)
    assert found(walk)
    (trouble,) = walk.troubles
    assert trouble.path == b"d/e" and "1,025 patterns with wildcards, more than 1,024" in trouble.reason
    assert hidden_by(tmp_path, {"d/e/": b"y\n" * 2_000, "": b"*.gif"}, *names) == ["a.jpg", "d/b.jpg", "d/e/c.jpg"]


def test_ignore_files_have_a_number_of_different_lines_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore.pictures.rules.MOST_LINES", 5)
    names = ["d/a.jpg", "e/b.jpg"]
    assert hidden_by(tmp_path, {"d/": b"1\n2\n3\n4\n", "e/": b"1\n2\n3\n5\n"}, *names) == names
    assert len(hidden_by(tmp_path, {"e/": b"1\n2\n5\n6\n"}, *names)) == 1


def test_options_with_too_many_wildcards_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    globs = [f"x{n}*" for n in range(MOST_WILD)]
    assert in_(tmp_path, exclude=globs) == ["a.jpg"]
    with pytest.raises(UsageError, match="1,025 patterns with wildcards"):
        in_(tmp_path, exclude=[*globs, "y*"])


def test_letter_case_is_watched_for_few_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "d/a.jpg", "e/b.jpg")
    put(tmp_path, {"d/.vstoreignore": b"A.jpg\nB.jpg\n", "e/.vstoreignore": b"B.jpg\n"})
    for most, faults in [(3, 2), (2, 1)]:
        monkeypatch.setattr("vstore.pictures.rules.MOST_WATCHED", most)
        walk = scan(tmp_path)
        assert len(found(walk)) == 2
        assert len(walk.faults) == faults


# Asked to stop

HANGS = MEETS + "time.sleep(600)"


def replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instead: str) -> None:
    """Let the other process run something else."""
    script = tmp_path.with_name(tmp_path.name + ".sh")
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -c {shlex.quote(instead)}\n")
    script.chmod(0o755)
    monkeypatch.setattr("vstore.pictures.shared_scan.sys.executable", str(script))


def test_a_walk_that_is_left_ends_the_other_process(
    tmp_path: Path, processes: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide(tmp_path)
    replaced(tmp_path, monkeypatch, HANGS)
    walk = iter(shared(tmp_path))
    while not processes:
        next(walk)
    walk.close()
    assert processes[0].returncode == -9


def test_a_walk_that_is_stopped_does_not_wait_for_the_other_process(
    tmp_path: Path, processes: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide(tmp_path)
    replaced(tmp_path, monkeypatch, HANGS)
    stop = threading.Event()
    walk = iter(shared(tmp_path, stop=stop))
    timer = threading.Timer(0.5, stop.set)
    with pytest.raises(Interrupted):
        for folder in walk:
            if processes and not timer.is_alive() and not stop.is_set():
                timer.start()
            assert folder
    assert processes[0].returncode == -9


@pytest.mark.parametrize("follow", [False, True])
def test_a_walk_that_is_stopped_ends_at_the_next_folder(tmp_path: Path, follow: bool) -> None:
    wide(tmp_path)
    stop = threading.Event()
    walk = iter(shared(tmp_path, stop=stop, follow_symlinks=follow))
    next(walk)
    stop.set()
    with pytest.raises(Interrupted):
        next(walk)
    with pytest.raises(Interrupted):
        list(shared(tmp_path, stop=stop, follow_symlinks=follow))
