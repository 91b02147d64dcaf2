"""Forgetting snapshots by a policy."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.folders import World
from support.forge import Forge

from vstore.disk.pack_writer import packed_size
from vstore.errors import Damage, Locked, NothingToUndo, SnapshotNotFound, UsageError
from vstore.format.entries import Snapshot
from vstore.repository.history import history_of
from vstore.versions import forget
from vstore.versions.policy import Policy, kept_by


def snapshots(*times: str) -> list[Snapshot]:
    """Snapshots v1, v2, … of these times, newest first."""
    listed = [Snapshot(f"v{n}", "", b"", "", 0, 0, time) for n, time in enumerate(times, 1)]
    return listed[::-1]


HOURS = snapshots(
    "2025-12-31T22:10:00Z", "2026-01-01T00:10:00Z", "2026-01-01T00:50:00Z", "2026-01-01T05:00:00Z",
    "2026-01-04T09:00:00Z", "2026-01-05T09:00:00Z", "2026-02-11T09:00:00Z",
)  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        (Policy(last=2), ["v7", "v6"]),
        (Policy(last=100), ["v7", "v6", "v5", "v4", "v3", "v2", "v1"]),
        (Policy(hourly=5), ["v7", "v6", "v5", "v4", "v3"]),
        (Policy(daily=4), ["v7", "v6", "v5", "v4"]),
        (Policy(weekly=3), ["v7", "v6", "v5"]),
        (Policy(monthly=2), ["v7", "v6"]),
        (Policy(yearly=1), ["v7"]),
        (Policy(yearly=2), ["v7", "v1"]),
        (Policy(monthly=10), ["v7", "v6", "v1"]),
        (Policy(within="1m10d"), ["v7", "v6", "v5"]),
        (Policy(within="1h"), ["v7"]),
        (Policy(within="3000y"), ["v7", "v6", "v5", "v4", "v3", "v2", "v1"]),
        (Policy(last=1, yearly=2), ["v7", "v1"]),
    ],
)
def test_a_policy_keeps_the_same_snapshots_as_restic(policy: Policy, kept: list[str]) -> None:
    found = kept_by(policy, HOURS, {})
    assert [s.name for s in HOURS if s.name in found] == kept


def test_the_oldest_snapshot_is_kept_while_a_rule_has_some_left() -> None:
    listed = snapshots("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z", "2026-01-02T00:00:00Z")
    assert kept_by(Policy(daily=3), listed, {}) == {
        "v3": ["daily snapshot"],
        "v2": ["daily snapshot"],
        "v1": ["oldest daily snapshot"],
    }


def test_a_month_less_is_the_last_day_of_one_that_is_shorter() -> None:
    listed = snapshots("2026-02-28T10:00:00Z", "2026-02-28T14:00:00Z", "2026-03-31T12:00:00Z")
    assert set(kept_by(Policy(within="1m"), listed, {})) == {"v3", "v2"}


def test_a_span_is_not_counted_from_a_snapshot_that_a_wrong_clock_made() -> None:
    listed = snapshots("2026-01-01T00:00:00Z", "2027-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
    kept = kept_by(Policy(within="10d"), listed, {}, datetime(2026, 3, 5))
    assert set(kept) == {"v4", "v3", "v2"}
    assert set(kept_by(Policy(within="10d"), listed, {}, datetime(2025, 3, 5))) == {"v4", "v3", "v2", "v1"}


# Ten days with a snapshot each; then what happened to the clock, and the snapshots that were made meanwhile.
DAYS = [f"2026-03-{day:02}T12:00:00Z" for day in range(1, 11)]
NOW = datetime(2026, 3, 10, 18)
POLICIES = [
    Policy(last=4), Policy(hourly=4), Policy(daily=4), Policy(weekly=2), Policy(monthly=1), Policy(yearly=1),
    Policy(within="3d"), Policy(last=2, daily=4, within="1d"),
]  # fmt: skip


@pytest.mark.parametrize("year", [2025, 2027])
@pytest.mark.parametrize("policy", POLICIES)
def test_snapshots_of_a_wrong_clock_cost_no_other_its_place(policy: Policy, year: int) -> None:
    """What the rules of time keep without them is kept with them; so are as many of the newest as were asked for."""
    right = kept_by(policy._replace(last=None), snapshots(*DAYS), {}, NOW)
    expected = {s.time for s in snapshots(*DAYS) if s.name in right}
    for after in range(11):
        for wrong in (1, 3, 12):
            jumped = [f"{year}-{month:02}-20T12:00:00Z" for month in range(1, wrong + 1)]
            listed = snapshots(*DAYS[:after], *jumped, *DAYS[after:])
            kept = kept_by(policy, listed, {}, NOW)
            assert expected <= {s.time for s in listed if s.name in kept}, (after, wrong)
            assert {s.name for s in listed[: policy.last or 0]} <= kept.keys(), (after, wrong)


@pytest.mark.parametrize("policy", [Policy(daily=2), Policy(hourly=2), Policy(within="2d"), Policy(last=2)])
def test_the_newest_snapshot_is_kept_though_its_clock_was_a_year_late(policy: Policy) -> None:
    listed = snapshots(*DAYS, "2025-03-11T12:00:00Z")
    assert {"v11", "v10"} <= set(kept_by(policy, listed, {}, NOW))


def test_where_the_clock_is_a_year_late_now_no_rule_of_time_forgets_anything() -> None:
    kept = kept_by(Policy(daily=1), snapshots(*DAYS), {}, datetime(2025, 3, 10))
    assert len(kept) == 10
    assert kept["v1"] == ["later than now"]


def test_a_snapshot_from_a_wrong_clock_does_not_make_a_store_forget_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("vstore.repository.snapshots.now", lambda: "2199-01-01T00:00:00Z")
        world.put({"late.png": 700})
        world.sync()
    world.put({"late.png": 701})
    world.sync()
    assert world.store.snapshot_forget(keep_within="1d", dry_run=True).forgotten == ()


@pytest.mark.parametrize("span", ["", "3", "1w", "1d1y", "-1d", "d", "0d", "0y0h"])
def test_an_invalid_span_is_refused(span: str) -> None:
    with pytest.raises(UsageError):
        kept_by(Policy(within=span), HOURS, {})


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Five snapshots; the first three have pictures that the current one lacks."""
    world = World(tmp_path)
    for number in range(5):
        world.put({"a.png": number, "b.png": 100 + number, "same.png": 500})
        world.sync(allow_mass_delete=True)
    return world


