"""What a sync publishes, whole or in part, and what becomes of it where the store moved on meanwhile."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.failing_disks import Watched, disk  # noqa: F401
from support.folders import Reads, World, classes, during, put, stats_of

from vstore.errors import CommitRace, DiskTrouble, Interrupted, Locked, ModelError, NothingToUndo, Refused
from vstore.progress import Silent
from vstore.repository import repository
from vstore.store import Store
from vstore.sync.memory import Memory
from vstore.sync.options import Options
from vstore.sync.report import SyncReport


@pytest.fixture
def single(settled: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose pictures are embedded one by one."""
    monkeypatch.setattr("vstore.intake.lazy_model.BATCH", 1)
    return settled


def operations(world: World) -> list[str]:
    return [row.op for row in reversed(world.store.log())]


def stopped(world: World, batch: int, *paths: object, **options: object) -> SyncReport:
    """A sync that is asked to stop while the nth batch from now on is being embedded."""
    stop = threading.Event()
    during(world.fake, stop.set, world.fake.calls + batch)
    report = world.sync(*paths, stop=stop, **options)
    assert stop.is_set()
    return report


# Snapshots


def test_a_snapshot_says_what_it_holds(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 1, "c.png": 2})
    report = settled.sync(message="holiday")
    [row] = settled.store.snapshot_list()
    assert (row.snapshot, row.paths, row.images, row.message, row.partial) == ("v1", 3, 2, "holiday", False)
    assert (report.snapshot, report.id, report.paths, report.images) == ("v1", row.id, 3, 2)
    assert (row.parent, report.parent) == (None, None)


