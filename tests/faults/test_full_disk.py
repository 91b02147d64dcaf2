"""A real small filesystem that fills up at every stage."""

from __future__ import annotations

import shutil

import pytest
from support.folders import put
from support.index_parts import parts_of, put_part
from support.kind_operations import KIND_OPERATIONS
from support.small_disk import PAGE, fill, small_disk
from support.stores import FAKE, Operation, base, contents, opened, quick_folder, sync, vectors

from vstore.errors import VstoreError
from vstore.repository.repository import Repository
from vstore.store import Store


def test_a_sync_on_a_disk_that_fills_up_loses_nothing_and_goes_on_when_there_is_room(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = done = 0
    with small_disk("24m") as disk, quick_folder() as spare:
        (spare / "template").mkdir()
        base(spare / "template")
        shutil.rmtree(spare / "template" / ".vstore" / "catalogue")
        for pages in range(60):
            top = disk / "top"
            shutil.copytree(spare / "template", top)
            before = contents(Repository(top / ".vstore"))
            filler = fill(disk, pages * PAGE)
            try:
                sync(top)
                done += 1
            except VstoreError as err:
                assert err.exit_code == 1
                assert "free some space" in err.next_step or "look at the disk" in err.next_step
                failed += 1
                repo = Repository(top / ".vstore")
                now = contents(repo)
                assert repo.tip.complaint is None
                assert all(now.snapshots[name] == version for name, version in before.snapshots.items())
                vectors(repo)
            filler.unlink()
            sync(top)
            with opened(top) as store:
                assert store.check(read_data=True).ok
                assert len(store.snapshot_list()) == 4
            shutil.rmtree(top)
    assert failed > 5
    assert done > 1
    with capsys.disabled():
        print(f"\nfull disk: {failed} syncs failed at another stage each, {done} went well", end=" ")


WRITERS = [one for one in KIND_OPERATIONS if one.name.rpartition(" ")[2] in ("decide", "facts", "merge", "parts", "gc")]


@pytest.mark.parametrize("operation", WRITERS, ids=lambda operation: operation.name)
def test_an_operation_on_every_kind_loses_nothing_on_a_disk_that_fills_up(
    operation: Operation, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = done = 0
    with small_disk("24m") as disk, quick_folder() as spare, operation.set():
        (spare / "template").mkdir()
        operation.prepare(spare / "template")
        shutil.rmtree(spare / "template" / ".vstore" / "catalogue")
        for pages in (0, 1, 2, 3, 5, 8, 13, 21, 34, 55):
            top = disk / "top"
            shutil.copytree(spare / "template", top)
            before = contents(Repository(top / ".vstore"))
            filler = fill(disk, pages * PAGE)
            try:
                operation.run(top)
                done += 1
            except VstoreError as err:
                assert err.exit_code == 1, err
                assert "free some space" in err.next_step or "look at the disk" in err.next_step
                failed += 1
                now = contents(Repository(top / ".vstore"))
                assert now.snapshots.items() >= before.snapshots.items()  # a sync may end before its merge
                assert now[2:] == before[2:]
            filler.unlink()
            if contents(Repository(top / ".vstore")) == before:
                operation.run(top)
            vectors(Repository(top / ".vstore"))
            with opened(top) as store:
                assert store.check(read_data=True).ok
            shutil.rmtree(top)
    with capsys.disabled():
        print(f"\nfull disk, {operation.name}: {failed} failed, {done} went well", end=" ")


def test_gc_makes_room_on_a_disk_without_a_free_byte() -> None:
    with small_disk("24m") as disk:
        top = disk / "top"
        (top / "pictures").mkdir(parents=True)
        Store.init(top / ".vstore", recipe=FAKE.recipe)
        with opened(top) as store:
            for number in range(6):
                put(top / "pictures", {f"{number}-{n}.png": 10 * number + n for n in range(4)})
                store.sync([top / "pictures"])
            for path in list((top / "pictures").iterdir())[:20]:
                path.unlink()
            store.sync([top / "pictures"], allow_mass_delete=True)
            store.snapshot_forget(keep_last=1)
        repo = Repository(top / ".vstore")
        named = set(repo.tree(repo.state.current_snapshot).every_key())
        expected = contents(repo)
        expected = expected._replace(facts=[fact for fact in expected.facts if fact.key in named])
        filler = fill(disk, 0)
        with filler.open("ab", buffering=0) as file, pytest.raises(OSError):
            file.write(bytes(PAGE))
        with opened(top) as store:
            report = store.gc(drop_unnamed=True)
        assert report.bytes > 0
        assert report.snapshots == 6
        assert contents(Repository(top / ".vstore")) == expected
        filler.unlink()
        with opened(top) as store:
            store.gc(drop_unnamed=True)
            assert store.check(read_data=True).ok
        assert (top / ".vstore" / "reserve").stat().st_size == 1 << 20


def test_gc_gives_up_the_parts_of_indexes_where_no_reserve_is_left() -> None:
    with small_disk("24m") as disk:
        top = disk / "top"
        top.mkdir()
        base(top)
        with opened(top) as store:
            repo = store._repo
            for space, refs in repo.state.segment_lists().items():
                put_part(repo, space, refs, bytes(64 * PAGE))
            layout = repo.layout
        expected = contents(Repository(layout.folder))
        layout.reserve.unlink()
        shutil.rmtree(layout.cache)
        filler = fill(disk, 0)
        with opened(top) as store:
            assert store.gc().changed
        assert parts_of(layout) == set()
        assert contents(Repository(layout.folder)) == expected
        filler.unlink()
        with opened(top) as store:
            assert store.check(read_data=True).ok
