"""Carries out a plan: moves the files that are to go to the trash, as far as the plan fits the disk."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vstore.clock import now
from vstore.errors import UsageError
from vstore.format.decisions import MOST, Decision, Verdicts
from vstore.format.entries import Root
from vstore.format.tree import keys_at
from vstore.pictures.picture_file import read_regular
from vstore.plans.companions import Names, is_raw, is_sidecar
from vstore.plans.document import KEEP, LONGEST, MOVE, Plan, PlanFile, parsed
from vstore.plans.linker import NOT_THE_BYTES, LeftInTrash, link_away
from vstore.plans.mover import Going, move_away
from vstore.plans.moves import Head
from vstore.plans.places import Places, store_identity
from vstore.plans.proof import Keeper, standing
from vstore.plans.report import DupesApplied, Unmoved
from vstore.plans.trash_folder import TrashFolder
from vstore.plans.way import Unfit, look, refusing
from vstore.progress import Progress, Stages
from vstore.repository.decisions import Choice, decide, newest_decisions
from vstore.repository.files import files_of
from vstore.repository.repository import Repository
from vstore.stop import finishing


class _Job(NamedTuple):
    """A file that is to go. keepers: the files of its group that stay."""

    file: PlanFile
    keepers: tuple[PlanFile, ...]


def read_plan(path: Path) -> Plan:
    """Read the file of a plan. Raises: UsageError."""
    try:
        data = read_regular(os.fsencode(path), LONGEST)
    except OSError as err:
        step = "make one with: vstore dupes --plan FILE"
        raise UsageError(f"cannot read the plan {path}: {err.strerror or err}", step) from err
    return parsed(data, str(path))


def apply(
    repo: Repository,
    plan: Plan,
    *,
    link: bool = False,
    wait: bool,
    progress: Progress | None,
    stop: threading.Event | None,
) -> DupesApplied:
    """Move the files that go to the trash. Rows that do not fit the disk are refused, each with its reason.

    link:   make a hard link to the file that stays in the place of each; those of other bytes are refused.
    wait:   for another process that is changing the store.
    stop:   if it is set, this ends after the file at hand.
    Raises: UsageError for the plan of another store; Locked, Interrupted; ForeignStore; MigrationNeeded if pictures
            that only look alike are to go from a store of format 1; Damage, DiskTrouble, ReadOnly. Run again, it goes
            on.
    """
    if plan.store != repo.store_id or plan.hash != repo.hash.name:
        raise UsageError("this plan was made by another store", "name that store with --store DIR")
    end, stages = stop or threading.Event(), Stages(progress)
    with repo.lock("ingest") as lock:
        lock.acquire(None if wait else 0.0, "dupes --apply", end.is_set, stages.note)
        stages.share(lock.tell)
        repo.reload()
        repo.refuse_unsound()
        time, store = now(), store_identity(repo)

        def opener(root: Root) -> TrashFolder:
            head = Head(plan.id, repo.store_id, root.label, repo.hash.name, time)
            return TrashFolder(repo.place(root), plan.id.encode(), head, store)

        with Places(repo, opener) as places:
            run = _Run(repo, plan, link, places, stages, end)
            try:
                with finishing(stop, "this file"):
                    run.move()
            finally:
                for trash in places.opened:
                    trash.flush()
            return run.report()


class _Run:
    """One run of a plan."""

    def __init__(
        self, repo: Repository, plan: Plan, link: bool, places: Places, stages: Stages, stop: threading.Event
    ) -> None:
        self._repo = repo
        self._link = link
        self._plan = plan
        self._places = places
        self._stages = stages
        self._stop = stop
        self._refused = list(plan.faults)
        self._moved: list[bytes] = []
        self._linked: list[bytes] = []
        self._bytes = 0
        self._done = 0
        self._decided = 0
        self._left = 0
        self._keepers: dict[tuple[bytes, bytes], Keeper] = {}
        self._going: dict[bytes, _Job] = {}
        self._names: dict[bytes, Names] = {}
        self._trash: dict[bytes, None] = {}

    def move(self) -> None:
        """Record what is decided, then move: ordinary pictures first, RAW files and sidecars after what they go with.

        Raises: as `apply`.
        """
        jobs = self._decide(list(self._jobs()))
        self._going = {job.file.path: job for job in jobs}
        jobs.sort(key=lambda job: _turn(job.file.path))
        self._stages.begin("moving files", len(jobs), size=sum(job.file.size for job in jobs))
        self._left = len(jobs)
        for job in jobs:
            if self._stop.is_set():
                break
            self._repo.refuse_lost_locks()
            self._left -= 1
            try:
                self._carry_out(job)
            except Unfit as unfit:
                self._refuse(job.file, unfit.reason)
            del self._going[job.file.path]
            self._stages.advance(1, job.file.size)
        self._stages.put_down()

    def _jobs(self) -> Iterator[_Job]:
        """Yield what is to go; refuse what contradicts itself. No picture goes for a sidecar that stays."""
        times = Counter(file.path for group in self._plan.groups for file in group.files if file.do == MOVE)
        stays = {file.path for group in self._plan.groups for file in group.files if file.do == KEEP}
        for group in self._plan.groups:
            keepers = tuple(file for file in group.files if file.do == KEEP and not is_sidecar(file.path))
            for file in group.files:
                if file.do == KEEP:
                    continue
                if not keepers:
                    self._refuse(file, "no picture of its group stays")
                elif file.path in stays:
                    self._refuse(file, "the plan says of it, too, that it stays")
                elif times[file.path] > 1:
                    self._refuse(file, "the plan names it several times")
                elif self._link and all(keeper.key != file.key for keeper in keepers):
                    self._refuse(file, NOT_THE_BYTES)
                else:
                    yield _Job(file, keepers)

    def _decide(self, jobs: Sequence[_Job]) -> list[_Job]:
        """Record which pictures are to stay, before the first of the others goes: the guards of a sync heed it.

        One picture stays for each that goes, the first that does in the plan: of the others nothing is said, which
        may stay for another reason, as what lies on another disk does. Copies of one content need no decision: their
        picture stays, and they go for a file of it alone. Of what is not there nothing is said, nor of files that
        have other keys in the store: a decision the wrong way round would let the wrong file go by the next plan.

        Returns: the jobs, but for those that are refused as they go against what was decided.
        """
        about: dict[bytes, set[bytes]] = {}
        left: list[_Job] = []
        jobs = [self._among_copies(job) for job in jobs]
        alike = [
            job for job in jobs if not is_sidecar(job.file.path) and all(f.key != job.file.key for f in job.keepers)
        ]
        stored = self._stored(alike)
        made = list(newest_decisions(self._repo)) if alike else []
        known = Verdicts(made)
        asked = {job.file.path for job in alike}
        for job in jobs:
            key = job.file.key
            if job.file.path in asked and stored.get(job.file.path, key) == key and self._is_there(job.file):
                sure = [one for one in job.keepers if stored.get(one.path, one.key) == one.key]
                there = [one.key for one in sure if self._is_there(one)]
                if there and set(there).isdisjoint(known.kept_for(key)):
                    keeper = next((one for one in there if not _are_different(known, key, one)), None)
                    if keeper is None:
                        self._refuse(job.file, "it is decided to be another picture than those that stay for it")
                        continue
                    about.setdefault(keeper, set()).add(key)
            left.append(job)
        if about:
            self._repo.require_format_2("decisions about pictures that only look alike")
            self._decided = len(decide(self._repo, _choices(about, made)))
        return left

    def _stored(self, jobs: Sequence[_Job]) -> dict[bytes, bytes]:
        """Find the keys that the current snapshot has for the files of some jobs."""
        snapshot = self._repo.state.current_snapshot
        if snapshot is None or not jobs:
            return {}
        then = self._repo.labels_in(snapshot).then
        names = {file.path: then(file.path) for job in jobs for file in (job.file, *job.keepers)}
        keys = keys_at(self._repo.tree(snapshot), sorted(one for some in names.values() for one in some))
        return {path: keys[one] for path, some in names.items() for one in some if one in keys}

    def _among_copies(self, job: _Job) -> _Job:
        """Let a picture go for a copy of itself alone while one is there; else for another picture alone."""
        same = tuple(one for one in job.keepers if one.key == job.file.key)
        if not same or is_sidecar(job.file.path):
            return job
        if any(self._is_there(one) for one in same):
            return job._replace(keepers=same)
        return job._replace(keepers=tuple(one for one in job.keepers if one.key != job.file.key) or same)

    def _is_there(self, file: PlanFile) -> bool:
        with suppress(Unfit):
            self._places.look(file.path)
            return True
        return False

    def _carry_out(self, job: _Job) -> None:
        file = job.file
        trash, rest = self._places.find(file.path)
        self._stages.take(os.path.join(trash.place, rest))
        keepers = []
        for one in job.keepers:
            with suppress(Unfit):
                keepers.append(self._keeper(one))
        going = Going(rest, file.key, self._repo.hash.new, keepers)
        if self._link:
            try:
                size, made = link_away(trash, going)
            except LeftInTrash:
                self._trash[os.path.join(trash.place, trash.below)] = None
                raise
            self._linked += [file.path] * made
        else:
            name = file.path.rpartition(b"/")[2]
            goes_last = is_sidecar(name) or is_raw(name)
            look_around = partial(self._refuse_left, path=file.path) if goes_last else None
            size = move_away(trash, going, look_around)
            made = False
        if size is None:
            self._done += not made
        else:
            self._moved.append(file.path)
            self._bytes += size
        self._trash[os.path.join(trash.place, trash.below)] = None

    def _keeper(self, file: PlanFile) -> Keeper:
        if (file.path, file.key) not in self._keepers:
            trash, rest = self._places.find(file.path)
            self._keepers[file.path, file.key] = Keeper(trash.root, rest, file.key, self._repo.hash.new)
        return self._keepers[file.path, file.key]

    def _refuse_left(self, folder: int, path: bytes) -> None:
        """Refuse a sidecar or a RAW file while a file stays that it belongs to. Raises: Unfit."""
        above, slash, name = path.rpartition(b"/")
        if above not in self._names:  # once: it may hold very many names
            with refusing("list its folder"):
                self._names[above] = Names(os.fsencode(one) for one in os.listdir(folder))
        names = self._names[above]
        others = names.owners_of(name) if is_sidecar(name) else names.pictures_like(name)
        stays = [
            one
            for one in others
            if look(folder, one) is not None and not self._goes(self._going.get(above + slash + one))
        ]
        if stays:
            raise Unfit(f"{os.fsdecode(stays[0])} stays, and shares its name")

    def _goes(self, job: _Job | None) -> bool:
        """Tell whether a file that is still here can go: of two RAW files of one name one must not go alone."""
        with suppress(Unfit):
            if job is not None:
                standing([self._keeper(job.file)])
                standing([self._keeper(one) for one in job.keepers])
                return True
        return False

    def _refuse(self, file: PlanFile, reason: str) -> None:
        self._refused.append(Unmoved(file.path, reason, file.row))

    def report(self) -> DupesApplied:
        repo = self._repo
        return DupesApplied(
            plan=self._plan.id,
            moved=tuple(self._moved),
            linked=tuple(self._linked),
            done=self._done,
            size=self._bytes,
            refused=tuple(self._refused),
            decided=self._decided,
            trash=tuple(self._trash),
            interrupted=self._left > 0,
            where=files_of(repo, repo.labels_in(None)),
        )


def _choices(about: Mapping[bytes, Collection[bytes]], made: Sequence[Decision]) -> Iterator[Choice]:
    """Yield the decisions that some pictures stay and others need not: few, but none that says more than that.

    about: by picture that stays, those that go for it.
    made:  the decisions in force, newest first.

    A decision is one on every pair of its pictures, and would take back what was decided about two that go; and of a
    picture all of whose files are to stay that is said again, as a newer `keep` takes it back.
    """
    numbers: dict[bytes, list[int]] = {}
    newest: dict[bytes, Decision] = {}
    for number, one in enumerate(made):
        for key in one.keys:
            numbers.setdefault(key, []).append(number)
            if one.verb == "keep":
                newest.setdefault(key, one)
    for kept, gone in about.items():
        times = Counter(number for key in gone for number in numbers.get(key, ()))
        apart = any(count > 1 for count in times.values()) or not about.keys().isdisjoint(gone)
        room = 1 if apart else MOST - 1
        some = sorted(gone)
        for at in range(0, len(some), room):
            yield Choice("keep", [kept, *some[at : at + room]], [kept])
    for kept in about:
        if kept in newest and newest[kept].kept == newest[kept].keys:
            yield Choice("keep", [kept], [kept])


def _are_different(known: Verdicts, one: bytes, other: bytes) -> bool:
    held = known.of(one, other)
    return held is not None and held.verb == "different"


def _turn(path: bytes) -> int:
    name = path.rpartition(b"/")[2]
    return 2 if is_sidecar(name) else 1 if is_raw(name) else 0
