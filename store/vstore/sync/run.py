"""One sync: scan, decide, read and embed what is new, keep it, and commit a snapshot."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vstore.disk.catalogue import Catalogue
from vstore.embed.embedder import Embedder
from vstore.errors import CommitRace, ModelError, UsageError, VstoreError
from vstore.format.canonical import Json
from vstore.format.delta import CLASSES, Change, classify
from vstore.format.entries import Snapshot
from vstore.format.pages import Tree
from vstore.format.recipes import Recipe
from vstore.intake.ingest import Ingest, check_faiss, mark_failed
from vstore.intake.keeper import publish_seal, recover
from vstore.intake.survey import FAILED, HAS_KEY, Survey, Surveyor
from vstore.intake.targets import Plan, plan
from vstore.pictures.scan_options import OptionEdits
from vstore.progress import Progress, Silent
from vstore.repository.repository import Repository
from vstore.repository.snapshots import new_snapshot
from vstore.sync import guards
from vstore.sync.edits import Edits, edits_of, images_gained, occurrences, touched
from vstore.sync.memory import Memory
from vstore.sync.merge import merge_small
from vstore.sync.report import Failure, SyncReport

if TYPE_CHECKING:
    from vstore.repository.leftovers import Candidate

ATTEMPTS = 10  # times that a run compares anew because another snapshot became current meanwhile


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
    isolate_decoding: bool = False
    edits: OptionEdits = OptionEdits()


class _Moved(Exception):
    """Another snapshot became current while this run was working."""


class _Everything:
    """Holds every key: what a survey means if all that is known by key has a vector."""

    def __contains__(self, key: object) -> bool:
        return True


class _Hopeful:
    """Holds every key that has a vector, or may get one when it is tried."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and (key in self._ingest.vectors or self._ingest.wants(key))


