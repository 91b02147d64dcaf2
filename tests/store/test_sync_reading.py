"""Which files a sync reads, how often, and when it trusts their stats."""

from __future__ import annotations

import errno
import os
import shutil
import time
from types import SimpleNamespace
from typing import Any

import pytest
from support.folders import FakeOs, Reads, World, classes, drawn, put

NS = 10**9


def at(monkeypatch: pytest.MonkeyPatch, now: int) -> None:
    """Let the reader's clock stand still at a time, in ns since 1970."""
    clock = SimpleNamespace(time_ns=lambda: now, **{n: getattr(time, n) for n in ("monotonic", "perf_counter")})
    monkeypatch.setattr("vstore.intake.reader.time", clock)


def write_in_place(world: World, name: str, data: bytes, mtime_ns: int) -> None:
    """Other bytes of the same length, in the same file, with the same mtime."""
    path = world.pictures / name
    before = path.stat()
    assert before.st_size == len(data)
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # where the clock ticks slowly
        with path.open("r+b") as file:
            file.write(data)
        os.utime(path, ns=(mtime_ns, mtime_ns))
    assert path.stat().st_ino == before.st_ino


def altered(found: os.stat_result, **fields: int) -> Any:
    """A stat that says something else of some fields."""
    seen = {name: getattr(found, name) for name in dir(found) if name.startswith("st_")}
    return SimpleNamespace(**{**seen, **fields})


def twins() -> tuple[bytes, bytes]:
    """Two pictures of one length."""
    one, other = drawn(1), drawn(2)
    size = max(len(one), len(other))
    return one.ljust(size, b"\0"), other.ljust(size, b"\0")  # what follows the end of a PNG is nobody's business


# What is opened


def test_what_is_no_candidate_is_never_opened(settled: World, reads: Reads) -> None:
    settled.put(
        {
            "a.png": 1, "b.JPeG": 2, "c.heic.txt": 3, "noext": 4, "d.pngx": 5, ".hidden.png": 6, ".dir/e.png": 7,
            "@eaDir/f.png": 8, "x/@eaDir/g.png": 9, ".png": 10, "x/.thumbs/h.png": 11, "x/i.webp": 12,
        }
    )  # fmt: skip
    report = settled.sync()
    assert sorted(os.path.basename(path) for path in reads.opened) == ["a.png", "b.JPeG", "i.webp"]
    assert (classes(report), report.ignored) == ({"new": 3}, 3)


def test_what_is_excluded_is_never_opened(settled: World, reads: Reads) -> None:
    settled.put({"a.png": 1, "raw/b.png": 2, "c.tmp.png": 3, "keep.tmp.png": 4})
    report = settled.sync(exclude=["raw/", "*.tmp.png", "!keep.tmp.png"])
    assert (classes(report), len(reads.opened)) == ({"new": 2}, 2)


def test_pictures_that_are_known_are_not_opened_again(settled: World, reads: Reads) -> None:
    settled.put({f"{number}.png": number for number in range(10)})
    settled.sync()
    reads.clear()
    settled.put({"new.png": 100})
    settled.sync()
    assert [os.path.basename(path) for path in reads.opened] == ["new.png"]


def test_a_folder_of_thousands_is_remembered_in_parts_of_a_thousand(settled: World, reads: Reads) -> None:
    small = {f"{number:04d}.png": 1 for number in range(2500)}
    settled.put({**small, "1234.png": 2})
    assert classes(settled.sync()) == {"new": 2, "copied": 2498}
    reads.clear()
    assert (classes(settled.sync()), reads.opened) == ({"unchanged": 2500}, [])
    settled.put({"0007.png": 3, "new.png": 4})
    (settled.pictures / "2222.png").unlink()
    report = settled.sync()
    assert classes(report) == {"unchanged": 2498, "changed": 1, "new": 1, "removed": 1}
    assert sorted(os.path.basename(path) for path in reads.opened) == ["0007.png", "new.png"]
    for number in range(1000, 2500):
        (settled.pictures / f"{number:04d}.png").unlink(missing_ok=True)
    reads.clear()
    report = settled.sync()
    assert (classes(report), reads.opened) == ({"unchanged": 1001, "removed": 1499}, [])
    assert len(settled.paths()) == 1001
    assert settled.sync().snapshot is None


# The racy rule


