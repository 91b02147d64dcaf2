"""One sync: plan, read and embed the new pictures, and commit a snapshot."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vstore.counts import counted, some
from vstore.disk.cache import BELIEVED, TURN
from vstore.disk.catalogue import Catalogue
from vstore.disk.inside import exists
from vstore.errors import CommitRace, Interrupted, ModelError, VstoreError
from vstore.format.tree import Tree
from vstore.intake.ingest import Ingest
from vstore.intake.keeper import publish_seal, recover
from vstore.intake.survey import Survey
from vstore.intake.targets import scope_of
from vstore.progress import Stages
from vstore.repository.acquaintance import keep_named
from vstore.repository.repository import Repository
from vstore.stop import finishing
from vstore.sync.absent_parts import refuse_absent
from vstore.sync.commit import Commit, Moved
from vstore.sync.decision import Base, decide, decide_whole
from vstore.sync.edits import Edits, edits_of
from vstore.sync.memory import Memory
from vstore.sync.options import Options
from vstore.sync.plan import Planner
from vstore.sync.report import SyncReport
from vstore.sync.reporting import Outcome, Reporter

if TYPE_CHECKING:
    from vstore.embed.embedder import Embedder
    from vstore.format.recipes import Recipe

ATTEMPTS = 10  # times that a run compares again because another snapshot became current meanwhile


class _Hopeful:
    """The keys with a vector, or with the prospect of one."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and (key in self._ingest.vectors or self._ingest.wants(key))


