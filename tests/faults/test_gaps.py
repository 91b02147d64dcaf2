"""Any record of the log is lost, at any time of a store's life: repair restores what other records and objects say, and
reports the rest as lost."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support.every_kind import BEGIN, FETCHED, decide_again, edit_fields, small_window
from support.stores import Contents, contents, full, load, opened, quick_folder, synced, vectors

from vstore.format.fact_columns import Column
from vstore.format.facts import Fact
from vstore.repository.repository import Repository
from vstore.store import Store


def test_any_record_may_be_lost_at_any_time(capsys: pytest.CaptureFixture[str]) -> None:
    count = embedded = 0
    with quick_folder() as folder:
        whole, top = folder / "whole", folder / "top"
        whole.mkdir()
        full(whole)
        newest = Repository(whole / ".vstore").tip.number
        for last in range(2, newest + 1):
            for lost in range(1, last + 1):
                as_it_was(whole, top, last)
                repo = Repository(top / ".vstore")
                before, rows = contents(repo), vectors(repo)
                record = repo.layout.record(lost)
                record.write_bytes(record.read_bytes()[:40])
                report = Store.repair(top / ".vstore", load_embedder=load)
                where = f"record {lost} of {last}: {report}"
                repo = Repository(top / ".vstore")
                now = contents(repo)
                # An adoption whose first record is lost before the second was written has to be done again.
                gone = {name for name in before.snapshots if f"{name} is not restored" in " ".join(report.left)}
                assert gone <= ({"v6"} if lost == last else set()), where
                kept = {name: value for name, value in before.snapshots.items() if name not in gone}
                assert {name: now.snapshots[name] for name in kept} == kept, where
                said_so = ("the places of the picture folders", "is not restored")
                assert all(any(words in one for words in said_so) for one in report.left), where
                again = vectors(repo)
                assert all(row == rows[name] for name, row in again.items() if name in rows), where
                if len(now.waiting) < len(before.waiting):
                    assert any("imports set aside" in one for one in report.done), where
                for space in repo.state.spaces.values():
                    if repo.recipe(space.id)["family"] == "imported":
                        assert space.status == "claimed", where
                repo.close()
                with opened(top) as store:
                    found = store.check(read_data=True)
                    assert found.ok, (where, found.problems)
                count += 1
                embedded += report.embedded
    with capsys.disabled():
        print(f"\ngaps: {count} records lost, {embedded} vectors computed again", end=" ")


def test_any_record_of_a_store_with_every_kind_may_be_lost_at_any_time(capsys: pytest.CaptureFixture[str]) -> None:
    """Of every third record that is not the newest."""
    lose_any_record(lambda last, lost: last == lost or (last + lost) % 3 == 0, capsys)


@pytest.mark.long
def test_every_record_of_a_store_with_every_kind_may_be_lost_at_any_time(capsys: pytest.CaptureFixture[str]) -> None:
    lose_any_record(lambda last, lost: True, capsys)


def lose_any_record(is_tried: Callable[[int, int], bool], capsys: pytest.CaptureFixture[str]) -> None:
    figures: Counter[str] = Counter()
    with quick_folder() as folder, small_window():
        whole, top = folder / "whole", folder / "top"
        whole.mkdir()
        states = lived(whole)
        for last in range(2, max(states) + 1):
            for lost in range(1, last + 1):
                if lost in states and last in states and is_tried(last, lost):
                    as_it_was(whole, top, last)
                    judge_gap(top, lost, states, figures)
    with capsys.disabled():
        print("\ngaps in every kind: " + ", ".join(f"{name} {count}" for name, count in figures.items()), end=" ")


def lived(whole: Path) -> dict[int, Contents]:
    """Live the life of a store with every kind. Returns: the contents after each record, but for those that gc took."""
    synced(whole)
    states = {}
    with opened(whole) as store:
        repo = store._repo

        def note() -> None:
            repo.reload()
            states[repo.tip.number] = contents(Repository(repo.layout.folder))

        note()
        for step in BEGIN:
            step(repo)
            note()
        for act in (
            lambda: store.snapshot_forget(["v2"]),
            lambda: store.undo(),
            lambda: store.snapshot_forget(["v2"]),
            lambda: edit_fields(repo),
            lambda: store.undo(),
            lambda: decide_again(repo),
            lambda: store.undo(),
            lambda: store.rollback("v1"),
            lambda: store.snapshot_tag(FETCHED[0], "theirs"),
        ):
            act()
            note()
    return states


def judge_gap(top: Path, lost: int, states: dict[int, Contents], figures: Counter[str]) -> None:
    """Lose a record and repair: all is as it was before, or, where only the lost record said it, as before that."""
    repo = Repository(top / ".vstore")
    before, rows, last = contents(repo), vectors(repo), repo.tip.number
    assert before == states[last]
    prior = states.get(lost - 1, Contents({}, None, {}, None, {}, [], [], []))
    records = {record.number: record for record in repo.records()}
    record = repo.layout.record(lost)
    record.write_bytes(record.read_bytes()[:40])
    report = Store.repair(top / ".vstore", load_embedder=load)
    where = f"record {lost} ({records[lost].op}) of {last}: {report}"
    repo = Repository(top / ".vstore")
    now = contents(repo)
    for name, version in before.snapshots.items():
        assert now.snapshots.get(name) in (version, prior.snapshots.get(name)), (where, name)
        if name not in now.snapshots and "/" in name:
            assert any("fetch them again" in one for one in report.left), where
            figures["fetched snapshots lost"] += 1
    # Later files are still there, as a killed run leaves them: what they hold may come back, with what was undone.
    assert [one for one in now.decisions if one in before.decisions] == before.decisions, where
    assert all(any(one in state.decisions for state in states.values()) for one in now.decisions), where
    if any("decisions" in records[n].changes.get("trees", {}) for n in range(lost + 1, last + 1)):
        assert now.decisions == before.decisions, where
    figures["decisions that came back"] += len(now.decisions) - len(before.decisions)
    # Facts are functions of the bytes: those that any pack holds are as good as those that the log lists. Where several
    # runs know a picture, each column is that of one of them.
    ever = {told for state in states.values() for told in columns_of(state.facts)}
    assert {fact.key for fact in now.facts} >= {fact.key for fact in before.facts}, where
    assert columns_of(now.facts) <= ever, where
    for was, earlier, is_now in ((before.tags, prior.tags, now.tags), (before.spaces, prior.spaces, now.spaces)):
        assert all(is_now.get(name) in (value, earlier.get(name)) for name, value in was.items()), where
    again = vectors(repo)
    assert all(row == rows[name] for name, row in again.items() if name in rows), where
    repo.close()
    with opened(top) as store:
        found = store.check(read_data=True)
        assert found.ok, (where, found.problems)
    assert not Store.repair(top / ".vstore", load_embedder=load).changed, where
    figures["records lost"] += 1


def columns_of(facts: list[Fact]) -> set[tuple[bytes, int, Column, object]]:
    """List what facts say, column by column."""
    return {(fact.key, fact.reader, column, value) for fact in facts for column, value in fact.values.items()}


def as_it_was(whole: Path, top: Path, last: int) -> None:
    """Restore the store of when this record was the newest; later files stay, as a killed run leaves them."""
    shutil.rmtree(top, ignore_errors=True)
    shutil.copytree(whole, top)
    for name in ("cache", "catalogue"):
        shutil.rmtree(top / ".vstore" / name)
    for record in (top / ".vstore" / "refs").iterdir():
        if int(record.stem) > last:
            record.unlink()