def test_a_stat_is_trusted_if_its_ctime_was_two_seconds_old_when_the_file_was_read(
    world: World, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put({"a.png": 1})
    ctime = (world.pictures / "a.png").stat().st_ctime_ns

    def opened(now: int) -> int:
        at(monkeypatch, now)
        reads.clear()
        world.sync()
        return len(reads.opened)

    assert opened(ctime + 2 * NS - 1) == 1
    assert opened(ctime + 2 * NS - 1) == 1, "whoever edited it then may have left no trace in its stat"
    assert opened(ctime + 900 * NS) == 1, "it was too young at that reading, however old it is at this one"
    assert opened(ctime + 900 * NS) == 0

    world.put({"b.png": 2})
    ctime = (world.pictures / "b.png").stat().st_ctime_ns
    assert opened(ctime + 2 * NS) == 1
    assert opened(ctime + 2 * NS) == 0


def test_a_file_edited_twice_within_a_clock_tick_is_read_again(
    world: World, faulty: FakeOs, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = time.time_ns()
    faulty.alter = lambda name, found: altered(found, st_ctime_ns=tick)
    at(monkeypatch, tick + NS)
    first, second = twins()
    world.put({"a.png": first})
    mtime = (world.pictures / "a.png").stat().st_mtime_ns
    world.sync()
    write_in_place(world, "a.png", second, mtime)
    report = world.sync()
    assert (classes(report), world.aliases()) == ({"changed": 1}, {"pictures/a.png": world.key(second)})


def test_an_mtime_in_the_future_hides_no_edit(world: World, reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    future = time.time_ns() + 10**9 * NS
    first, second = twins()
    world.put({"a.png": first})
    os.utime(world.pictures / "a.png", ns=(future, future))
    at(monkeypatch, (world.pictures / "a.png").stat().st_ctime_ns + 2 * NS)
    world.sync()
    reads.clear()
    assert (classes(world.sync()), reads.opened) == ({"unchanged": 1}, []), "its ctime says when it was touched"
    write_in_place(world, "a.png", second, future)
    assert classes(world.sync()) == {"changed": 1}


def test_where_ctimes_are_ignored_an_mtime_in_the_future_is_never_trusted(world: World, reads: Reads) -> None:
    future = time.time_ns() + 10**9 * NS
    first, second = twins()
    world.put({"a.png": first})
    os.utime(world.pictures / "a.png", ns=(future, future))
    world.sync(ignore_ctime=True)
    for _ in range(2):
        reads.clear()
        assert (classes(world.sync()), len(reads.opened)) == ({"unchanged": 1}, 1)
    write_in_place(world, "a.png", second, future)
    assert classes(world.sync()) == {"changed": 1}


def test_a_ctime_in_the_future_is_not_trusted(world: World, reads: Reads, faulty: FakeOs) -> None:
    future = time.time_ns() + 10**9 * NS  # the clock was set back since
    faulty.alter = lambda name, found: altered(found, st_ctime_ns=future)
    first, second = twins()
    world.put({"a.png": first})
    world.sync()
    write_in_place(world, "a.png", second, (world.pictures / "a.png").stat().st_mtime_ns)
    assert classes(world.sync()) == {"changed": 1}


# Files that change under the reader


def test_a_file_that_changes_while_it_is_read_is_read_once_more(settled: World, faulty: FakeOs) -> None:
    settled.put({"a.png": 1})
    edits = iter([lambda: settled.put({"a.png": drawn(1) + b"more"})])
    faulty.between = lambda: next(edits, lambda: None)()
    report = settled.sync()
    assert (classes(report), settled.aliases()) == ({"new": 1}, {"pictures/a.png": settled.key(drawn(1) + b"more")})


def test_a_file_that_changes_each_time_it_is_read_keeps_its_alias_and_is_reported(
    settled: World, faulty: FakeOs
) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"a.png": 2})
    faulty.between = lambda: settled.put({"a.png": 2})
    report = settled.sync()
    assert (classes(report), report.snapshot) == ({"carried": 1, "failed": 1}, None)
    [failure] = report.failed
    assert (failure.kind, failure.reason, failure.known) == ("io", "it changed while it was being read", False)
    faulty.between = lambda: None
    assert classes(settled.sync()) == {"changed": 1}


def test_a_file_that_grows_or_shrinks_while_it_is_read_is_never_taken_for_what_was_half_read(
    settled: World, faulty: FakeOs
) -> None:
    for after in (drawn(1) + b"more", drawn(1)[:-1]):
        settled.put({"a.png": 1})
        edits = iter([lambda after=after: settled.put({"a.png": after})])
        faulty.between = lambda edits=edits: next(edits, lambda: None)()
        settled.sync()
        assert settled.aliases() == {"pictures/a.png": settled.key(after)}


def test_a_picture_replaced_while_it_is_read_is_read_again_by_the_next_sync(settled: World, faulty: FakeOs) -> None:
    settled.put({"a.png": 1})
    put(settled.top, {"other.png": 2})
    edits = iter([lambda: os.replace(settled.top / "other.png", settled.pictures / "a.png")])
    faulty.between = lambda: next(edits, lambda: None)()
    settled.sync()
    assert settled.aliases()["pictures/a.png"] in (settled.key(1), settled.key(2))
    settled.sync()
    assert settled.aliases()["pictures/a.png"] == settled.key(2)


def test_a_picture_edited_between_scan_and_reading_is_read_again_by_the_next_sync(settled: World, reads: Reads) -> None:
    settled.put({"a.png": 1})
    reads.at_opening["a.png", 1] = lambda: settled.put({"a.png": 2})
    settled.sync()
    assert settled.aliases()["pictures/a.png"] == settled.key(2)
    reads.clear()
    assert (classes(settled.sync()), len(reads.opened)) == ({"unchanged": 1}, 1)
    reads.clear()
    assert (classes(settled.sync()), len(reads.opened)) == ({"unchanged": 1}, 0)


def test_a_file_whose_place_something_else_took_is_gone(settled: World, reads: Reads) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    settled.put({"a.png": 3})

    def exchange() -> None:
        (settled.pictures / "a.png").unlink()
        os.mkfifo(settled.pictures / "a.png")

    reads.at_opening["a.png", 2] = exchange
    assert classes(settled.sync()) == {"unchanged": 1, "removed": 1}


# Files that are too large


def test_a_file_that_is_too_large_is_listed_and_not_opened(settled: World, reads: Reads) -> None:
    settled.put({"a.png": 1, "large.png": drawn(2) + bytes(5000)})
    report = settled.sync(max_file_size=5000)
    assert classes(report) == {"new": 1, "failed": 1}
    [failure] = report.failed
    assert (failure.path, failure.kind, failure.known) == (b"pictures/large.png", "too_large", False)
    assert "5000 bytes" in failure.reason
    assert [os.path.basename(path) for path in reads.opened] == ["a.png"]


def test_it_is_known_to_the_next_sync_and_read_by_one_with_a_higher_limit(settled: World) -> None:
    settled.put({"a.png": 1, "large.png": drawn(2) + bytes(5000)})
    settled.sync(max_file_size=5000)
    assert [failure.known for failure in settled.sync(max_file_size=5000).failed] == [True]
    assert classes(settled.sync()) == {"unchanged": 1, "new": 1}
    settled.put({"large.png": drawn(3) + bytes(6000)})
    assert [failure.known for failure in settled.sync(max_file_size=5000).failed] == [False]


def test_a_file_that_grew_too_large_keeps_its_alias(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    settled.put({"a.png": drawn(1) + bytes(5000)})
    assert classes(settled.sync(max_file_size=5000)) == {"unchanged": 1, "carried": 1, "failed": 1}
    assert settled.aliases()["pictures/a.png"] == settled.key(1)


def test_one_that_grew_too_large_since_it_was_listed_is_not_read(settled: World, reads: Reads) -> None:
    settled.put({"a.png": 1})
    reads.at_opening["a.png", 1] = lambda: settled.put({"a.png": drawn(1) + bytes(5000)})
    report = settled.sync(max_file_size=5000)
    assert [failure.kind for failure in report.failed] == ["too_large"]


# Links, disks, and file systems that make things up


def test_a_symlinked_file_is_read_as_what_it_names(settled: World) -> None:
    put(settled.top, {"elsewhere/real.png": 1, "elsewhere/words.txt": b""})
    settled.put({"plain.png": 2})
    (settled.pictures / "link.png").symlink_to(settled.top / "elsewhere/real.png")
    (settled.pictures / "broken.png").symlink_to(settled.top / "nowhere.png")
    (settled.pictures / "folder.png").symlink_to(settled.top / "elsewhere")
    assert classes(settled.sync()) == {"new": 2}
    assert settled.aliases()["pictures/link.png"] == settled.key(1)
    put(settled.top, {"elsewhere/real.png": 3})
    assert classes(settled.sync()) == {"unchanged": 1, "changed": 1}
    put(settled.top, {"elsewhere/real.png": 4})
    assert classes(settled.sync(settled.pictures / "link.png")) == {"changed": 1}
    (settled.top / "elsewhere/real.png").unlink()
    assert classes(settled.sync()) == {"unchanged": 1, "removed": 1}


def test_a_symlinked_folder_is_entered_only_if_asked_for(settled: World) -> None:
    put(settled.top, {"elsewhere/real.png": 1, "elsewhere/deep/b.png": 2})
    settled.put({"plain.png": 3})
    (settled.pictures / "link").symlink_to(settled.top / "elsewhere")
    assert classes(settled.sync()) == {"new": 1}
    assert classes(settled.sync(follow_symlinks=True)) == {"unchanged": 1, "new": 2}
    assert settled.paths() == ["pictures/link/deep/b.png", "pictures/link/real.png", "pictures/plain.png"]
    assert classes(settled.sync()) == {"unchanged": 3}, "it is kept with the root"
    put(settled.top, {"elsewhere/deep/b.png": 4, "elsewhere/real.png": 5})
    assert classes(settled.sync(settled.pictures / "link/deep")) == {"changed": 1}
    assert classes(settled.sync(settled.pictures / "link")) == {"unchanged": 1, "changed": 1}
    assert classes(settled.sync(follow_symlinks=False)) == {"unchanged": 1, "removed": 2}


def test_links_never_lead_in_a_circle(settled: World) -> None:
    settled.put({"a.png": 1, "x/b.png": 2})
    (settled.pictures / "x/up").symlink_to(settled.pictures)
    (settled.pictures / "x/self").symlink_to(settled.pictures / "x")
    (settled.pictures / "round.png").symlink_to("round.png")
    assert classes(settled.sync(follow_symlinks=True)) == {"new": 2}
    assert settled.paths() == ["pictures/a.png", "pictures/x/b.png"]
    assert settled.sync().snapshot is None


def test_a_hard_link_is_a_copy(settled: World) -> None:
    settled.put({"a.png": 1})
    os.link(settled.pictures / "a.png", settled.pictures / "b.png")
    report = settled.sync()
    assert (classes(report), report.embedded) == ({"new": 1, "copied": 1}, 1)


def test_with_one_file_system_other_disks_are_not_entered(settled: World, faulty: FakeOs) -> None:
    settled.put({"a.png": 1, "mounted/b.png": 2})

    def other_disk(name: str, found: os.stat_result) -> Any:
        return altered(found, st_dev=found.st_dev + 1) if found.st_ino == mounted else found

    mounted = (settled.pictures / "mounted").stat().st_ino
    faulty.alter = other_disk
    assert classes(settled.sync()) == {"new": 2}
    assert classes(settled.sync(one_file_system=True)) == {"unchanged": 1, "removed": 1}
    assert classes(settled.sync()) == {"unchanged": 1}, "it is kept with the root"
    assert classes(settled.sync(one_file_system=False)) == {"unchanged": 1, "known": 1}


def test_inodes_that_are_made_up_can_be_ignored(settled: World, faulty: FakeOs) -> None:
    made_up = iter(range(10**6, 10**9))
    opened: list[str] = []
    faulty.alter = lambda name, found: altered(found, st_ino=next(made_up)) if name else found
    faulty.between = lambda: opened.append("")
    settled.put({"a.png": 1})
    settled.sync()
    settled.sync()
    assert len(opened) == 2, "another inode may be another file"
    settled.sync(ignore_inode=True)
    opened.clear()
    assert (classes(settled.sync()), opened) == ({"unchanged": 1}, [])
    settled.put({"a.png": 2})
    assert classes(settled.sync()) == {"changed": 1}


def test_ctimes_that_are_made_up_can_be_ignored(settled: World, faulty: FakeOs) -> None:
    made_up = iter(range(10**6, 10**9))
    opened: list[str] = []
    faulty.alter = lambda name, found: altered(found, st_ctime_ns=next(made_up)) if name else found
    faulty.between = lambda: opened.append("")
    settled.put({"a.png": 1})
    settled.sync()
    settled.sync()
    assert len(opened) == 2
    settled.sync(ignore_ctime=True)
    opened.clear()
    assert (classes(settled.sync()), opened) == ({"unchanged": 1}, [])
    settled.put({"a.png": 2})
    assert classes(settled.sync()) == {"changed": 1}


def test_a_copy_that_kept_its_times_is_another_file_unless_that_is_ignored(settled: World) -> None:
    first, second = twins()
    settled.put({"a.png": first})
    settled.sync(ignore_ctime=True)
    put(settled.top, {"b.png": second})
    shutil.copystat(settled.pictures / "a.png", settled.top / "b.png")
    os.replace(settled.top / "b.png", settled.pictures / "a.png")
    assert classes(settled.sync()) == {"changed": 1}, "its inode is another one"


# Errors of the disk


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOMEM])
def test_a_file_that_breaks_off_while_it_is_read_is_reported_and_not_remembered(
    settled: World, faulty: FakeOs, code: int
) -> None:
    settled.put({"a.png": 1})

    def breaks() -> None:
        raise OSError(code, os.strerror(code))

    faulty.between = breaks
    [failure] = settled.sync().failed
    assert (failure.kind, failure.known) == ("io", False)
    [failure] = settled.sync().failed
    assert not failure.known
    faulty.between = lambda: None
    assert classes(settled.sync()) == {"new": 1}