class Run:
    """One sync, or one look at what a sync would do."""

    _space: str
    _plan: Plan
    _parent: Snapshot | None
    _base: Tree
    _first: Tree
    _held: Tree  # what the last edits were held against
    _survey: Survey
    _agreed: frozenset[bytes]
    _memory: Memory
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
        self._edits = options.edits  # those that no record of this run has yet
        self._catalogue: Catalogue | None = None
        self._began = time.perf_counter()
        self._committed = time.monotonic()
        self._recovered = 0
        self._written: Snapshot | None = None
        self._named: Counter[bytes] | None = None
        self._unfit: dict[bytes, bytes] = {}
        self._moved: dict[str, str] = {}
        self._absorbed: dict[str, str] = {}

    def sync(self, paths: Sequence[bytes]) -> SyncReport:
        """Bring the store up to what is on disk.

        Raises: UsageError, Refused, Locked, Interrupted, Damage, ModelError, DiskTrouble, CommitRace. Vectors that were
        finished before an error are kept, and found by the next run.
        """
        repo = self._repo
        with repo.lock("ingest") as lock:
            lock.acquire(None if self._options.wait else 0.0, "sync", self._stop.is_set)
            repo.reload()
            repo.refuse_unsound()
            check_faiss(repo.layout.cache)
            repo.refuse_held()
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
            if not self._options.allow_mass_delete:
                guards.loses_little(self._sighted(), self._survey, self._base, repo.hash.size)
            mark_failed(self._survey, self._known_failures())
            hopeful = _Hopeful(self._ingest)
            edits = edits_of(self._survey, self._base, hopeful, self._ingest.failures, complete=True)
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
            current = self._repo.state.current_snapshot
            space = current.space if current else repo.state.start_space
            if space is None:
                raise ModelError("this store has no embedding space", "make it anew with: vstore init")
            self._space = space
        self._compare_with_current(paths)
        self._memory = Memory(repo, self._catalogue, self._space)
        self._ingest = Ingest(
            repo,
            self._space,
            self._catalogue,
            self._load,
            self._progress,
            self._stop,
            max_file_size=self._options.max_file_size,
            max_pixels=self._options.max_pixels,
            command="sync",
            isolate=self._options.isolate_decoding,
        )

    def _compare_with_current(self, paths: Sequence[bytes]) -> None:
        repo = self._repo
        self._plan = plan(repo, paths, self._options.as_label, self._edits)
        for label, root in self._plan.roots.items():
            before = repo.state.roots.get(label)
            if root is not None and before is not None and repo.place(before) != repo.place(root):
                self._moved[label] = os.fsdecode(repo.place(root))
        self._absorbed.update(self._plan.absorbed)
        self._parent = self._repo.state.current_snapshot
        tree = repo.mapped_tree(self._parent, {**repo.state.absorbed, **self._plan.absorbed})
        self._base = self._first = self._held = tree

    def _attempts(self, paths: Sequence[bytes]) -> SyncReport:
        for _ in range(ATTEMPTS):
            try:
                self._scan()
                if not self._is_safe():
                    self._memory.note(self._survey, self._ingest)
                    return self._report(Edits(), dry_run=False)
                complete = self._learn()
                edits = self._commit(complete=complete)
                merge_small(self._repo, self._space, "sync")
                return self._report(edits, dry_run=False)
            except _Moved:
                self._progress.note("another snapshot became current meanwhile: comparing with that one")
                self._ingest.settle()
                self._memory.note(self._survey, self._ingest)
                self._compare_with_current(paths)
                self._ingest.troubles.clear()
        raise CommitRace("other processes kept changing what is current", "run vstore sync again")

    def _scan(self) -> None:
        """Scan the targets, and refuse what looks like an unmounted disk."""
        repo, allowed = self._repo, self._options.allow_mass_delete
        guards.places_are_there(self._plan, self._base, allowed)
        labels = {os.fsencode(target.root.label) for target in self._plan.targets}
        self._agreed = frozenset(label for label in labels if self._memory.agrees(label, self._parent, self._base))
        self._progress.stage("scan", None)
        store = os.stat(repo.layout.folder)
        absorbed = {**repo.state.absorbed, **self._plan.absorbed}
        skip = (store.st_dev, store.st_ino)
        surveyor = Surveyor(self._catalogue, self._base, repo.hash.size, skip, absorbed, self._progress)
        self._survey = surveyor.survey(self._plan.targets, self._agreed)
        guards.roots_list_something(self._survey, self._base, allowed)
        for target in self._plan.targets:
            if not target.known and not self._survey.found.get(target.prefix) and not self._survey.troubled:
                raise UsageError(
                    f"{os.fsdecode(target.place)} holds no picture ({self._survey.ignored} other files)",
                    "name a folder of pictures; --include GLOB adds names that vstore does not know",
                )

    def _is_safe(self) -> bool:
        """Make sure that the run will not lose what it should not. False if it was stopped before that was decided.

        Raises: Refused.
        """
        if self._options.allow_mass_delete or not self._base.leaves:
            return True
        if guards.could_lose_much(self._sighted(), self._survey, self._base):
            self._ingest.hash(self._survey)
            if self._stop.is_set():
                return False
            guards.loses_little(self._sighted(), self._survey, self._base, self._repo.hash.size)
        return True

    def _learn(self) -> bool:
        """Read, hash and embed what must be. Returns: whether every file was hashed and every picture tried."""
        self._ingest.read_and_embed(self._survey, self._pause)
        self._ingest.embed_rest(self._survey, self._pause)
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
        if self._options.space is not None:
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
        before = occurrences(self._base, self._nameable(changes), repo.hash.size)
        tree = self._base.edited({path: new for path, _, new in changes})
        if self._options.space is not None:
            unfit = self._unfit_in_space(tree, complete)
            if unfit is None:
                return Edits()
            self._unfit = {path: key for path, key, _ in unfit if key is not None}
            tree = tree.edited({path: None for path, _, _ in unfit})
            changes = _joined(changes, unfit)
            before = occurrences(self._base, touched(changes), repo.hash.size)
        self._named = before
        self._progress.stage("commit", None)
        refs = ingest.write_rest()
        with repo.committing("sync"):
            found = self._repo.state.current_snapshot
            moved = (found and found.id) != (self._parent and self._parent.id)
            document: dict[str, Json] = {}
            if refs:
                listed = [*repo.state.segments(self._space), *refs]
                document["segments"] = repo.state.segments_changed(self._space, listed)
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
                repo.refuse_held()
                raise _Moved
            document |= self._plan.changes()
            same = found is not None and found.space == self._space and repo.manifest(found).tree == tree.root
            # A run that came to its end leaves no snapshot of its own current that says it was cut short.
            same = same and not (complete and found == self._written and found is not None and found.partial)
            if same or (found is None and not changes):
                self._publish("seal" if refs else "roots", document, about=", ".join(sorted(self._plan.roots)))
            else:
                gained = images_gained(before, changes)
                images = (found.images if found else 0) + gained
                self._publish_snapshot(document, tree, images, found, partial=not complete)
            ingest.listed()
        old = self._held = self._base
        self._parent = self._repo.state.current_snapshot
        # What is fresh in a tree would be stored again by the next commit of this run: its pages lie in packs now.
        self._base = Tree(repo.hash, repo.packs.get, tree.root) if self._written else tree
        self._plan, self._edits = Plan(self._plan.targets, {}, {}), OptionEdits()
        self._committed = time.monotonic()
        self._memory.remember(self._survey, self._ingest, old, self._base, complete)
        return edits

    def _nameable(self, changes: list[Change]) -> set[bytes]:
        """The keys of changes that the base can name. What had no vector when the run began stands in no snapshot that
        it began with, so that whoever only adds pictures need not look through all keys for theirs."""
        keys, parent = touched(changes), self._parent
        if self._base is not self._first or parent is None or parent.space != self._space or parent.degraded:
            return keys
        return {key for key in keys if self._ingest.vectors.stored(key)}

    def _publish(self, op: str, document: dict[str, Json], about: str = "") -> None:
        if document:
            self._repo.publish(op, document, about=about)

    def _publish_snapshot(
        self, document: dict[str, Json], tree: Tree, images: int, parent: Snapshot | None, *, partial: bool
    ) -> None:
        snapshot, changes, blobs = new_snapshot(
            self._repo, self._space, tree, images, parent, self._options.message, partial=partial
        )
        changes["packs"] = self._repo.add_pack(blobs)
        about = f"{snapshot.name}: {snapshot.paths} path{'s' * (snapshot.paths != 1)}"
        self._repo.publish("sync", {**document, **changes}, about=about)
        self._written = snapshot

    def _unfit_in_space(self, tree: Tree, complete: bool) -> list[Change] | None:
        """A snapshot of a space that was asked for is whole or is not: every picture has a vector there, or a failure.

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
        self._memory.note(self._survey, self._ingest)
        if not complete:
            return None
        first = ", ".join(os.fsdecode(path) for path in missing[:10])
        raise VstoreError(
            f"{len(missing)} pictures have no vector in the space {self._options.space!r} yet: {first}",
            "sync all folders with --space, without naming a part of them; what was embedded is kept",
        )

    # The report

    def _report(self, edits: Edits, *, dry_run: bool) -> SyncReport:
        repo, ingest = self._repo, self._ingest
        if not dry_run and self._held is not self._first:
            edits = edits_of(self._survey, self._first, ingest.vectors, ingest.failures, complete=not self._is_partial)
            self._named = None
        named = self._named
        if named is None:
            named = occurrences(self._first, touched(edits.every()), repo.hash.size)
        delta = classify(edits.changes, _Named(named), _Stored(ingest))
        removed = delta.counts["removed"]
        to_embed = sum(map(ingest.wants, self._keys_after(edits))) if dry_run else 0
        current = self._repo.state.current_snapshot
        paths, images = (current.paths, current.images) if current else (0, 0)
        if dry_run:
            changes = edits.every()
            paths = len(self._first) + sum((new is not None) - (old is not None) for _, old, new in changes)
            images += images_gained(named, changes)
        measured, pictures = self._memory.measured(ingest)
        rate = measured / pictures if pictures else None
        seconds = time.perf_counter() - self._began
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
            seconds=round(seconds, 3),
            full_seconds=round(seconds - ingest.embed_seconds + rate * images, 3)
            if rate is not None and images
            else None,
            to_embed=to_embed,
            embed_seconds=round(rate * to_embed, 3) if rate is not None and dry_run else None,
            recovered=self._recovered,
            interrupted=self._stop.is_set(),
            held=repo.state.hold if dry_run else None,
            moved=self._moved,
            absorbed=self._absorbed,
            candidates=self._candidates(edits, named),
            examples={name: tuple(delta.examples[name]) for name in CLASSES},
        )

    def _candidates(self, edits: Edits, named: Counter[bytes]) -> tuple[Candidate, ...]:
        """Pictures that no path named before, and which may belong to rows that an import left over."""
        if not self._repo.state.imports:
            return ()
        from vstore.repository.leftovers import candidates

        added = ((path, new) for path, old, new in edits.changes if old is None and new is not None)
        new = sorted((path, key) for path, key in added if not named[key])
        return tuple(candidates(self._repo, self._space, new)) if new else ()

    def _keys_after(self, edits: Edits) -> set[bytes]:
        """The keys that may have no vector in the space of this run, once the edits are made."""
        if self._options.space is None:
            return {new for _, _, new in edits.changes if new is not None}
        return {key for _, key in self._first.edited({path: new for path, _, new in edits.every()})}

    @property
    def _is_partial(self) -> bool:
        return self._written is not None and self._written.partial

    def _failed(self) -> list[Failure]:
        failed = []
        for chunk in self._survey.chunks if self._ingest.failures else ():
            for number, path, _ in chunk.files():
                if chunk.states[number] in HAS_KEY and chunk.key(number) in self._ingest.failures:
                    failure, known = self._ingest.failures[chunk.key(number)]
                    failed.append(Failure(path, failure.kind, failure.reason, known))
        for path, failure in self._ingest.troubles.items():
            known = failure.kind == "too_large" and path in self._survey.large
            failed.append(Failure(path, failure.kind, failure.reason, known))
        for path, trouble in self._survey.troubled.items():
            failed.append(Failure(path, trouble.kind, trouble.reason, False))
        met = {failure.path for failure in failed}
        for path, key in self._unfit.items():
            if path not in met:
                failure, known = self._ingest.failures[key]
                failed.append(Failure(path, failure.kind, failure.reason, known))
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