def test_where_nothing_changed_no_snapshot_is_written_and_the_report_says_so(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    report = settled.sync(message="again")
    assert (report.snapshot, report.current, report.parent) == (None, "v1", None)
    assert operations(settled) == ["init", "sync"]


def test_equal_states_have_equal_ids_whatever_came_between(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    (settled.pictures / "a.png").rename(settled.pictures / "z.png")
    settled.sync()
    (settled.pictures / "z.png").rename(settled.pictures / "a.png")
    settled.sync()
    rows = {row.snapshot: row.id for row in settled.store.snapshot_list()}
    assert rows["v1"] == rows["v3"] != rows["v2"]


def test_an_option_that_hides_nothing_is_kept_without_a_snapshot(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    assert settled.sync(exclude=["nothing"]).snapshot is None
    assert settled.repo.state.roots["pictures"].options["exclude"] == ["nothing"]
    assert operations(settled) == ["init", "sync", "sync"]


def test_status_writes_nothing_takes_no_lock_and_says_what_a_sync_does(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2, "c.png": 3, "d.png": 4})
    settled.sync()
    settled.put({"a.png": 5, "copy.png": 2, "new.png": 6})
    (settled.pictures / "c.png").rename(settled.pictures / "z.png")
    (settled.pictures / "d.png").unlink()
    before = stats_of(settled.folder)
    with settled.repo.lock("ingest") as lock:
        lock.acquire(0.0, "a test")
        look = settled.status()
    assert stats_of(settled.folder) == before
    assert (look.dry_run, look.snapshot, look.to_embed) == (True, None, 2)
    report = settled.sync()
    assert classes(look) == classes(report)
    assert (look.paths, look.images) == (report.paths, report.images) == (5, 4)
    assert look.examples == report.examples


def test_status_works_where_syncs_are_held_and_says_so(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.store.rollback("v1", hold=True)
    settled.put({"b.png": 2})
    look = settled.status()
    assert (classes(look), look.held) == ({"unchanged": 1, "new": 1}, "v1")


# Partial snapshots


def test_a_run_that_is_stopped_commits_what_it_has_and_the_next_one_completes_it(single: World) -> None:
    single.put({f"{number}.png": number for number in range(5)})
    report = stopped(single, batch=2)
    assert (report.snapshot, report.partial, report.interrupted, report.embedded) == ("v1", True, True, 2)
    assert len(single.paths()) == report.paths == 2
    report = single.sync()
    assert (report.snapshot, report.partial, report.embedded, report.parent) == ("v2", False, 3, "v1")
    assert classes(report) == {"unchanged": 2, "new": 3}


def test_pictures_that_a_partial_run_did_not_reach_keep_their_alias_or_are_absent(single: World) -> None:
    single.put({f"{number}.png": number for number in range(6)})
    single.sync()
    before = single.aliases()
    single.put({f"{number}.png": 100 + number for number in range(4)})
    single.put({"new1.png": 200, "new2.png": 201})
    (single.pictures / "4.png").unlink()
    (single.pictures / "5.png").rename(single.pictures / "z.png")
    report = stopped(single, batch=2)
    assert report.partial
    after = single.aliases()
    assert before.keys() <= after.keys(), "no path is removed until every candidate has been hashed"
    new = {f"pictures/{n}.png": single.key(100 + n) for n in range(4)}
    new |= {"pictures/new1.png": single.key(200), "pictures/new2.png": single.key(201)}
    new |= {"pictures/z.png": single.key(5)}
    assert all(key in (before.get(path), new.get(path)) for path, key in after.items())
    assert sum(key == new.get(path) and path != "pictures/z.png" for path, key in after.items()) == 2
    single.sync()
    assert single.aliases() == new


def test_a_file_that_does_not_decode_keeps_its_alias_in_a_partial_snapshot(single: World) -> None:
    single.put({"a.png": 1, "b.png": 2})
    single.sync()
    single.put({"a.png": b"garbage", **{f"new{number}.png": 10 + number for number in range(5)}})
    # Until all is hashed nobody knows whether the picture of a.png has another name now.
    assert stopped(single, batch=4).partial
    assert single.aliases()["pictures/a.png"] == single.key(1)
    single.sync()
    assert "pictures/a.png" not in single.aliases()


def test_a_long_run_commits_partial_snapshots_on_the_way(single: World) -> None:
    single.put({"a.png": 1, "gone.png": 2})
    single.sync()
    (single.pictures / "gone.png").unlink()
    single.put({f"new{number}.png": 10 + number for number in range(3)})
    report = single.sync(commit_every=-1.0)
    assert classes(report) == {"unchanged": 1, "new": 3, "removed": 1}
    assert (report.snapshot, report.partial, report.embedded) == ("v5", False, 3)
    rows = {row.snapshot: (row.partial, row.paths, row.parent) for row in single.store.snapshot_list()}
    assert rows == {
        "v1": (False, 2, None),
        "v2": (True, 3, "v1"),
        "v3": (True, 4, "v2"),
        "v4": (True, 5, "v3"),
        "v5": (False, 4, "v4"),
    }
    assert "pictures/gone.png" in single.paths("v4")


def test_a_run_that_came_to_its_end_leaves_a_whole_snapshot_even_if_its_last_partial_one_held_all(
    single: World,
) -> None:
    single.put({"a.png": 1, "b.png": 2})
    report = single.sync(commit_every=-1.0)
    assert (report.snapshot, report.partial, report.paths) == ("v3", False, 2)
    rows = {row.snapshot: (row.partial, row.id) for row in single.store.snapshot_list()}
    assert rows["v2"][1] == rows["v3"][1]
    assert (rows["v2"][0], rows["v3"][0]) == (True, False)
    assert single.sync().snapshot is None


def test_half_an_hour_passes_between_partial_snapshots() -> None:
    assert Options().commit_every == 30 * 60


def test_an_error_after_a_partial_snapshot_leaves_that_and_the_next_run_completes_it(single: World) -> None:
    single.put({f"{number}.png": number for number in range(5)})

    def fails() -> None:
        raise ModelError("the model fell over")

    during(single.fake, fails, batch=4)
    with pytest.raises(ModelError):
        single.sync(commit_every=-1.0)
    assert (len(single.paths()), single.repo.snapshot("current").partial) == (3, True)
    report = single.sync()
    assert (report.paths, report.partial, report.embedded) == (5, False, 2)


def test_a_run_that_is_stopped_at_once_changes_nothing(single: World) -> None:
    single.put({"a.png": 1})
    single.sync()
    single.put({"b.png": 2, "a.png": 3})
    stop = threading.Event()
    stop.set()
    report = single.sync(stop=stop)
    assert (report.snapshot, report.interrupted, report.embedded) == (None, True, 0)
    assert classes(single.sync()) == {"changed": 1, "new": 1}


def test_a_run_that_is_stopped_before_the_model_is_loaded_loads_none(single: World, reads: Reads) -> None:
    single.put({f"{number}.png": number for number in range(3)})
    stop = threading.Event()
    reads.at_opening |= {(f"{number}.png", 1): stop.set for number in range(3)}  # in any order: the disk decides
    report = single.sync(stop=stop)
    assert (report.interrupted, report.embedded, single.loaded) == (True, 0, 0)
    assert single.sync().embedded == 3


def test_a_run_that_is_stopped_before_a_guard_could_decide_changes_nothing(settled: World, reads: Reads) -> None:
    settled.put({f"{number:02d}.png": number for number in range(40)})
    settled.sync()
    for number in range(39):
        os.unlink(settled.pictures / f"{number:02d}.png")
    settled.put({f"as {number:02d}.png": 39 for number in range(39)})  # a known picture: only their bytes tell
    stop = threading.Event()
    reads.at_opening["as 20.png", 1] = stop.set
    report = settled.sync(stop=stop)
    assert (report.snapshot, report.interrupted, classes(report)) == (None, True, {})
    with pytest.raises(Refused, match="39 of the 40"):
        settled.sync()


def test_undo_of_a_partial_snapshot_is_an_undo_of_that_one(single: World) -> None:
    single.put({f"{number}.png": number for number in range(3)})
    stopped(single, batch=1)
    single.sync()
    assert single.store.undo().current == "v1"
    assert single.store.undo().current is None
    with pytest.raises(NothingToUndo):
        single.store.undo()
    assert single.sync().snapshot == "v3"


# A current snapshot that moved during the run


def test_a_rollback_during_a_sync_is_what_the_sync_builds_on(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"b.png": 2})
    settled.sync()
    settled.put({"c.png": 3})
    with settled.another() as other:
        during(settled.fake, lambda: other.rollback("v1") and None, settled.fake.calls + 1)
        report = settled.sync()
    assert (report.snapshot, report.parent, report.embedded) == ("v3", "v1", 1)
    # Against v1, b.png has come back, and what was embedded in this run is new.
    assert classes(report) == {"unchanged": 1, "known": 1, "new": 1}
    assert settled.paths() == ["pictures/a.png", "pictures/b.png", "pictures/c.png"]
    assert operations(settled) == ["init", "sync", "sync", "rollback", "seal", "sync"]


def test_a_rollback_leaves_alone_what_the_sync_did_not_scan(settled: World) -> None:
    put(settled.top / "other", {"x.png": 10})
    settled.put({"a.png": 1})
    settled.sync(settled.pictures, settled.top / "other")
    put(settled.top / "other", {"y.png": 11})
    settled.all()
    settled.put({"c.png": 3})
    with settled.another() as other:
        during(settled.fake, lambda: other.rollback("v1") and None, settled.fake.calls + 1)
        settled.sync()
    assert settled.paths() == ["other/x.png", "pictures/a.png", "pictures/c.png"]
    assert classes(settled.all()) == {"unchanged": 3, "known": 1}


def test_a_rollback_to_an_equal_state_is_none(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    (settled.pictures / "b.png").unlink()
    settled.sync()
    settled.put({"b.png": 2})
    settled.sync()
    settled.put({"c.png": 3})
    with settled.another() as other:
        during(settled.fake, lambda: other.rollback("v1") and None, settled.fake.calls + 1)
        report = settled.sync()
    assert (report.snapshot, report.parent, classes(report)) == ("v4", "v1", {"unchanged": 2, "new": 1})
    assert "seal" not in operations(settled)


def test_a_tag_during_a_sync_is_no_move(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"b.png": 2})
    with settled.another() as other:
        during(settled.fake, lambda: other.snapshot_tag("v1", "good") and None, settled.fake.calls + 1)
        assert settled.sync().snapshot == "v2"
    assert operations(settled) == ["init", "sync", "tag", "sync"]


def test_an_undo_of_all_during_a_sync_leaves_the_sync_to_itself(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"b.png": 2})
    with settled.another() as other:
        during(settled.fake, lambda: other.undo() and None, settled.fake.calls + 1)
        report = settled.sync()
    assert (report.snapshot, report.parent) == ("v2", None)
    assert classes(report) == {"known": 1, "new": 1}


def test_what_failed_to_be_read_is_not_reported_if_it_was_read_after_all(settled: World, reads: Reads) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"b.png": 2})
    settled.sync()
    settled.put({"c.png": 3, "d.png": 4})

    def fails() -> None:
        raise OSError(errno.EIO, "Input/output error")

    reads.at_opening["d.png", 1] = fails
    with settled.another() as other:
        during(settled.fake, lambda: other.rollback("v1") and None, settled.fake.calls + 1)
        report = settled.sync()
    assert (report.failed, report.paths) == ((), 4)


