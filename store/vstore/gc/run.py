"""Deletes data that no snapshot uses: vectors, pages, old records. It ends undo; the lines of the log stay.

Record first, unlink after: a file exists until a later, durable record no longer names it. Two records
in a row carry the whole state, so that either of them may rot; only then do the older ones go.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from vstore.approximate.upkeep import keep_indexes_up
from vstore.disk import durable, inside
from vstore.disk.reserve import write_reserve
from vstore.disk.thumbs import drop_thumbs
from vstore.disk.trouble import is_full
from vstore.errors import DiskTrouble
from vstore.format.canonical import Json
from vstore.format.records import ends_the_log
from vstore.gc.index_parts import stale_parts
from vstore.gc.plan import Plan, plan_of
from vstore.gc.rewrite import rewrite
from vstore.gc.room import STEPS, Writes
from vstore.gc.unlisted import OldRecord, UnlistedFile, records_before, stale_cache, unlisted_files
from vstore.progress import Progress, Stages
from vstore.repository.repository import Repository


class GcReport(NamedTuple):
    """The result of a garbage collection.

    dry_run:   nothing was deleted; the report says what would be.
    snapshots: forgotten snapshots deleted.
    vectors:   vectors deleted.
    unnamed:   unused vectors kept.
    facts:     facts of unused pictures deleted.
    segments:  segments deleted or replaced.
    packs:     packs deleted or replaced.
    rewritten: files written in their place, without the unused parts.
    unlisted:  deleted files without a record.
    records:   deleted records of the log.
    bytes:     bytes freed, less those rewritten.
    changed:   the log was written.
    """

    dry_run: bool
    snapshots: int
    vectors: int
    unnamed: int
    facts: int
    segments: int
    packs: int
    rewritten: int
    unlisted: int
    records: int
    bytes: int
    changed: bool

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


def gc(
    repo: Repository,
    *,
    dry_run: bool = False,
    drop_unnamed: bool = False,
    wait: bool = False,
    progress: Progress | None = None,
) -> GcReport:
    """Delete data that no snapshot uses. Readers with open files read on.

    drop_unnamed: delete unused vectors although they are younger than 14 days.
    Raises: Damage if anything in use is missing or damaged: nothing is deleted then. Locked, DiskTrouble.
    """
    stages = Stages(progress)
    if dry_run:
        stages.begin("looking for unused data")
        return repo.reading(lambda: _look(repo, drop_unnamed))
    with repo.lock("ingest") as lock:
        lock.acquire(None if wait else 0.0, "gc")
        stages.share(lock.tell)
        with repo.committing("gc"):
            published: list[Plan] = []
            writes = Writes()
            for make_room, less in STEPS:
                try:
                    return _collect(repo, drop_unnamed, published, writes, stages=stages)
                except DiskTrouble as err:
                    if not is_full(err):
                        raise
                make_room(repo)
                writes = less
            return _collect(repo, drop_unnamed, published, writes, stages=stages)


def _plan(repo: Repository, drop_unnamed: bool, writes: Writes) -> tuple[Plan, bool]:
    """Plan a gc. Returns: the plan, and whether the log has to be written."""
    is_fresh = _is_fresh(repo)
    plan = plan_of(repo, drop_unnamed=drop_unnamed, rewrite=writes.rewritten, ends_log=writes.history and not is_fresh)
    if is_fresh and plan.changes_something and writes.history:
        plan = plan_of(repo, drop_unnamed=drop_unnamed, rewrite=writes.rewritten, ends_log=True)
    return plan, plan.changes_something or not is_fresh


def _look(repo: Repository, drop_unnamed: bool) -> GcReport:
    plan, changed = _plan(repo, drop_unnamed, Writes())
    records = records_before(repo, repo.tip.highest + 1) if changed else []
    unlisted = [*unlisted_files(repo, drop_unnamed), *stale_parts(repo, plan)]
    return _report(plan, unlisted, records, dry_run=True, changed=changed)


def _collect(
    repo: Repository, drop_unnamed: bool, published: list[Plan], writes: Writes, *, stages: Stages
) -> GcReport:
    """Delete unused data. The caller holds both locks; after an error on a full disk it may be tried again.

    published: the plan, once the log records it.
    """
    repo.reload()
    repo.refuse_unsound()
    stages.begin("looking for unused data")
    plan, changed = _plan(repo, drop_unnamed, writes)
    records = _publish(repo, plan, published, stages) if changed else []
    if not writes.history:
        records = []
    repo.refuse_lost_locks()
    # Both records are durable: nothing names what goes from here on.
    for record in records:
        durable.remove(repo.layout.record(record.number))
    unlisted = [*unlisted_files(repo, drop_unnamed), *stale_parts(repo, plan)]
    if plan.freed_segments and writes == Writes():  # else the disk is full
        # The parts that go were found before: the plan knows no rewritten segments, and their codes are taken over.
        keep_indexes_up(repo, stages)
    stages.begin("deleting unused files", len(unlisted), size=sum(file.size for file in unlisted))
    for file in unlisted:
        place = repo.layout.folder / file.folder / file.name
        stages.take(os.fsencode(place))
        durable.remove(place)
        stages.advance(1, file.size)
    stages.put_down()
    for name in stale_cache(repo, changed=changed):
        durable.remove(repo.layout.own_cache / name)
    drop_thumbs(repo.layout.own_cache, set().union(*plan.keys.values()))
    durable.sweep(repo.layout.folder, "ingest")  # a catalogue that was being made
    _restore_reserve(repo)
    plan = published[0] if published else plan
    freed = {ref.name for ref in (*plan.packs.freed, *plan.freed_segments)}
    left_over = [file for file in unlisted if file.name not in freed]
    return _report(plan, left_over, records, dry_run=False, changed=changed)


def _publish(repo: Repository, plan: Plan, published: list[Plan], stages: Stages) -> list[OldRecord]:
    """Write the new files and two records with the whole state. Returns: the records to remove then."""
    changes, blobs = rewrite(repo, plan, stages)
    about = f"vectors freed: {plan.vectors}, snapshots: {len(plan.snapshots)}"
    repo.publish("gc", changes, blobs=blobs, about=about, whole=True)
    published.append(plan)
    repo.publish("gc", {}, about=about, whole=True)
    return records_before(repo, repo.tip.number - 1)


def _restore_reserve(repo: Repository) -> None:
    if not inside.exists(repo.layout.reserve):
        try:
            write_reserve(repo.layout)
        except DiskTrouble as err:
            if not is_full(err):
                raise


def _report(
    plan: Plan, unlisted: Sequence[UnlistedFile], records: Sequence[OldRecord], *, dry_run: bool, changed: bool
) -> GcReport:
    replaced = [part for part in plan.parts if part.replaced]
    return GcReport(
        dry_run=dry_run,
        snapshots=len(plan.snapshots),
        vectors=plan.vectors,
        unnamed=plan.unnamed,
        facts=plan.facts,
        segments=len(plan.freed_segments),
        packs=len(plan.packs.freed),
        rewritten=sum(1 for part in replaced if part.live) + bool(plan.packs.merged),
        unlisted=len(unlisted),
        records=len(records),
        bytes=max(0, plan.bytes + sum(file.size for file in unlisted) + sum(record.size for record in records)),
        changed=changed,
    )


def _is_fresh(repo: Repository) -> bool:
    """Tell whether the log is as a gc leaves it: two records with the whole state."""
    numbers = repo.log.numbers()
    return len(numbers) == 2 and all(ends_the_log(repo.log.read(number)) for number in numbers)
