"""gc ends undo, not memory: the lines of the records that it removes stay in the history, and `log` lists them."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from itertools import count
from pathlib import Path

import pytest
from support.builder import Builder, aliases, key, unit_vectors
from support.folders import Unflushed
from support.lost import lose
from support.one_failing_call import FaultyDisk, Killed

from vstore.check.run import check
from vstore.disk import durable
from vstore.disk.segment_writer import rounded
from vstore.errors import NothingToUndo, VstoreError
from vstore.format import history as module
from vstore.format.canonical import canonical
from vstore.format.history import Chunk
from vstore.gc.run import gc
from vstore.repair.run import repair
from vstore.repository.history import history_of
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore.versions.forget import snapshot_forget
from vstore.versions.log import LogRow, log, why_log_is_cut
from vstore.versions.moves import redo, rollback, undo
from vstore.versions.tags import snapshot_tag

OLD = Path(__file__).parent / "data" / "format-1" / "store"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few lines fill a chunk."""
    monkeypatch.setattr(durable, "disk", Unflushed())
    monkeypatch.setattr(module, "LINES", 4)


@pytest.fixture
def repo(builder: Builder) -> Repository:
    """Eleven records: a tag is undone and redone, a rollback is undone."""
    for number in range(1, 5):
        builder.add_pictures(aliases(number))
    repo = builder.repo
    snapshot_tag(repo, "v1", "good")
    undo(repo)
    redo(repo)
    rollback(repo, "v2")
    undo(repo)
    return repo


def again(repo: Repository) -> Repository:
    """Open the store as another process would."""
    return Repository(repo.layout.folder)


def rows(repo: Repository) -> list[LogRow]:
    return log(again(repo))


def digests_of(repo: Repository) -> list[bytes]:
    return [chunk.digest for chunk in history_of(again(repo)).chunks]


def test_the_log_before_a_gc_is_the_end_of_the_log_after(repo: Repository) -> None:
    before = rows(repo)
    undone = {row.op for row in before if row.undone}
    assert (len(before), undone) == (repo.tip.number, {"rollback"})
    gc(repo)
    after = rows(repo)
    assert [(row.op, row.number) for row in after[:1]] == [("gc", repo.tip.number)], "one line, though two records"
    assert after[1:] == before
    assert len(repo.log.numbers()) == 2
    assert why_log_is_cut(again(repo)) is None
    with pytest.raises(NothingToUndo, match="nothing before the gc"):
        undo(again(repo))


def test_each_gc_appends_what_came_since_the_last(builder: Builder, repo: Repository) -> None:
    for number in range(5, 9):
        gc(repo)
        builder.add_pictures(aliases(number))
        repo.reload()
        before = rows(repo)
        gc(repo)
        assert rows(repo)[1:] == before
    firsts = {row.number - 1 for row in before if row.op == "gc"}
    listed = [number for number in range(before[0].number, 0, -1) if number not in firsts]
    assert [row.number for row in before] == listed
    history = history_of(again(repo))
    assert {len(history.lines(chunk)) for chunk in history.chunks[:-1]} == {4}
    assert check(again(repo), read_data=True).ok


def test_a_gc_again_appends_nothing(repo: Repository) -> None:
    gc(repo)
    root, listed = repo.state.root("history"), rows(repo)
    assert not gc(repo).changed
    assert (again(repo).state.root("history"), rows(repo)) == (root, listed)


def test_where_a_gc_after_a_gc_has_something_to_free_it_appends_both_records(repo: Repository) -> None:
    gc(repo)
    space = repo.snapshot("v4").space
    ref = repo.write_segment(space, [key(40)], [rounded(unit_vectors(1), repo.dtype)], when=int(time.time()))
    with repo.committing("seal"):
        listed = [*repo.state.segments(space), ref]
        repo.publish("seal", {"segments": repo.state.segments_changed(space, listed)})
    snapshot_forget(repo, ["v2"])
    gc(repo)
    before = rows(repo)
    assert gc(repo, drop_unnamed=True).vectors == 1  # the log is as a gc leaves it, and a vector that was young goes
    assert [row.op for row in rows(repo)[:3]] == ["gc", "gc", "forget"]
    assert rows(repo)[1:] == before