def test_whoever_moves_each_time_wins_in_the_end(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore.sync.run.ATTEMPTS", 3)
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"b.png": 2})
    settled.sync()
    settled.put({"c.png": 3})

    class Meddler(Silent):
        def stage(self, name: str, total: int | None) -> None:
            if name == "writing the snapshot":
                current = other.snapshot_show("current").row.snapshot
                other.rollback("v1" if current == "v2" else "v2")

    with settled.another() as other, pytest.raises(CommitRace, match="run vstore sync again"):
        settled.sync(progress=Meddler())
    report = settled.sync()
    assert (report.paths, report.embedded) == (3, 0)


def test_a_hold_that_is_set_during_a_sync_stops_its_commit_and_keeps_its_vectors(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"b.png": 2})
    with settled.another() as other:
        during(settled.fake, lambda: other.rollback("v1", hold=True) and None, settled.fake.calls + 1)
        with pytest.raises(Refused, match="vstore rollback --release") as held:
            settled.sync()
    assert held.value.exit_code == 5
    assert (settled.repo.state.current, len(settled.keys())) == ("v1", 2)
    assert os.listdir(settled.repo.layout.journal) == [], "a record lists its segment: the journal has served"
    with pytest.raises(Refused):
        settled.sync()
    settled.store.rollback(release=True)
    report = settled.sync()
    assert (classes(report), report.embedded) == ({"unchanged": 1, "known": 1}, 0)