class Run:
    """One sync, or one dry run."""

    _space: str
    _base: Base
    _first: Tree  # the aliases before the run
    _held: Tree  # the aliases before its last commit
    _memory: Memory
    _ingest: Ingest
    _planner: Planner
    _reporter: Reporter

    def __init__(
        self,
        repo: Repository,
        options: Options,
        *,
        load: Callable[[Recipe], Embedder],
        machine: Callable[[Recipe], str],
        sees_pixels_alone: Callable[[Recipe], bool],
        stages: Stages | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """
        load:              loads the model of a recipe, once a picture needs it.
        machine:           names what is known of the machine before that.
        sees_pixels_alone: tells whether equal prepared pixels get equal vectors from the model of a recipe.
        stop:              set by another thread, ends the run after the batch at hand.
        """
        self._repo = repo
        self._options = options
        self._load = load
        self._machine = machine
        self._sees_pixels_alone = sees_pixels_alone
        self._stages = stages or Stages()
        self._stop = stop or threading.Event()
        self._edits = options.edits()
        self._catalogue: Catalogue | None = None
        self._began = time.perf_counter()
        self._committed = time.monotonic()
        self._recovered = 0
        self._before: Counter[bytes] | None = None
        self._unfit: dict[bytes, bytes] = {}
        self._moved: dict[str, str] = {}
        self._absorbed: dict[str, str] = {}

    def sync(self, paths: Sequence[bytes]) -> SyncReport:
        """Bring the store up to date with the disk. An error loses no finished vector: the next run finds them.

        Raises: UsageError, Refused, Locked, Interrupted, Damage, ModelError, DiskTrouble, CommitRace. Damage that is
                found by reading stored vectors again is raised once everything else is done.
        """
        from vstore.disk.proven_faiss import check_faiss  # `look` does without it

        repo = self._repo
        with repo.lock("ingest") as lock:
            lock.acquire(None if self._options.wait else 0.0, "sync", self._stop.is_set, self._stages.note)
            self._stages.share(lock.tell)
            began = time.perf_counter()
            repo.reload()
            repo.refuse_unsound()
            check_faiss(repo.layout.cache)
            repo.refuse_held()
            self._recovered = recover(repo, "sync")
            self._aim(paths)  # before anything is written: a refusal leaves a stranger's store as it was
            self._catalogue = repo.catalogue(write=True)
            try:
                self._begin()
                self._keep_named()
                try:
                    report = self._attempts(paths)
                finally:
                    self._ingest.close()
            finally:
                if self._catalogue is not None:
                    self._catalogue.close()
            self._read_again(time.perf_counter() - began)
            return report

    def _read_again(self, took: float) -> None:
        """Read stored vectors again whose turn it is; few stores are so large that they have any. Raises: Damage."""
        cache = self._repo.layout.cache
        if exists(cache / BELIEVED) or exists(cache / TURN):
            from vstore.sync.read_again import read_again

            read_again(self._repo, took=took, is_stopped=self._stop.is_set)

    def look(self, paths: Sequence[bytes]) -> SyncReport:
        """Plan a `sync`. Hashes if it must; embeds nothing, writes nothing, takes no lock."""
        repo = self._repo
        self._aim(paths)
        self._catalogue = repo.catalogue(write=False)
        try:
            self._begin()
            survey = self._scan()
            if survey is None:
                return self._report(Survey([]), Edits(), dry_run=True)
            self._planner.hash(self._base, survey)
            self._ingest.review_failures(survey)
            hopeful, failures = _Hopeful(self._ingest), self._ingest.failures
            edits = edits_of(survey, self._base.tree, hopeful, failures, complete=True)
            return self._report(survey, edits, dry_run=True)
        finally:
            if self._catalogue is not None:
                self._catalogue.close()

    def _aim(self, paths: Sequence[bytes]) -> None:
        """Fix the space and the base of the run."""
        self._space = self._choose_space()
        self._base = self._compared_with_current(paths)
        if self._options.files_from is None:  # a program may list what came and went; the report notes it
            refuse_absent(self._base.scope.targets, self._base.tree)

    def _begin(self) -> None:
        """Set up the parts of the run."""
        repo, options = self._repo, self._options
        self._memory = Memory(repo, self._catalogue, self._space)
        self._ingest = Ingest(
            repo,
            self._space,
            self._catalogue,
            load=self._load,
            stages=self._stages,
            stop=self._stop,
            max_file_size=options.max_file_size,
            max_pixels=options.max_pixels,
            command="sync",
            isolate=options.isolate_decoding,
            machine=self._machine,
            sees_pixels_alone=self._sees_pixels_alone,
            retry_failed=options.retry_failed,
            least=self._least(),
        )
        self._planner = Planner(
            repo,
            self._catalogue,
            ingest=self._ingest,
            memory=self._memory,
            stages=self._stages,
            stop=self._stop,
            allowed=options.allow_mass_delete,
        )
        self._reporter = Reporter(
            repo, self._space, ingest=self._ingest, memory=self._memory, asked=self._asked, began=self._began
        )

    def _keep_named(self) -> None:
        """Note the folders that the user names: the next sync of all folders looks there without being told."""
        keep_named(self._repo, [target.root for target in self._base.scope.targets if target.named])

    def _least(self) -> dict[str, int]:
        """Read of all folders, those that are new or changed included, from which share on they take cut pictures."""
        roots = {**self._repo.state.roots, **self._base.scope.roots}
        options = {label: self._repo.scan_options(root) for label, root in roots.items() if root is not None}
        return {label: some.accept_truncated for label, some in options.items()}

    @property
    def _asked(self) -> bool:
        """True if the caller named the space."""
        return self._options.space is not None

    def _choose_space(self) -> str:
        state = self._repo.state
        if self._options.space is not None:
            return self._repo.space(self._options.space).id
        space = state.current_space
        if space is None:
            raise ModelError("this store has no embedding space", "make a new store with: vstore init --store DIR")
        return space

    def _compared_with_current(self, paths: Sequence[bytes], previous: Base | None = None) -> Base:
        """Return the current base. previous: the base of an earlier attempt."""
        repo = self._repo
        scope = scope_of(repo, paths, self._options.as_label, self._edits, self._options.leave_out)
        for label, root in scope.roots.items():
            before = repo.state.roots.get(label)
            if root is not None and before is not None and repo.place(before) != repo.place(root):
                self._moved[label] = os.fsdecode(repo.place(root))
        self._absorbed.update(scope.absorbed)
        parent = repo.state.current_snapshot
        tree = repo.mapped_tree(parent, repo.after_folders(scope.changes()))
        self._first = self._held = tree
        self._start = parent
        if any(target.under for target in scope.targets):
            from vstore.sync.respelled_parts import respelled_parts  # a sync of whole folders does without it

            more = respelled_parts(repo, tree, scope.targets)
            scope = scope._replace(targets=sorted([*scope.targets, *more], key=lambda target: target.prefix + b"/"))
        return Base(parent, tree, scope, previous.written if previous else None)

    def _attempts(self, paths: Sequence[bytes]) -> SyncReport:
        for _ in range(ATTEMPTS):
            survey = self._scan()
            if survey is None:
                return self._report(Survey([]), Edits(), dry_run=False)
            try:
                with finishing(self._stop, "this file"):
                    if not self._planner.is_safe(self._base, survey):
                        self._memory.note(survey, self._ingest)
                        return self._report(survey, Edits(), dry_run=False)
                with finishing(self._stop, "this batch"):
                    edits = self._act(survey)
                return self._report(survey, edits, dry_run=False)
            except Moved:
                self._stages.note("another snapshot became current: comparing with that one")
                self._ingest.settle()
                self._memory.note(survey, self._ingest)
                self._base = self._compared_with_current(paths, self._base)
                self._ingest.forget_troubles()
        raise CommitRace("other processes kept changing the current snapshot", "run vstore sync again")

    def _scan(self) -> Survey | None:
        """Scan the folders. Returns: None if the run was asked to stop meanwhile."""
        try:
            return self._planner.scan(self._base)
        except Interrupted:
            return None

    def _act(self, survey: Survey) -> Edits:
        """Read, hash and embed the new pictures, and commit. Raises: Moved."""
        from vstore.sync.merge import merge_small  # `look` does without it

        before = self._repo.state.segments(self._space)

        def pause() -> None:
            due = time.monotonic() - self._committed > self._options.commit_every
            if due and not self._asked:  # a snapshot of a space that was asked for is never partial
                self._commit(survey, complete=False)

        self._ingest.read_and_embed(survey, self._base.tree, pause)
        self._ingest.embed_rest(survey, self._base.tree, pause)
        edits = self._commit(survey, complete=not self._stop.is_set())
        if not self._stop.is_set():
            merge_small(self._repo, self._space, "sync")
            if self._repo.state.segments(self._space) != before:
                from vstore.approximate.upkeep import keep_indexes_up  # few runs have new vectors

                keep_indexes_up(self._repo, self._stages, stop=self._stop)
        return edits

    def _commit(self, survey: Survey, *, complete: bool) -> Edits:
        """Publish the meaning of the survey for the base, and remember the facts learnt.

        complete: every file was hashed and every picture tried.
        Raises: Moved if another snapshot became current; the vectors are sealed then.
        """
        repo, ingest, base = self._repo, self._ingest, self._base
        ingest.review_failures(survey)
        size = repo.hash.size
        if self._asked:
            decision = decide_whole(base, survey, ingest, key_size=size, complete=complete)
            if decision.missing or not complete:
                self._keep_for_later(survey)
                if not complete:
                    return Edits()
                raise self._incomplete(decision.missing)
        else:
            decision = decide(base, survey, ingest, space=self._space, key_size=size, complete=complete)
        if complete:
            self._planner.refuse_spoilt(base, survey, decision.edits, decision.tree)
        gained = {new for _, _, new in decision.changes if new is not None and not decision.before[new]}
        ingest.read_headers(survey, gained)
        self._unfit = decision.unfit
        self._before = decision.before
        self._stages.begin("writing the snapshot")
        commit = Commit(
            repo,
            base,
            decision,
            ingest=ingest,
            space=self._space,
            asked=self._asked,
            message=self._options.message,
            complete=complete,
            allowed=self._options.allow_mass_delete,
        )
        written = commit.write()
        self._held = base.tree
        self._base = base.after(repo, decision.tree, written)
        self._edits = self._edits._replace(repeated=True)  # an undo of this commit takes them back
        self._committed = time.monotonic()
        self._memory.remember(survey, ingest, base.tree, self._base.tree, complete=complete)
        return decision.edits

    def _keep_for_later(self, survey: Survey) -> None:
        """Seal the vectors without a snapshot."""
        refs, facts = self._ingest.write_rest(), self._ingest.new_facts()
        if refs:
            publish_seal(self._repo, "sync", self._space, refs, facts)
            self._ingest.listed(facts)
        self._memory.note(survey, self._ingest)

    def _incomplete(self, missing: list[bytes]) -> VstoreError:
        file_of = self._repo.file_finder(None)  # these paths have the names of today
        first = some([os.fsdecode(file_of(path) or path) for path in missing])
        have = "has" if len(missing) == 1 else "have"
        return VstoreError(
            f"{counted(len(missing), 'picture')} {have} no vector in the space {self._options.space!r} yet: {first}",
            "sync all folders with --space, without naming a part of them; finished vectors are kept",
        )

    def _report(self, survey: Survey, edits: Edits, *, dry_run: bool) -> SyncReport:
        written, ingest = self._base.written, self._ingest
        if not dry_run and self._held is not self._first:  # several commits: report what they changed together
            partial = written is not None and written.partial
            edits = edits_of(survey, self._first, ingest.vectors, ingest.failures, complete=not partial)
            self._before = None
        outcome = Outcome(
            start=self._start,
            first=self._first,
            edits=edits,
            before=self._before,
            survey=survey,
            written=written,
            unfit=self._unfit,
            moved=self._moved,
            absorbed=self._absorbed,
            recovered=self._recovered,
            interrupted=self._stop.is_set(),
        )
        return self._reporter.report(outcome, dry_run=dry_run)