def test_a_dry_run_tells_the_bytes_of_a_run(repo: Repository) -> None:
    snapshot_forget(repo, ["v2"])
    listed = set(again(repo).layout.packs.iterdir())
    dry = gc(repo, dry_run=True, drop_unnamed=True)
    assert set(repo.layout.packs.iterdir()) == listed
    before = {path: path.stat().st_size for path in files(repo)}
    report = gc(repo, drop_unnamed=True)
    assert report == dry._replace(dry_run=False)
    after = {path: path.stat().st_size for path in files(repo)}
    new = sum(size for path, size in after.items() if path not in before and path.parent.name != "refs")
    gone = sum(size for path, size in before.items() if path not in after)
    assert report.bytes == gone - new


def files(repo: Repository) -> list[Path]:
    return [path for name in ("refs", "packs", "segments") for path in (repo.layout.folder / name).iterdir()]


def test_a_limit_reads_no_more_of_the_history_than_it_needs(
    builder: Builder, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc(repo)
    whole = rows(repo)
    digests = digests_of(repo)
    assert (len(digests), len(whole)) == (4, 15)
    for limit, needed in ((0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (7, 2), (8, 3), (100, 4)):
        one = again(repo)
        reads: list[bytes] = []
        get = one.packs.get
        monkeypatch.setattr(one.packs, "get", lambda digest, get=get, reads=reads: reads.append(digest) or get(digest))
        assert log(one, limit) == whole[:limit]
        assert [digest for digest in reads if digest in digests] == digests[::-1][:needed], limit


def test_a_log_without_a_history_opens_no_pack(repo: Repository) -> None:
    one = again(repo)
    log(one)
    assert not one.packs._open


def test_the_fields_of_a_line_are_those_of_a_row(repo: Repository) -> None:
    gc(repo)
    for row in rows(repo):
        assert list(row.to_json()) == ["number", "op", "time", "about", "current", "undone"]
        assert isinstance(row, LogRow)


# A gc that does not come to its end


def copied(repo: Repository, top: Path, name: str) -> Repository:
    shutil.rmtree(top / name, ignore_errors=True)
    shutil.copytree(repo.layout.folder, top / name)
    return Repository(top / name)


def number_of_calls(repo: Repository, top: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyDisk:
    disk = FaultyDisk()
    one = copied(repo, top, "once")
    monkeypatch.setattr(durable, "disk", disk)
    gc(one, drop_unnamed=True)
    return disk


@pytest.mark.parametrize("fault", ["kill", "EIO", "ENOSPC", "short"])
def test_no_line_is_lost_or_told_twice_wherever_a_gc_ends(
    builder: Builder, repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    gc(repo)
    for number in range(5, 8):
        builder.add_pictures(aliases(number))
    repo.reload()
    snapshot_forget(repo, ["v3", "v5"])
    before = rows(repo)
    once = number_of_calls(repo, tmp_path, monkeypatch)
    tried = 0
    for at in range(len(once.calls)):
        if not once.has(at, fault) or (once.calls[at] in ("fsync", "look", "read", "pread") and at % 4):
            continue
        monkeypatch.setattr(durable, "disk", Unflushed())
        one = copied(repo, tmp_path, "killed")
        monkeypatch.setattr(durable, "disk", FaultyDisk(at, fault))
        with contextlib.suppress(Killed, VstoreError, OSError):
            gc(one, drop_unnamed=True)
        monkeypatch.setattr(durable, "disk", Unflushed())
        tried += 1
        for last in (False, True):
            found = rows(one)
            assert found[-len(before) :] == before, (at, once.calls[at])
            assert {row.op for row in found[: -len(before)]} <= {"gc"}, (at, once.calls[at])
            numbers = [row.number for row in found]
            assert numbers == sorted(set(numbers), reverse=True), (at, once.calls[at])
            if not last:
                gc(again(one), drop_unnamed=True)
        assert len(again(one).log.numbers()) == 2
        assert check(again(one)).ok
    assert tried > 5


class Room(Unflushed):
    """A disk with so much room, of which removed files give back theirs."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, fd, data):  # type: ignore[no-untyped-def]
        if len(data) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(data)
        return super().write(fd, data)

    def unlink(self, path: str) -> None:
        self.room += os.stat(path).st_size
        super().unlink(path)


def test_on_a_disk_too_full_for_the_history_the_records_stay_for_another_gc(
    builder: Builder, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand lines take more than all that can be given up."""
    snapshot_forget(repo, ["v2", "v3"])
    with repo.committing("test"):
        for _ in range(100):
            repo.publish("test", {}, about=os.urandom(500).hex())
    before = rows(repo)
    repo.layout.reserve.unlink()
    state = len(canonical(repo.state.document))
    monkeypatch.setattr(durable, "disk", Room(4 * state + 4000))
    report = gc(repo, drop_unnamed=True)
    assert (report.snapshots, report.vectors, report.records) == (2, 2, 0)
    monkeypatch.setattr(durable, "disk", Unflushed())
    assert rows(repo)[1:] == before
    assert history_of(again(repo)).chunks == []
    assert check(again(repo), read_data=True).ok
    repo.reload()
    assert gc(repo).records == repo.tip.number - 2
    assert rows(repo)[2:] == before


@pytest.mark.parametrize("room", [0, 300, 1_000, 3_000, 10_000, 30_000, 100_000])
def test_a_full_disk_loses_no_line(
    builder: Builder, repo: Repository, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    gc(repo)
    for number in range(5, 8):
        builder.add_pictures(aliases(number))
    repo.reload()
    snapshot_forget(repo, ["v3", "v5"])
    before = rows(repo)
    monkeypatch.setattr(durable, "disk", Room(room))
    report = gc(repo, drop_unnamed=True)
    assert report.snapshots == 2
    assert rows(repo)[1:] == before


# Lost parts


def test_lost_chunks_are_noted_and_the_others_listed(repo: Repository) -> None:
    gc(repo)
    whole = rows(repo)
    middle = history_of(again(repo)).chunks[1]
    lose(repo, middle.digest)
    left = [row for row in whole if not middle.first <= row.number <= middle.last]
    assert rows(repo) == left
    assert why_log_is_cut(again(repo)) == "the history of the operations 5 to 8 is damaged"
    assert not check(again(repo), read_data=True).ok, "the pack is damaged"
    report = check(again(repo))
    assert report.ok
    assert "the log no longer lists the operations 5 to 8: their lines are lost" in report.notes


def test_a_lost_root_costs_all_that_it_names(repo: Repository) -> None:
    gc(repo)
    root = repo.state.root("history")
    assert root is not None
    lose(repo, root)
    assert [row.op for row in rows(repo)] == ["gc"]
    assert why_log_is_cut(again(repo)) == "the history of older operations is damaged"
    report = check(again(repo))
    assert report.ok
    assert "the log no longer lists the older operations: their lines are lost" in report.notes
    done = repair(repo.layout.folder, None, embed=False)
    assert "the log no longer lists old operations" in done.done
    assert again(repo).state.root("history") is None
    assert why_log_is_cut(again(repo)) is None
    assert check(again(repo), read_data=True).ok
    assert not repair(repo.layout.folder, None, embed=False).changed


def test_repair_leaves_lost_chunks_out(repo: Repository) -> None:
    gc(repo)
    before = rows(repo)
    chunk = history_of(again(repo)).chunks[0]
    lose(repo, chunk.digest)
    done = repair(repo.layout.folder, None, embed=False)
    assert "the log no longer lists the operations 1 to 4" in done.done
    assert done.degraded == done.left == ()
    after = [row for row in rows(repo) if row.op != "repair"]
    assert after == [row for row in before if row.number > 4]
    report = check(again(repo), read_data=True)
    assert (report.ok, [note for note in report.notes if "log" in note and "lists" in note]) == (True, [])
    assert not repair(repo.layout.folder, None, embed=False).changed


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_lost_chunk_does_not_stop_gc(builder: Builder, repo: Repository, which: int) -> None:
    gc(repo)
    builder.add_pictures(aliases(9))
    before = rows(repo)
    lost = history_of(again(repo)).chunks[which]
    lose(repo, lost.digest)
    one = again(repo)
    snapshot_forget(one, ["v2"])
    gc(one, drop_unnamed=True)
    after = [row for row in rows(repo) if row.op != "forget"][1:]
    assert after == [row for row in before if not lost.first <= row.number <= lost.last]
    assert lost not in history_of(again(repo)).chunks
    assert why_log_is_cut(again(repo)) is None


def test_a_history_that_only_an_unlisted_pack_holds_is_listed_again(repo: Repository) -> None:
    gc(repo)
    before = rows(repo)
    one = again(repo)
    holds = next(pack.ref.name for pack in one.packs.opened() if one.state.root("history") in set(pack.digests()))
    with one.committing("test"):
        one.append("test", {"packs": {holds: None}})
    repair(repo.layout.folder, None, embed=False)
    assert [row for row in rows(repo) if row.op not in ("repair", "test")] == before


# Repairs, gaps, migrations


@pytest.mark.parametrize("number", [3, 6, 9])
def test_after_a_lost_record_all_others_are_listed_also_after_repair_and_gc(repo: Repository, number: int) -> None:
    def told(rows: list[LogRow]) -> list[LogRow]:
        """Without what only the lost record may have said of others."""
        return [row._replace(undone=False, current=None) for row in rows]

    before = rows(repo)
    path = repo.layout.record(number)
    path.write_bytes(path.read_bytes()[:30])
    kept = told([row for row in before if row.number != number])
    one = Repository(repo.layout.folder, damaged=True)
    assert told(log(one)) == kept
    why = why_log_is_cut(one)
    assert why is None or f"{number:012d}" in why
    repair(repo.layout.folder, None, embed=False)
    assert told(rows(repo))[1:] == kept
    gc(again(repo))
    assert told(rows(repo))[2:] == kept
    assert why_log_is_cut(again(repo)) is None


def test_what_was_current_after_a_lost_record_is_not_known_until_another_says_it(repo: Repository) -> None:
    rollback(repo, "v1")
    path = repo.layout.record(repo.tip.number)
    snapshot_tag(repo, "v1", "later")
    rollback(repo, "v2")
    assert [row.current for row in rows(repo)[:4]] == ["v2", "v1", "v1", "v4"]
    path.unlink()
    repair(repo.layout.folder, None, embed=False)
    assert [(row.op, row.current) for row in rows(repo)[:4]] == [
        ("repair", "v2"),
        ("rollback", "v2"),
        ("tag", None),
        ("undo", "v4"),
    ]


def test_in_format_1_the_log_ends_at_the_gc(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "store")
    with Store(tmp_path / "store") as store:
        before = store.log()
        store.gc()
        assert [row.op for row in store.log()] == ["gc"]
        assert "trees" not in store._repo.state.document
        store.migrate()
        kept = store.log()
        assert [row.op for row in kept] == ["migrate", "gc"]
        store.gc()
        assert store.log()[1:] == kept
        assert store.why_log_is_cut is None
    assert len(before) > 5


def test_what_was_done_before_the_migration_stays_in_the_log(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "store")
    with Store(tmp_path / "store") as store:
        before = store.log()
        store.migrate()
        assert store.log()[1:] == before
        store.gc()
        assert store.log()[2:] == before


def test_a_thousand_lines_fill_a_chunk(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINES", 1_000)
    repo = builder.repo
    for number in count(repo.tip.number + 1):
        if number > 1_500:
            break
        with repo.committing("roots"):
            repo.publish("roots", {})
    gc(repo)
    chunks = history_of(again(repo)).chunks
    assert [(one.first, one.last) for one in chunks] == [(1, 1_000), (1_001, 1_500)]
    assert all(isinstance(one, Chunk) for one in chunks)