def test_a_partial_commit_that_meets_a_rollback_builds_on_that(single: World) -> None:
    single.put({"a.png": 1})
    single.sync()
    single.put({"b.png": 2})
    single.sync()
    single.put({f"new{number}.png": 10 + number for number in range(3)})
    with single.another() as other:
        during(single.fake, lambda: other.rollback("v1") and None, single.fake.calls + 2)
        report = single.sync(commit_every=-1.0)
    assert (report.paths, report.partial, single.fake.embedded) == (5, False, 5)
    assert single.paths() == sorted(["pictures/a.png", "pictures/b.png", *(f"pictures/new{n}.png" for n in range(3))])


def test_an_exclude_that_a_partial_commit_took_away_is_not_missed_after_a_rollback(single: World) -> None:
    single.put({"a.png": 1})
    single.sync(exclude=["no*"])
    single.put({f"new{number}.png": 10 + number for number in range(3)} | {"no.png": 20})
    with single.another() as other:
        during(single.fake, lambda: other.undo() and None, single.fake.calls + 2)
        report = single.sync(no_exclude=["no*"], exclude=["other*"], commit_every=-1.0)
    assert (report.paths, report.partial, single.fake.embedded) == (5, False, 5)


def test_a_folder_that_a_partial_commit_made_known_keeps_the_excludes_of_the_run_after_an_undo(single: World) -> None:
    single.put({"a.png": 1})
    single.sync()
    other_folder = single.pictures.parent / "more"
    single.put({f"../more/new{number}.png": 10 + number for number in range(3)} | {"../more/no.png": 20})
    with single.another() as other:
        during(single.fake, lambda: other.undo() and None, single.fake.calls + 2)
        report = single.sync(other_folder, exclude=["no*"], commit_every=-1.0)
    assert (report.paths, report.partial) == (4, False)
    assert single.repo.state.roots["more"].options["exclude"] == ["no*"]


def test_a_run_that_comes_back_to_a_snapshot_of_its_own_counts_its_pictures(single: World) -> None:
    single.put({"a.png": 1})
    single.sync()
    single.put({f"new{number}.png": 10 + number for number in range(3)})
    with single.another() as other:

        class Meddler(Silent):
            notes = 0

            def note(self, text: str) -> None:
                self.notes += 1
                if self.notes == 1:
                    other.undo()
                    (single.pictures / "new0.png").unlink()

        meddler = Meddler()
        during(single.fake, lambda: other.rollback("v1") and None, single.fake.calls + 2)
        report = single.sync(commit_every=-1.0, progress=meddler)
    assert meddler.notes == 2
    assert single.paths() == ["pictures/a.png", "pictures/new1.png", "pictures/new2.png"]
    assert (report.paths, report.images) == (3, 3)


# The order of a commit, and commits that go wrong


