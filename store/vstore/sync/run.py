"""One sync: scan, decide, read and embed what is new, keep it, and commit a snapshot."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from vstore import durable
from vstore.catalogue import Batch, Catalogue
from vstore.delta import CLASSES, Change, classify
from vstore.embed import Embedder, Recipe
from vstore.errors import CommitRace, ModelError, Refused, UsageError, VstoreError
from vstore.pages import Tree
from vstore.progress import Progress, Silent
from vstore.records import Json, Snapshot
from vstore.repository import Repository
from vstore.sync import guards
from vstore.sync.edits import Edits, edits_of, images_gained, occurrences, touched
from vstore.sync.ingest import Ingest, check_faiss, mark_failed
from vstore.sync.keeper import publish_seal, recover
from vstore.sync.merge import merge_small
from vstore.sync.report import Failure, SyncReport
from vstore.sync.survey import FAILED, HAS_KEY, Survey, Surveyor, count_name, keep_stats
from vstore.sync.targets import OptionEdits, Plan, plan
from vstore.sync.vectors import align, is_aligned

ATTEMPTS = 10  # times that a run compares anew because another snapshot became current meanwhile
_RATE = struct.Struct("<d")


class Options(NamedTuple):
    """What a sync was asked for, beside its paths. Sizes in bytes, times in seconds."""

    message: str = ""
    as_label: str | None = None
    space: str | None = None
    wait: bool = False
    allow_mass_delete: bool = False
    max_file_size: int = 256 << 20
    max_pixels: int | None = None
    commit_every: float = 1800.0
    edits: OptionEdits = OptionEdits()


class _Moved(Exception):
    """Another snapshot became current while this run was working."""


class _Everything:
    """Holds every key: what a survey means if all that is known by key has a vector."""

    def __contains__(self, key: object) -> bool:
        return True


class Run:
    """One sync, or one look at what a sync would do."""

    _space: str
    _plan: Plan
    _parent: Snapshot | None
    _base: Tree
    _first: Tree
    _survey: Survey
    _agreed: frozenset[bytes]
    _ingest: Ingest

    def __init__(
        self,
        repo: Repository,
        options: Options,
        load_embedder: Callable[[Recipe], Embedder],
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._repo = repo
        self._options = options
        self._load = load_embedder
        self._progress: Progress = progress or Silent()
        self._stop = stop or threading.Event()
        self._catalogue: Catalogue | None = None
        self._began = time.perf_counter()
        self._committed = time.monotonic()
        self._recovered = 0
        self._written: Snapshot | None = None
        self._named: Counter[bytes] | None = None

    def sync(self, paths: Sequence[bytes]) -> SyncReport:
        """Bring the store up to what is on disk.

        Raises: UsageError, Refused, Locked, Damage, ModelError, DiskTrouble, CommitRace. Vectors that were finished
        before an error are kept, and found by the next run.
        """
        repo = self._repo
        with repo.lock("ingest") as lock:
            lock.acquire(None if self._options.wait else 0.0, "sync")
            repo.reload()
            repo.refuse_unsound()
            check_faiss()
            if repo.state.hold is not None:
                raise _held(repo.state.hold)
            durable.sweep(repo.layout.segments, "ingest")
            self._recovered = recover(repo, "sync")
            self._catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=True)
            try:
                self._begin(paths)
                try:
                    return self._attempts(paths)
                finally:
                    self._ingest.close()
            finally:
                if self._catalogue is not None:
                    self._catalogue.close()

    def look(self, paths: Sequence[bytes]) -> SyncReport:
        """Say what `sync` would do. Hashes what it must; embeds nothing, writes nothing, takes no lock."""
        repo = self._repo
        self._catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=False)
        try:
            self._begin(paths)
            self._scan()
            self._ingest.hash(self._survey)
            guards.loses_little(self._sighted(), self._survey, self._base, repo.hash.size)
            mark_failed(self._survey, self._known_failures())
            everything = _Everything()
            edits = edits_of(self._survey, self._base, everything, self._ingest.failures, complete=True)
            return self._report(edits, dry_run=True)
        finally:
            if self._catalogue is not None:
                self._catalogue.close()

    # The steps of a run

    def _begin(self, paths: Sequence[bytes]) -> None:
        """Fix the space of the run, and what it is about."""
        repo = self._repo
        if self._options.space is not None:
            self._space = repo.space(self._options.space).id
        else:
            current = self._current()
            space = current.space if current else repo.state.start_space
            if space is None:
                raise ModelError("this store has no embedding space", "make it anew with: vstore init")
            self._space = space
        self._compare_with_current(paths)
        catalogue = self._catalogue
        if catalogue is not None and catalogue.writable and not is_aligned(repo, catalogue, self._space):
            with catalogue.batch() as batch:
                align(repo, catalogue, batch, self._space)
        self._ingest = Ingest(
            repo,
            self._space,
            catalogue,
            self._load,
            self._progress,
            self._stop,
            max_file_size=self._options.max_file_size,
            max_pixels=self._options.max_pixels,
            command="sync",
        )

    def _compare_with_current(self, paths: Sequence[bytes]) -> None:
        repo = self._repo
        self._plan = plan(repo, paths, self._options.as_label, self._options.edits)
        self._parent = self._current()
        self._base = self._first = repo.mapped_tree(self._parent, {**repo.state.absorbed, **self._plan.absorbed})

    def _current(self) -> Snapshot | None:
        name = self._repo.state.current
        return self._repo.state.snapshot(name) if name else None

    def _attempts(self, paths: Sequence[bytes]) -> SyncReport:
        for _ in range(ATTEMPTS):
            try:
                self._scan()
                complete = self._learn()
                edits = self._commit(complete=complete)
                merge_small(self._repo, self._space, "sync")
                return self._report(edits, dry_run=False)
            except _Moved:
                self._progress.note("another snapshot became current meanwhile: comparing with that one")
                self._note(lambda batch: None)
                self._compare_with_current(paths)
        raise CommitRace("other processes kept changing what is current", "run vstore sync again")

    def _scan(self) -> None:
        """Scan the targets, and refuse what looks like an unmounted disk."""
        repo, allowed = self._repo, self._options.allow_mass_delete
        guards.places_are_there(self._plan, self._base, allowed)
        labels = {os.fsencode(target.root.label) for target in self._plan.targets}
        self._agreed = frozenset(label for label in labels if self._agrees(label))
        self._progress.stage("scan", None)
        store = os.stat(repo.layout.folder)
        absorbed = {**repo.state.absorbed, **self._plan.absorbed}
        surveyor = Surveyor(self._catalogue, self._base, repo.hash.size, (store.st_dev, store.st_ino), absorbed)
        self._survey = surveyor.survey(self._plan.targets, self._agreed)
        guards.roots_list_something(self._survey, self._base, allowed)
        for target in self._plan.targets:
            if not target.known and not self._survey.found.get(target.prefix) and not self._survey.troubled:
                raise UsageError(
                    f"{os.fsdecode(target.place)} holds no picture ({self._survey.ignored} other files)",
                    "name a folder of pictures; --include GLOB adds names that vstore does not know",
                )

    def _agrees(self, label: bytes) -> bool:
        """Whether what the catalogue knows of a root's files is what the current snapshot says of them."""
        return self._catalogue is not None and self._catalogue.meta(_agreed_name(label)) == self._agreement(self._base)

    def _agreement(self, tree: Tree) -> bytes:
        return bytes.fromhex(self._space) + tree.root

    def _learn(self) -> bool:
        """Read, hash and embed what must be. Returns: whether every file was hashed and every picture tried."""
        ingest, survey = self._ingest, self._survey
        if (
            not self._options.allow_mass_delete
            and self._base.leaves
            and guards.could_lose_much(self._sighted(), survey, self._base)
        ):
            ingest.hash(survey)
            if self._stop.is_set():
                return False
            guards.loses_little(self._sighted(), survey, self._base, self._repo.hash.size)
        ingest.read_and_embed(survey, self._pause)
        if not self._stop.is_set():
            ingest.embed_rest(survey, self._pause)
        return not self._stop.is_set()

    def _sighted(self) -> Edits:
        """What the survey means, if every key that is known had a vector."""
        return edits_of(self._survey, self._base, _Everything(), (), complete=True)

    def _known_failures(self) -> Ingest:
        for chunk in self._survey.chunks:
            if FAILED in chunk.states:
                for number, state in enumerate(chunk.states):
                    if state == FAILED:
                        self._ingest.wants(chunk.key(number))
        return self._ingest

    def _pause(self) -> None:
        if self._other_space():
            return  # such a snapshot is whole or is not
        if time.monotonic() - self._committed > self._options.commit_every:
            self._commit(complete=False)

    # The commit

    def _commit(self, *, complete: bool) -> Edits:
        """Publish what the survey means for the snapshot that is current now, and remember what was learnt.

        Raises: _Moved if that is another one than this run compared with; its vectors are sealed then.
        """
        repo, ingest = self._repo, self._ingest
        mark_failed(self._survey, self._known_failures())
        edits = edits_of(self._survey, self._base, ingest.vectors, ingest.failures, complete=complete)
        changes = edits.every()
        before = occurrences(self._base, touched(changes), repo.hash.size)
        tree = self._base.edited({path: new for path, _, new in changes})
        if self._other_space():
            unfit = self._unfit_in_new_space(tree, complete)
            if unfit is None:
                return edits
            tree = tree.edited({path: None for path, _, _ in unfit})
            changes = _joined(changes, unfit)
            before = occurrences(self._base, touched(changes), repo.hash.size)
        self._named = before
        self._progress.stage("commit", None)
        refs = ingest.write_rest()
        with repo.committing("sync"):
            found = self._current()
            moved = (found and found.id) != (self._parent and self._parent.id)
            document: dict[str, Json] = {}
            if refs:
                listed = [*repo.state.segments(self._space), *refs]
                document["segments"] = {self._space: [ref.to_json() for ref in listed]}
            if moved and found is not None and found.space != self._space and self._options.space is None:
                self._publish("seal", document)
                ingest.listed()
                raise CommitRace(
                    f"the current snapshot {found.name} is of another embedding space now; what was embedded is kept",
                    "run vstore sync again",
                )
            if moved or repo.state.hold is not None:
                self._publish("seal", document)
                ingest.listed()
                if repo.state.hold is not None:
                    raise _held(repo.state.hold)
                raise _Moved
            document |= self._plan.changes()
            same = found is not None and found.space == self._space and repo.manifest(found).tree == tree.root
            if same or (found is None and not changes):
                self._publish("seal" if refs else "roots", document)
            else:
                gained = images_gained(before, changes)
                images = (found.images if found else 0) + gained
                self._publish_snapshot(document, tree, images, found, partial=not complete)
            ingest.listed()
        old, self._parent = self._base, self._current()
        # What is fresh in a tree would be stored again by the next commit of this run: its pages lie in packs now.
        self._base = Tree(repo.hash, repo.packs.get, tree.root) if self._written else tree
        self._plan = Plan(self._plan.targets, {}, {})
        self._committed = time.monotonic()
        self._remember(old, complete)
        return edits

    def _publish(self, op: str, document: dict[str, Json]) -> None:
        if document:
            self._repo.publish(op, document)

    def _publish_snapshot(
        self, document: dict[str, Json], tree: Tree, images: int, parent: Snapshot | None, *, partial: bool
    ) -> None:
        snapshot, changes = self._repo.new_snapshot(
            tree, self._space, images, self._options.message, parent, partial=partial
        )
        self._repo.publish("sync", {**document, **changes}, about=f"{snapshot.name}: {snapshot.paths} paths")
        self._written = snapshot

    def _other_space(self) -> bool:
        return self._parent is not None and self._parent.space != self._space

    def _unfit_in_new_space(self, tree: Tree, complete: bool) -> list[Change] | None:
        """A snapshot of another space is whole or is not: every picture has a vector there, or a failure.

        Returns: the aliases that must go, as their pictures are known to have no vector in this space; None if the
        run was stopped before it could be whole (its vectors are sealed).
        """
        ingest = self._ingest
        unfit: list[Change] = []
        missing = []
        for path, key in tree:
            if key not in ingest.vectors:
                if not ingest.wants(key):
                    unfit.append((path, key, None))
                else:
                    missing.append(path)
        if not missing and complete:
            return unfit
        refs = ingest.write_rest()
        if refs:
            publish_seal(self._repo, "sync", self._space, refs)
            ingest.listed()
        self._note(lambda batch: None)
        if not complete:
            return None
        first = ", ".join(os.fsdecode(path) for path in missing[:10])
        raise VstoreError(
            f"{len(missing)} pictures have no vector in the space {self._options.space!r} yet: {first}",
            "sync all folders with --space, without naming a part of them; what was embedded is kept",
        )

    # What is remembered for the next run

    def _remember(self, before: Tree, complete: bool) -> None:
        """Write what was learnt to the catalogue, in one transaction. These are facts; whether the files of a root are
        what the snapshot says is true only after a complete run whose folders could all be listed."""

        def agreements(batch: Batch) -> None:
            assert self._catalogue is not None
            scanned = {os.fsencode(target.root.label) for target in self._survey.targets}
            whole = {os.fsencode(t.root.label) for t in self._survey.targets if not t.under and not t.gone}
            for label in {os.fsencode(name) for name in self._repo.state.roots} | scanned:
                name = _agreed_name(label)
                agreed = self._catalogue.meta(name) == self._agreement(before)
                if label in scanned:
                    unlisted = any((p + b"/").startswith(label + b"/") for p in self._survey.unlisted)
                    agreed = complete and (agreed or (label in whole and not unlisted))
                if agreed:
                    batch.put_meta(name, self._agreement(self._base))
                    if label in whole:
                        files = self._survey.found.get(label, 0)
                        batch.put_meta(count_name(os.fsdecode(label)), files.to_bytes(8, "little"))
                elif self._catalogue.meta(name) is not None:
                    batch.drop_meta(name)

        if (
            self._survey.chunks
            or self._written
            or self._ingest.embedded
            or before.root != self._base.root
            or any(not self._agrees(os.fsencode(t.root.label)) for t in self._survey.targets)
        ):
            self._note(agreements)

    def _note(self, also: Callable[[Batch], None]) -> None:
        catalogue = self._catalogue
        if catalogue is None:
            return
        with catalogue.batch() as batch:
            if not is_aligned(self._repo, catalogue, self._space):
                align(self._repo, catalogue, batch, self._space)
            keep_stats(batch, self._survey)
            for target in self._survey.targets:
                if catalogue.meta(_agreed_name(os.fsencode(target.root.label))) is not None:
                    batch.drop_meta(_agreed_name(os.fsencode(target.root.label)))
            self._ingest.put(batch)
            if self._ingest.embedded:
                rate = self._ingest.embed_seconds / self._ingest.embedded
                batch.put_meta(f"rate/{self._space}", _RATE.pack(rate))
            also(batch)

    # The report

    def _report(self, edits: Edits, *, dry_run: bool) -> SyncReport:
        repo, ingest = self._repo, self._ingest
        if not dry_run and self._first.root != self._base.root and self._first is not self._base:
            edits = edits_of(self._survey, self._first, ingest.vectors, ingest.failures, complete=not self._is_partial)
            self._named = None
        keys = {new for _, _, new in edits.changes if new is not None}
        named = self._named
        if named is None:
            named = occurrences(self._first, touched(edits.every()), repo.hash.size)
        delta = classify(edits.changes, _Named(named), _Stored(ingest))
        removed = delta.counts["removed"]
        to_embed = sum(1 for key in keys if ingest.wants(key)) if dry_run else 0
        current = self._current()
        paths, images = (current.paths, current.images) if current else (0, 0)
        if dry_run:
            changes = edits.every()
            paths = len(self._first) + sum((new is not None) - (old is not None) for _, old, new in changes)
            images += images_gained(named, changes)
        rate = self._rate()
        written = self._written
        return SyncReport(
            snapshot=written.name if written else None,
            current=current.name if current else None,
            id=current.id if current else None,
            parent=written.parent if written else (current.parent if current else None),
            space=self._space,
            space_name=repo.state.spaces[self._space].name,
            partial=written.partial if written else False,
            dry_run=dry_run,
            paths=paths,
            images=images,
            unchanged=edits.unchanged,
            changed=delta.counts["changed"],
            renamed=delta.counts["renamed"],
            copied=delta.counts["copied"],
            known=delta.counts["known"],
            new=delta.counts["new"],
            removed=removed,
            carried=edits.carried,
            ignored=self._survey.ignored,
            failed=tuple(self._failed()),
            embedded=ingest.embedded,
            reused=delta.counts["renamed"] + delta.counts["copied"] + delta.counts["known"],
            seconds=round(time.perf_counter() - self._began, 3),
            full_seconds=round(rate * images, 1) if rate is not None and images else None,
            to_embed=to_embed,
            embed_seconds=round(rate * to_embed, 1) if rate is not None and dry_run else None,
            recovered=self._recovered,
            interrupted=self._stop.is_set(),
            examples={name: tuple(delta.examples[name]) for name in CLASSES},
        )

    @property
    def _is_partial(self) -> bool:
        return self._written is not None and self._written.partial

    def _rate(self) -> float | None:
        """Seconds per picture of reading and embedding: this run's, else the last one's."""
        if self._ingest.embedded:
            return self._ingest.embed_seconds / self._ingest.embedded
        value = self._catalogue.meta(f"rate/{self._space}") if self._catalogue is not None else None
        return _RATE.unpack(value)[0] if value is not None and len(value) == _RATE.size else None

    def _failed(self) -> list[Failure]:
        failed = []
        for chunk in self._survey.chunks if self._ingest.failures else ():
            for number, path, _ in chunk.files():
                if chunk.states[number] in HAS_KEY and chunk.key(number) in self._ingest.failures:
                    failure, known = self._ingest.failures[chunk.key(number)]
                    failed.append(Failure(path, failure.kind, failure.reason, known))
        for path, failure in self._ingest.troubles.items():
            failed.append(Failure(path, failure.kind, failure.reason, False))
        for path, trouble in self._survey.troubled.items():
            failed.append(Failure(path, trouble.kind, trouble.reason, False))
        return sorted(failed, key=lambda failure: failure.path)


class _Named:
    """The keys that a tree names, of those that were counted in it."""

    def __init__(self, counts: Counter[bytes]) -> None:
        self._counts = counts

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self._counts[key] > 0


class _Stored:
    """The keys whose vector was stored before this run."""

    def __init__(self, ingest: Ingest) -> None:
        self._vectors = ingest.vectors

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self._vectors.stored(key)


def _joined(changes: list[Change], unfit: list[Change]) -> list[Change]:
    """Changes, and what must go besides: of a path that is in both, the key that it had first."""
    first = {path: old for path, old, _ in changes}
    gone = {path for path, _, _ in unfit}
    kept = [change for change in changes if change[0] not in gone]
    return [*kept, *((path, first.get(path, old), None) for path, old, _ in unfit if first.get(path, old) is not None)]


def _held(at: str) -> Refused:
    return Refused(f"syncing is held at {at} since a rollback", "go on with: vstore rollback --release")


def _agreed_name(label: bytes) -> str:
    return f"agreed/{os.fsdecode(label)}"