def names(world: World) -> list[str]:
    return [row.snapshot for row in world.store.snapshot_list()]


def test_a_snapshot_that_stays_has_its_reasons(world: World) -> None:
    world.store.snapshot_tag("v2", "good")
    report = world.store.snapshot_forget(keep_last=2)
    assert {kept.snapshot: kept.reasons for kept in report.kept} == {
        "v5": ("current snapshot", "last snapshot"),
        "v4": ("last snapshot",),
        "v2": ("has the tag good",),
    }
    assert report.forgotten == ("v3", "v1")
    assert names(world) == ["v5", "v4", "v2"]
    with pytest.raises(SnapshotNotFound):
        world.store.snapshot_show("v3")


def test_an_empty_policy_is_refused(world: World) -> None:
    for options in ({}, {"snaps": ["v1"], "keep_last": 1}):
        with pytest.raises(UsageError):
            world.store.snapshot_forget(**options)
    assert len(names(world)) == 5


def test_the_current_snapshot_and_tags_are_never_forgotten(world: World) -> None:
    world.store.rollback("v1")
    world.store.snapshot_tag("v2", "good")
    world.store.rollback("v3", hold=True)
    world.store.rollback("v1")
    for name in ("v1", "v2", "v3", "current", "good"):
        with pytest.raises(UsageError, match="cannot be forgotten"):
            world.store.snapshot_forget(["v4", name])
    assert len(names(world)) == 5
    report = world.store.snapshot_forget(keep_last=1)
    assert report.forgotten == ("v4",)
    assert names(world) == ["v5", "v3", "v2", "v1"]


def test_snapshots_can_be_named(world: World) -> None:
    assert world.store.snapshot_forget(["v2", "v4"]).forgotten == ("v4", "v2")
    with pytest.raises(SnapshotNotFound):
        world.store.snapshot_forget(["v2"])