def test_segment_pack_and_record_are_written_in_this_order_and_the_journal_goes_after_them(
    settled: World,
    disk: Watched,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"b.png": 2})
    disk.calls.clear()
    remember = Memory.remember

    def noted(*args: Any, **words: Any) -> None:
        disk.calls.append(("catalogue", ""))
        remember(*args, **words)

    monkeypatch.setattr(Memory, "remember", noted)
    settled.sync()
    kinds = {".faiss": "segment", ".pack": "pack", ".json": "record", "": "journal"}
    steps = [
        "catalogue" if call == "catalogue" else kinds[Path(name).suffix]
        for call, name in disk.calls
        if call in ("catalogue", "link")
        or (call == "rename" and Path(name).suffix in kinds and Path(name).suffix)
        or (call == "unlink" and "-" in name and not name.startswith(".tmp-"))
    ]
    assert steps == ["segment", "pack", "record", "journal", "catalogue"]
    flushed = [name for call, name in disk.calls if call == "fsync"]
    assert flushed.count("segments") == flushed.count("packs") == flushed.count("refs") == 1


def test_the_last_seal_of_a_run_rides_in_the_record_of_its_commit(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    assert operations(settled) == ["init", "sync"]
    [record] = [record for record in settled.repo.records() if record.op == "sync"]
    assert {"segments", "packs", "snapshots", "current", "next_v", "roots"} <= record.changes.keys()


def test_a_segment_that_no_record_lists_is_nothing_to_a_sync(settled: World) -> None:
    settled.put({"a.png": 1})
    garbage = settled.folder / "segments" / f"{'0' * 32}.faiss"
    garbage.write_bytes(b"left by a crash")
    settled.sync()
    assert (settled.sync().snapshot, len(settled.keys())) == (None, 1)
    assert garbage.read_bytes() == b"left by a crash", "only gc deletes"


def test_a_commit_waits_for_another_one_and_gives_up_after_a_while_without_a_loss(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert repository.COMMIT_WAIT == 10
    monkeypatch.setattr(repository, "COMMIT_WAIT", 0.05)
    settled.put({"a.png": 1})
    with settled.repo.lock("commit") as lock:
        lock.acquire(0.0, "a test")
        with pytest.raises(Locked, match="holds the lock 'commit'"):
            settled.sync()
    report = settled.sync()
    assert (report.snapshot, report.recovered, report.embedded) == ("v1", 1, 0)


def test_a_link_that_reported_an_error_and_yet_succeeded_is_a_commit(
    settled: World,
    disk: Watched,  # noqa: F811
) -> None:
    settled.put({"a.png": 1})
    disk.fail("link", errno.EIO, after=True)
    report = settled.sync()
    assert (report.snapshot, settled.paths()) == ("v1", ["pictures/a.png"])
    disk.heal()
    assert settled.sync().snapshot is None
    assert settled.store.check(read_data=True).ok


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "link", "open"])
@pytest.mark.parametrize("on", ["tmp-commit", "tmp-ingest", ".json", ".pack", ".faiss"])
def test_a_commit_that_fails_leaves_the_snapshot_before_it_and_the_next_one_embeds_nothing(
    settled: World,
    disk: Watched,  # noqa: F811
    call: str,
    on: str,
) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"b.png": 2})
    disk.fail(call, errno.ENOSPC, on=on)
    try:
        settled.sync()
    except DiskTrouble as trouble:
        assert "free some space" in str(trouble)
        disk.heal()
        assert (settled.repo.state.current, settled.paths()) == ("v1", ["pictures/a.png"])
        report = settled.sync()
        assert (report.snapshot, report.embedded, settled.fake.embedded) == ("v2", 0, 2)
    else:
        disk.heal()
        assert not [1 for made, name in disk.calls if made == call and on in name], "nothing of that kind was called"
    assert settled.paths() == ["pictures/a.png", "pictures/b.png"]
    assert len(settled.keys()) == 2
    assert settled.store.check(read_data=True).ok


# Locks


@contextmanager
def syncing(world: World) -> Iterator[threading.Event]:
    """A sync of another thread that stands still in the middle of a batch, until the event is set."""
    go_on, arrived = threading.Event(), threading.Event()
    plain = world.fake.embed_images

    def embed_images(pictures: object) -> object:
        arrived.set()
        assert go_on.wait(60)
        return plain(pictures)  # type: ignore[arg-type]

    world.fake.embed_images = embed_images  # type: ignore[method-assign,assignment]
    other = world.another()
    thread = threading.Thread(target=other.sync, args=([world.pictures],))
    thread.start()
    try:
        assert arrived.wait(60)
        yield go_on
    finally:
        go_on.set()
        thread.join()
        world.fake.embed_images = plain  # type: ignore[method-assign]
        other.close()


