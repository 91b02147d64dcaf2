"""Vectors are read again in turn by syncs, and rot that hides a picture is found within thirty days."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.folders import ENVIRONMENT, World, trust_young_stats
from support.rotten import rot

from vstore import clock
from vstore.disk import durable
from vstore.disk.believed import believed
from vstore.disk.row_sums import row_sums_name
from vstore.disk.segments import Segment
from vstore.disk.turn import DAY, stretches
from vstore.errors import Damage
from vstore.search import views
from vstore.search.query import Operand
from vstore.store import Store
from vstore.sync import read_again

START = 1_900_000_000
PICTURES = 60


class Aged(World):
    """A store whose space counts as a large one, and whose clock is set by hand."""

    now = START

    def segments(self) -> list[Segment]:
        repo = self.repo
        (space,) = repo.state.spaces
        return [repo.segment(ref) for ref in repo.state.segments(space)]

    def found(self, picture: int) -> list[bytes]:
        """Search as another process would."""
        with self.another() as store:
            report = store.search([Operand(1.0, image=os.fsencode(self.pictures / f"{picture}.png"))], k=1)
        return [path for hit in report.hits for path in hit.paths]

    def place(self, picture: int) -> tuple[Segment, int]:
        """Find the row of a picture."""
        key = bytes.fromhex(self.key(picture))
        return next((one, one.key_list().index(key)) for one in self.segments() if key in one.key_list())

    def times(self) -> list[int]:
        """Tell when each row was last read."""
        refs = [one.ref for one in self.segments()]
        return [one.at for one in stretches(self.folder / "cache", refs, self.now) for _ in range(one.first, one.end)]

    def day(self, count: float = 1) -> None:
        """Let days pass, and sync."""
        self.now += int(count * DAY)
        self.all()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Aged:
    trust_young_stats(monkeypatch)
    monkeypatch.setattr(views, "REMEMBERED_FROM", 1)
    monkeypatch.setattr(read_again, "SHARE", 1000.0)  # tests that bound the time set it themselves
    world = Aged(tmp_path)
    monkeypatch.setattr(clock, "seconds", lambda: world.now)
    world.put({f"{number}.png": number for number in range(PICTURES // 2)})
    world.sync()
    world.put({f"{number}.png": number for number in range(PICTURES // 2, PICTURES)})
    world.sync()
    assert world.found(3) == [b"pictures/3.png"]
    return world


def test_each_row_is_read_again_within_thirty_days_a_little_every_day(world: Aged) -> None:
    assert world.times() == [START] * PICTURES
    for day in range(1, 46):
        before = world.times()
        world.day()
        after = world.times()
        assert 1 <= sum(new > old for old, new in zip(before, after, strict=True)) <= 6
        assert world.now - min(after) <= 30 * DAY, day
        world.all()
        assert world.times() == after, "nothing is due a moment later"


@pytest.mark.parametrize("picture", [0, 17, PICTURES - 1])
def test_rot_that_hides_a_picture_is_found_within_thirty_days(world: Aged, picture: int) -> None:
    world.day()
    segment, row = world.place(picture)
    rot(segment, row, world.folder / "cache", byte=1, bits=0x80)  # the sign of a number
    other = (picture + 1) % PICTURES
    assert world.found(other) == [f"pictures/{other}.png".encode()]
    with pytest.raises(Damage, match=segment.ref.name) as caught:
        for _ in range(30):
            world.day()
    assert caught.value.exit_code == 4 and caught.value.next_step == "run: vstore repair"
    # From then on each search and each sync says so, until it is repaired.
    with pytest.raises(Damage, match=segment.ref.name):
        world.found(other)
    for _ in range(2):
        with pytest.raises(Damage, match=segment.ref.name):
            world.all()
    Store.repair(world.folder, load_embedder=world.load)
    assert world.found(picture) == [f"pictures/{picture}.png".encode()]
    world.all()
    world.day(40)
    assert set(world.times()) == {world.now}


def test_the_work_of_the_sync_that_finds_rot_is_kept(world: Aged) -> None:
    segment, row = world.place(5)
    rot(segment, row, world.folder / "cache")
    world.put({"new.png": 1000})
    world.now += 31 * DAY
    with pytest.raises(Damage, match=f"{segment.ref.name}.*whose work is kept"):
        world.all()
    assert b"pictures/new.png" in map(os.fsencode, world.paths())
    assert world.repo.snapshot("current").name == "v3"
    assert sum(at == 0 for at in world.times()) == PICTURES // 2, "its piece was not proved; the rest was read"


def test_all_damaged_segments_are_found_and_counted(world: Aged) -> None:
    for picture in (5, PICTURES - 5):
        segment, row = world.place(picture)
        rot(segment, row, world.folder / "cache")
    world.now += 31 * DAY
    with pytest.raises(Damage, match="and so is 1 more"):
        world.all()
    assert believed(world.folder / "cache") == {}


def test_a_store_that_is_rarely_synced_reads_all_at_once(world: Aged) -> None:
    world.day(100)
    assert world.times() == [world.now] * PICTURES


def test_no_more_time_is_taken_than_a_share_of_the_sync(world: Aged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_again, "SHARE", 0.0)
    world.day(100)
    assert world.times() == [START] * PICTURES
    assert not (world.folder / "cache" / "turn").exists()
    # Each look at the clock takes a second of a sync that took 100: after its share of 5 the reading ends.
    monkeypatch.setattr(read_again, "SHARE", 0.05)
    monkeypatch.setattr(read_again, "_PIECE", 1)
    ticks = iter(range(10_000))
    monkeypatch.setattr(read_again.time, "perf_counter", lambda: float(next(ticks)))
    read_again.read_again(world.repo, took=100.0, is_stopped=lambda: False)
    assert 0 < sum(at == world.now for at in world.times()) <= 5
    assert read_again.SHARE == 0.05


def test_an_interrupted_sync_reads_nothing_more(world: Aged) -> None:
    stop = threading.Event()
    stop.set()
    world.now += 100 * DAY
    world.sync(stop=stop)
    assert world.times() == [START] * PICTURES


def test_what_was_not_due_for_want_of_time_is_due_later(world: Aged, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(read_again, "SHARE", 0.0)
        for _ in range(20):
            world.day()
    world.day()
    assert sum(at == world.now for at in world.times()) == 42  # 21 of 30 days


def test_stats_tells_when_the_rows_that_were_unread_for_longest_were_read(world: Aged) -> None:
    size = sum(one.ref.size for one in world.segments())
    report = world.store.stats()
    assert (report.in_turn, report.oldest_reading) == (size, START)
    world.day(10)
    assert world.store.stats().oldest_reading == START
    world.day(20)
    assert world.store.stats().oldest_reading == START + 10 * DAY
    (world.folder / "cache" / "turn").unlink()
    (world.folder / "cache" / "verified").unlink()
    report = world.store.stats()
    assert (report.in_turn, report.oldest_reading) == (size, None)


def test_small_spaces_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Aged(tmp_path)
    monkeypatch.setattr(clock, "seconds", lambda: world.now)
    world.put({"0.png": 0})
    world.sync()
    assert world.found(0) == [b"pictures/0.png"]
    segment, row = world.place(0)
    rot(segment, row, world.folder / "cache")
    world.day(100)  # the next search reads it whole
    assert (world.store.stats().in_turn, world.store.stats().oldest_reading) == (0, None)
    assert not {"turn", "checked", "verified", row_sums_name(segment.ref.name)} & set(
        os.listdir(world.folder / "cache")
    )


def test_a_full_check_counts_as_a_reading(world: Aged) -> None:
    world.now += 31 * DAY
    assert world.store.check(read_data=True).ok
    assert world.times() == [world.now] * PICTURES
    world.day(1)
    assert sum(at == world.now for at in world.times()) == 2


def test_without_row_sums_the_next_search_reads_the_segment_whole(world: Aged) -> None:
    first, _ = world.segments()
    (world.folder / "cache" / row_sums_name(first.ref.name)).unlink()
    world.day(100)
    assert world.times() == [START] * 30 + [world.now] * 30
    assert world.found(3) == [b"pictures/3.png"]
    assert world.times() == [world.now] * PICTURES


def test_false_row_sums_are_no_damage(world: Aged) -> None:
    first, _ = world.segments()
    file = world.folder / "cache" / row_sums_name(first.ref.name)
    data = file.read_bytes()
    file.write_bytes(data[:16] + bytes(len(data) - 16))
    world.day(100)
    assert world.times() == [world.now] * PICTURES
    assert not file.exists()


def test_a_cache_that_is_removed_starts_afresh(world: Aged) -> None:
    world.day(10)
    for path in (world.folder / "cache").iterdir():
        path.unlink()
    world.day(10)
    assert world.times() == []
    assert world.found(3) == [b"pictures/3.png"]
    assert world.times() == [world.now] * PICTURES


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def another_footer(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-128] + bytes(128))


def another_segment(path: Path) -> None:
    other = next(one for one in path.parent.iterdir() if one.suffix == ".faiss" and one != path)
    path.write_bytes(other.read_bytes())


@pytest.mark.parametrize("harm", [cut, another_footer, another_segment])
def test_a_segment_that_is_no_more_what_the_log_names_is_damage(world: Aged, harm: Callable[[Path], None]) -> None:
    segment, _ = world.place(0)
    harm(segment.path)
    world.now += 31 * DAY
    with pytest.raises(Damage, match=segment.ref.name):
        read_again.read_again(world.repo, took=1.0, is_stopped=lambda: False)


def test_a_block_that_the_disk_does_not_give_back_is_damage(world: Aged, monkeypatch: pytest.MonkeyPatch) -> None:
    segment, _ = world.place(0)
    inode, pread = segment.path.stat().st_ino, durable.disk.pread

    def failing(fd: int, size: int, offset: int) -> bytes:
        if os.fstat(fd).st_ino == inode and offset == segment.footer.header:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(fd, size, offset)

    monkeypatch.setattr(durable.disk, "pread", failing)
    world.now += 31 * DAY
    with pytest.raises(Damage, match=f"{segment.ref.name} cannot be read"):
        world.all()
    assert world.times().count(world.now) == PICTURES // 2, "the other segment is read all the same"
    monkeypatch.setattr(durable.disk, "pread", pread)
    world.all()  # the disk has recovered
    assert world.times() == [world.now] * PICTURES


def test_a_segment_that_is_gone_is_damage(world: Aged) -> None:
    segment, _ = world.place(0)
    repo = world.repo
    segment.path.unlink()
    world.now += 31 * DAY
    with pytest.raises(Damage, match=f"{segment.ref.name} is missing"):
        read_again.read_again(repo, took=1.0, is_stopped=lambda: False)


def test_gc_removes_the_row_sums_of_segments_that_went(world: Aged) -> None:
    segments = world.segments()
    for number in range(PICTURES // 2):
        (world.pictures / f"{number}.png").unlink()
    world.sync(allow_mass_delete=True)
    world.store.snapshot_forget(snaps=["v1", "v2"])
    world.store.gc(drop_unnamed=True)
    (left,) = world.segments()
    assert left.ref == segments[1].ref
    names = set(os.listdir(world.folder / "cache"))
    assert row_sums_name(left.ref.name) in names and row_sums_name(segments[0].ref.name) not in names
    world.day(100)
    assert world.times() == [world.now] * (PICTURES // 2)


SEARCH = """
import sys
from vstore.search import views
from vstore.search.query import Operand
from vstore.store import Store
from vstore.store import Store
views.REMEMBERED_FROM = 1
with Store(sys.argv[1]) as store:
    for _ in range(5):
        (hit,) = store.search([Operand(1.0, image=sys.argv[2].encode())], k=1).hits
        print(*hit.paths)
"""


def test_searches_in_other_processes_and_a_sync_do_not_disturb_each_other(world: Aged) -> None:
    for path in (world.folder / "cache").iterdir():
        path.unlink()
    words = [sys.executable, "-c", SEARCH, str(world.folder), str(world.pictures / "7.png")]
    searches = [
        subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    while any(search.poll() is None for search in searches):
        world.day(3)
    for search in searches:
        out, err = search.communicate()
        assert (out.splitlines(), err) == (["b'pictures/7.png'"] * 5, "")
    assert set(believed(world.folder / "cache")) == {one.ref.name for one in world.segments()}
    world.day(100)
    assert world.times() == [world.now] * PICTURES