def test_undo_brings_back_forgotten_snapshots_until_gc(world: World) -> None:
    before = world.aliases("v1")
    world.store.snapshot_forget(keep_last=1)
    assert names(world) == ["v5"]
    world.store.undo()
    assert names(world) == ["v5", "v4", "v3", "v2", "v1"]
    assert world.aliases("v1") == before
    world.store.redo()
    assert names(world) == ["v5"]
    world.store.gc()
    with pytest.raises(NothingToUndo, match="gc"):
        world.store.undo()
    assert names(world) == ["v5"]


@pytest.mark.parametrize("fills", [0, 1, 9])
def test_a_dry_run_forgets_nothing_and_reports_the_bytes_that_gc_would_free(world: World, fills: int) -> None:
    for number in range(fills):  # nine runs of facts of one level: eight of them become one
        world.put({f"{number}.png": 1000 + number})
        world.sync()
    records, before = world.repo.log.numbers(), names(world)
    dry = world.store.snapshot_forget(keep_last=1, dry_run=True)
    assert world.repo.log.numbers() == records
    assert names(world) == before
    assert dry.gc_frees > 0
    real = world.store.snapshot_forget(keep_last=1)
    assert real._replace(dry_run=True) == dry
    objects = size_of_objects(world)
    world.store.gc()
    assert objects - size_of_objects(world) + size_of_lines(world) == dry.gc_frees


def size_of_objects(world: World) -> int:
    return sum(p.stat().st_size for folder in ("segments", "packs") for p in (world.folder / folder).iterdir())


def size_of_lines(world: World) -> int:
    """Count the bytes by which the lines of the log make their pack longer: all of it where it holds nothing else."""
    repo = world.repo
    lines = history_of(repo).blobs()
    (pack,) = (pack for pack in repo.packs.opened() if lines & set(pack.digests()))
    others = {digest: repo.packs.get(digest) for digest in set(pack.digests()) - lines}
    return pack.ref.size - (packed_size(repo.hash, others) if others else 0)


def test_nothing_to_forget_writes_nothing(world: World) -> None:
    records = world.repo.log.numbers()
    assert world.store.snapshot_forget(keep_last=10).forgotten == ()
    assert world.repo.log.numbers() == records


def test_others_may_change_the_store_while_it_is_computed_what_a_forget_frees(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest, *older = [row.snapshot for row in settled.store.snapshot_list()]
    real, tags = forget.plan_of, iter(["v1", "v2"])

    def slow(*args: Any, **options: Any) -> Any:
        if (snap := next(tags, None)) is not None:
            settled.another().snapshot_tag(snap, f"kept-{snap}")  # else Locked, after ten seconds
        return real(*args, **options)

    monkeypatch.setattr(forget, "plan_of", slow)
    report = settled.store.snapshot_forget(keep_last=1)
    assert {*report.forgotten} == {*older} - {"v1", "v2"}, "it is decided again on what the others did"
    assert {row.snapshot for row in settled.store.snapshot_list()} == {"v1", "v2", newest}
    again = settled.store.snapshot_forget(keep_last=1)
    assert again.forgotten == ()


def test_a_forget_comes_to_an_end_although_others_never_rest(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, *older = [row.snapshot for row in settled.store.snapshot_list()]
    real, count = forget.plan_of, iter(range(100))
    held = settled.repo.lock("commit")

    def slow(*args: Any, **options: Any) -> Any:
        try:
            held.acquire()
        except Locked:
            return real(*args, **options)  # the last time nobody else can change the store
        held.release()
        settled.another().snapshot_tag("v1", f"t{next(count)}")
        return real(*args, **options)

    monkeypatch.setattr(forget, "plan_of", slow)
    assert settled.store.snapshot_forget(keep_last=1).forgotten == tuple(older[:-1])
    assert next(count) == forget._ATTEMPTS


def test_a_policy_over_a_snapshot_of_a_time_that_is_none_is_damage(world: World) -> None:
    forge = Forge(world.folder)
    forge.record("sync", {"snapshots": {"v1": {**forge.state["snapshots"]["v1"], "time": "soon"}}})
    for dry_run in (True, False):
        with world.another() as store, pytest.raises(Damage, match="a snapshot of the time 'soon'") as caught:
            store.snapshot_forget(keep_daily=1, dry_run=dry_run)
    assert caught.value.exit_code == 4
    with world.another() as store:
        assert store.snapshot_list()[-1].snapshot == "v1"
        assert store.snapshot_forget(["v1"]).forgotten == ("v1",), "by its name it goes"