def test_a_second_sync_is_refused_and_told_by_whom(world: World) -> None:
    world.put({"a.png": 1})
    with syncing(world), pytest.raises(Locked) as locked:
        world.sync()
    assert locked.value.exit_code == 11
    text = str(locked.value)
    assert f"process {os.getpid()} on {os.uname().nodename} (sync, since 2" in text
    assert "--wait" in text
    assert world.sync().snapshot is None, "the first one went on undisturbed"


def test_or_waits_if_it_is_asked_to(world: World) -> None:
    world.put({"a.png": 1})
    with syncing(world) as go_on:
        reports: list[SyncReport] = []
        waiting = threading.Thread(target=lambda: reports.append(world.sync(wait=True)))
        waiting.start()
        waiting.join(0.2)
        assert (waiting.is_alive(), reports) == (True, [])
        go_on.set()
        waiting.join()
    assert [(report.snapshot, report.current, report.embedded) for report in reports] == [(None, "v1", 0)]
    assert world.fake.embedded == 1


def test_and_stops_waiting_when_it_is_asked_to_stop(world: World) -> None:
    world.put({"a.png": 1})
    stop = threading.Event()
    stop.set()
    with syncing(world), pytest.raises(Interrupted) as interrupted:
        world.sync(wait=True, stop=stop)
    assert interrupted.value.exit_code == 130
    assert world.sync().snapshot is None, "the first one went on undisturbed"


def test_a_sync_blocks_neither_reading_nor_versions(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"b.png": 2})
    settled.sync()
    settled.put({"c.png": 3})
    with syncing(settled):
        assert [row.snapshot for row in settled.store.snapshot_list()] == ["v2", "v1"]
        assert classes(settled.status()) == {"unchanged": 2, "new": 1}
        settled.store.snapshot_tag("v1", "good")
        settled.store.rollback("v1")
        settled.store.undo()
        settled.store.redo()
        settled.store.undo()
    assert settled.repo.state.current == "v3"
    assert settled.repo.snapshot("v3").parent == "v2"


def test_two_stores_open_in_one_process_see_what_the_other_did(settled: World) -> None:
    settled.put({"a.png": 1})
    with settled.another() as one, settled.another() as two:
        assert one.sync([settled.pictures]).snapshot == "v1"
        settled.put({"b.png": 2})
        report = two.sync([settled.pictures])
        assert (report.snapshot, classes(report)) == ("v2", {"unchanged": 1, "new": 1})
        assert one.sync([settled.pictures]).snapshot is None
        one.rollback("v1")
        assert two.snapshot_show("current").row.snapshot == "v1"
        assert classes(two.sync()) == {"unchanged": 1, "known": 1}
        assert [row.snapshot for row in one.snapshot_list()] == ["v3", "v2", "v1"]
    assert settled.fake.embedded == 2


def test_the_lock_file_says_nothing_of_a_sync_that_is_over(world: World) -> None:
    world.put({"a.png": 1})
    with syncing(world):
        about = json.loads((world.folder / "locks/ingest").read_bytes())
        assert (about["pid"], about["command"]) == (os.getpid(), "sync")
    assert (world.folder / "locks/ingest").read_bytes() == b""


# The catalogue is only a hint


def test_without_a_catalogue_nothing_is_embedded_again(settled: World, reads: Reads) -> None:
    import shutil

    settled.put({f"{number}.png": number for number in range(5)})
    settled.sync()
    shutil.rmtree(settled.folder / "catalogue")
    reads.clear()
    report = settled.sync()
    assert (classes(report), report.snapshot, report.embedded) == ({"unchanged": 5}, None, 0)
    assert (len(reads.opened), reads.decoded) == (5, 0)
    reads.clear()
    assert (classes(settled.sync()), reads.opened) == ({"unchanged": 5}, [])


def test_a_store_that_was_copied_with_its_catalogue_does_not_believe_it(settled: World, tmp_path: Path) -> None:
    import shutil

    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    settled.store.close()
    copy = tmp_path / "copy"
    shutil.copytree(settled.top, copy, ignore=shutil.ignore_patterns("copy"))
    with Store(copy / ".vstore", load_embedder=settled.load) as store:
        report = store.sync()
    assert (classes(report), report.embedded) == ({"unchanged": 2}, 0)
