"""`facts`: what is missing of pictures, and how it is filled in without a model."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
from support.edited import Declared, edited
from support.failing_disks import EVERY, Failing, Killed, Watched
from support.folders import drawn, put, trust_young_stats

from vstore.disk import durable
from vstore.errors import Locked, MigrationNeeded, UsageError, VstoreError
from vstore.facts import fill
from vstore.format.facts import FORMAT, NEWEST_READER
from vstore.intake.new_facts import NewFacts
from vstore.progress import Silent
from vstore.repository.facts import facts_of, runs_of
from vstore.store import Store

OLD = Path(__file__).parent / "data" / "format-1" / "store"
COUNT = 6


class Counting(Silent):
    """Counts what it is told, and stops a run at a number."""

    def __init__(self, stop: threading.Event | None = None, at: int = 0) -> None:
        self.total: int | None = None
        self.done = 0
        self._stop, self._at = stop, at

    def stage(self, name: str, total: int | None) -> None:
        self.total = total

    def advance(self, n: int = 1) -> None:
        self.done += n
        if self._stop is not None and self.done == self._at:
            self._stop.set()


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declared:
    """A store of pictures that an earlier program embedded: it knew no digests."""
    trust_young_stats(monkeypatch)
    world = Declared(tmp_path)
    world.put({f"{number}.png": number for number in range(COUNT)})
    with monkeypatch.context() as patch:
        patch.setattr(NewFacts, "unlisted", lambda self, having: [])
        world.sync()
    return world


def test_it_tells_how_many_have_none_and_writes_nothing(without: Declared) -> None:
    before = without.repo.tip.number
    report = without.store.facts()
    assert (report.snapshot, report.space_name, report.images) == ("v1", "fake-1", COUNT)
    assert (report.without_pixels, report.filled) == (COUNT, 0)
    assert without.repo.tip.number == before


def test_what_it_fills_in_is_what_a_sync_would_have_noted(without: Declared) -> None:
    loaded, embedded = without.loaded, without.fake.embedded
    progress = Counting()
    report = without.store.facts(fill=True, pixels=True, progress=progress)
    assert (report.filled, report.without_pixels, report.unread, report.failed) == (COUNT, 0, 0, ())
    assert (progress.total, progress.done) == (COUNT, COUNT)
    assert (without.loaded, without.fake.embedded) == (loaded, embedded)
    filled = without.digests(*(without.key(number) for number in range(COUNT)))
    without.put({f"{number}.png": edited(number) for number in range(COUNT)})
    report = without.sync()
    assert (report.same_pixels, report.embedded) == (COUNT, 0)
    assert without.digests(*(without.key(edited(number)) for number in range(COUNT))) == filled
    assert without.store.check(read_data=True).ok


def test_a_view_that_was_opened_before_knows_what_was_filled_in_since(without: Declared) -> None:
    view = without.store.view()
    assert len(view.select(where="format = 'PNG'").keys) == 0 and view.counts("format") == {}
    with without.another() as other:
        other.facts(fill=True)
    filled = view.select(where="format = 'PNG'")
    assert (len(filled.keys), filled.notes) == (COUNT, ())
    assert view.counts("format") == {"PNG": COUNT}
    assert len(view.search(without.key(0), where="format = 'PNG'").hits) == COUNT


def test_a_second_time_it_reads_nothing_and_writes_nothing(without: Declared) -> None:
    without.store.facts(fill=True, pixels=True)
    before, progress = without.repo.tip.number, Counting()
    report = without.store.facts(fill=True, pixels=True, progress=progress)
    assert (report.filled, report.without_pixels, progress.total) == (0, 0, 0)
    assert without.repo.tip.number == before


def test_pictures_that_are_gone_or_changed_are_passed_over_and_those_that_fail_named(
    without: Declared, monkeypatch: pytest.MonkeyPatch
) -> None:
    (without.pictures / "0.png").unlink()
    without.put({"1.png": 77})
    with monkeypatch.context() as patch:
        patch.setattr("vstore.pictures.preparation.MAX_PIXELS", 10)
        report = without.store.facts(fill=True, pixels=True, max_pixels=10)
    assert (report.filled, report.unread, report.without_pixels) == (0, 2, COUNT)
    assert [(one.path, one.kind) for one in report.failed] == [
        (b"pictures/%d.png" % number, "bomb") for number in range(2, COUNT)
    ]
    assert report.without_facts == 2
    report = without.store.facts(fill=True, pixels=True)
    assert (report.filled, report.unread, report.without_pixels, report.failed) == (COUNT - 2, 2, 2, ())


def test_a_copy_is_read_where_the_first_path_is_gone(without: Declared) -> None:
    without.put({"9.png": 0})
    without.sync()
    (without.pictures / "0.png").unlink()
    assert without.store.facts(fill=True, pixels=True).without_pixels == 0


def test_in_other_processes_it_finds_the_same(without: Declared) -> None:
    one = without.store.facts(fill=True, pixels=True, isolate_decoding=True)
    assert one.filled == COUNT
    without.put({"0.png": edited(0)})
    assert without.sync().same_pixels == 1


def test_stopped_it_keeps_what_it_has_and_goes_on(without: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "BATCH", 2)
    stop = threading.Event()
    report = without.store.facts(fill=True, pixels=True, progress=Counting(stop, 3), stop=stop)
    assert report.interrupted and 3 <= report.filled < COUNT
    assert report.without_pixels == COUNT - report.filled
    again = without.store.facts(fill=True, pixels=True)
    assert again.filled == COUNT - report.filled and again.without_pixels == 0 and not again.interrupted


def test_it_publishes_in_parts(without: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "BATCH", 4)
    without.store.facts(fill=True, pixels=True)
    assert [ref.rows for ref in without.repo.state.facts] == [4, 2]
    assert [record.op for record in without.repo.records()][-2:] == ["seal", "seal"]


def test_work_that_takes_long_is_published_sooner(without: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "SECONDS", 0.0)
    without.store.facts(fill=True, pixels=True)
    assert [ref.rows for ref in without.repo.state.facts] == [1] * COUNT


@pytest.mark.parametrize("how", ["fails", "disk full", "killed before", "killed after"])
def test_whatever_call_goes_wrong_the_next_run_fills_in_the_rest(
    without: Declared, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(fill, "BATCH", 2)
    without.store.close()
    shutil.copytree(without.folder, without.top / "before")

    def run(disk: Watched) -> None:
        shutil.rmtree(without.folder)
        shutil.copytree(without.top / "before", without.folder)
        with monkeypatch.context() as patch:
            patch.setattr(durable, "disk", disk)
            try:
                with without.another() as store:
                    store.facts(fill=True, pixels=True)
            except (VstoreError, Killed):
                pass

    whole = Watched()
    run(whole)
    for at in range(0, len(whole.calls), EVERY):
        run(Failing(at, how))
        with without.another() as store:
            assert store.check(read_data=True).ok, at
            assert store.facts(fill=True, pixels=True).without_pixels == 0, at
            assert store.check(read_data=True).ok, at


def test_it_waits_for_nobody_unless_asked(without: Declared) -> None:
    with without.repo.lock("ingest") as lock:
        lock.acquire(0.0, "sync")
        with pytest.raises(Locked):
            without.store.facts(fill=True, pixels=True)
        without.store.facts()


@pytest.mark.parametrize("words", [{"pixels": True}, {"wait": True}, {"max_pixels": 5}])
def test_words_that_do_not_go_together_are_refused(without: Declared, words: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--pixels and the other options go with --fill"):
        without.store.facts(**words)  # type: ignore[arg-type]


@pytest.mark.parametrize("words", [{"max_pixels": 5}, {"isolate_decoding": True}])
def test_words_of_decoding_are_refused_where_nothing_is_decoded(without: Declared, words: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="without it nothing is decoded"):
        without.store.facts(fill=True, **words)  # type: ignore[arg-type]


# Headers alone


def test_headers_are_read_without_decoding_or_embedding(without: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, embedded = without.loaded, without.fake.embedded
    assert without.store.facts().without_facts == COUNT
    monkeypatch.setattr("vstore.pictures.decoding.prepare", None)
    progress = Counting()
    report = without.store.facts(fill=True, progress=progress)
    assert (report.read, report.without_facts, report.filled, report.without_pixels) == (COUNT, 0, 0, COUNT)
    assert (report.unread, report.failed, progress.total, progress.done) == (0, (), COUNT, COUNT)
    assert (without.loaded, without.fake.embedded) == (loaded, embedded)
    assert without.store.check(read_data=True).ok
    before = without.repo.tip.number
    assert without.store.facts(fill=True).read == 0
    assert without.repo.tip.number == before


def test_headers_are_read_as_a_sync_reads_them(without: Declared, tmp_path: Path) -> None:
    without.store.facts(fill=True, pixels=True)
    filled = {fact.key: fact for run in runs_of(without.repo) for fact in run}
    other = Declared(tmp_path / "other")
    other.put({f"{number}.png": number for number in range(COUNT)})
    other.sync()
    synced = {fact.key: fact for run in runs_of(other.repo) for fact in run}
    assert len(filled) == COUNT and filled == synced
    assert {fact.reader for fact in filled.values()} == {NEWEST_READER}
    assert {fact.values[FORMAT] for fact in filled.values()} == {"PNG"}


def test_pixels_that_are_filled_in_later_take_no_header_twice(without: Declared) -> None:
    without.store.facts(fill=True)
    report = without.store.facts(fill=True, pixels=True)
    assert (report.read, report.filled) == (0, COUNT)
    assert {fact.reader for fact in runs_of(without.repo)[-1]} == {0}
    keys = [bytes.fromhex(without.key(number)) for number in range(COUNT)]
    found = facts_of(without.repo, keys)
    assert all(fact.reader == NEWEST_READER and len(fact.values) == 5 for fact in found.values())


def test_a_file_whose_stat_proves_nothing_is_read_whole(without: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    other, path = drawn(99), without.pictures / "0.png"
    stat = path.stat()
    path.write_bytes(other)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # its size or its time of change tells, or its bytes
    (without.pictures / "1.png").touch()
    report = without.store.facts(fill=True)
    assert (report.read, report.unread, report.without_facts) == (COUNT - 1, 1, 1)


def test_a_file_whose_stat_is_known_is_not_read_whole(without: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore.facts.reading.read_unchanged", None)
    assert without.store.facts(fill=True).read == COUNT


def test_a_picture_that_does_not_decode_has_a_header(without: Declared) -> None:
    report = without.store.facts(fill=True, pixels=True, max_pixels=10)
    assert (report.read, report.filled, len(report.failed), report.without_facts) == (COUNT, 0, COUNT, 0)


def test_reading_headers_stops_and_goes_on(without: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "BATCH", 2)
    stop = threading.Event()
    report = without.store.facts(fill=True, progress=Counting(stop, 3), stop=stop)
    assert report.interrupted and 3 <= report.read < COUNT
    assert without.store.facts(fill=True).read == COUNT - report.read


def test_facts_of_an_older_reader_are_read_again(without: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    without.store.facts(fill=True)
    for module in ("facts.fill", "repository.read_facts"):
        monkeypatch.setattr(f"vstore.{module}.NEWEST_READER", NEWEST_READER + 1)
    assert without.store.facts().without_facts == COUNT
    report = without.store.facts(fill=True)
    assert (report.read, report.without_facts) == (COUNT, 0)


def test_an_empty_store_lacks_nothing(tmp_path: Path) -> None:
    Store.init(tmp_path / ".vstore")
    with Store(tmp_path / ".vstore") as store:
        for report in (store.facts(), store.facts(fill=True, pixels=True)):
            assert (report.snapshot, report.images, report.without_pixels) == (None, 0, 0)


def test_a_store_of_format_1_is_migrated_first(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / ".vstore")
    with Store(tmp_path / ".vstore") as store:
        for fills in (False, True):
            with pytest.raises(MigrationNeeded, match="facts of pictures need store format 2"):
                store.facts(fill=fills, pixels=fills)


def test_a_space_without_a_preparation_has_nothing_to_fill_in(tmp_path: Path) -> None:
    from vstore.testing import FakeEmbedder

    fake = FakeEmbedder()
    fake.recipe = {name: value for name, value in fake.recipe.items() if name != "prepare"}
    world = Declared(tmp_path, fake)
    world.put({"1.png": 1})
    world.sync()
    assert (world.store.facts().without_pixels, world.store.facts().without_facts) == (1, 0)
    assert world.store.facts(fill=True).read == 0
    with pytest.raises(UsageError, match="does not say how pictures are prepared"):
        world.store.facts(fill=True, pixels=True)


# What a sync says


def test_a_sync_says_that_digests_are_missing_once_an_edit_cost_an_embedding(without: Declared) -> None:
    without.put({"new.png": 50})
    assert without.sync().without_pixels == 0  # a new picture costs nothing that a digest would have saved
    without.put({"0.png": edited(0)})
    report = without.sync()
    assert (report.embedded, report.without_pixels) == (1, COUNT - 1)
    without.put({"0.png": edited(0, "again")})
    assert without.sync().without_pixels == 0
    without.put({"0.png": 70})  # other pixels than its digest says: nobody could have known
    report = without.sync()
    assert (report.embedded, report.without_pixels) == (1, 0)
    without.store.facts(fill=True, pixels=True)
    without.put({"1.png": 60})
    report = without.sync()
    assert (report.embedded, report.without_pixels) == (1, 0)


def test_a_sync_after_a_migration_says_so_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust_young_stats(monkeypatch)
    shutil.copytree(OLD, tmp_path / ".vstore")
    put(tmp_path / "more", {"1.png": 1, "2.png": 2})
    with Store(tmp_path / ".vstore") as store:
        store.sync([tmp_path / "more"])
        store.migrate()
        put(tmp_path / "more", {"1.png": edited(1)})
        report = store.sync([tmp_path / "more"])
        assert (report.embedded, report.without_pixels) == (1, report.images - 1)


def test_code_that_declares_nothing_is_not_told_of_digests(without: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Declared.load, "sees_pixels_alone", False)
    without.put({"0.png": edited(0)})
    assert without.sync().without_pixels == 0
