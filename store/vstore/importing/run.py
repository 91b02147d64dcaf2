"""One import: rows meet files, files give keys, and believed rows become a segment and a snapshot."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from vstore.approximate.upkeep import keep_indexes_up
from vstore.disk.catalogue import Catalogue
from vstore.errors import UsageError
from vstore.format.rest_entry import Import
from vstore.importing.commit import Commit, Decided
from vstore.importing.facts import decided_facts
from vstore.importing.fields import decided_fields
from vstore.importing.old_index import Old, open_old
from vstore.importing.options import ImportOptions
from vstore.importing.pairing import Pairer, Pairing
from vstore.importing.profile import UNIT, are_halves
from vstore.importing.refusal import contradiction, nothing_found
from vstore.importing.remarks import remarks
from vstore.importing.report import ImportRefused, ImportReport, look_at_report, write_report
from vstore.importing.resumed import open_resumed
from vstore.importing.space import choose_space, resumed_space
from vstore.importing.verdict import Judge, settle_embedded_again
from vstore.intake.keeper import recover
from vstore.intake.stat_cache import put_stats
from vstore.intake.stored_keys import align
from vstore.near_files import did_you_mean, near_files
from vstore.progress import Progress, Stages
from vstore.repository.acquaintance import KnownFolders, keep_named
from vstore.repository.leftovers import as_of
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    import threading


class ImportRun:
    """One import, or one preview of an import."""

    def __init__(
        self, repo: Repository, options: ImportOptions, progress: Progress | None, stop: threading.Event
    ) -> None:
        self._repo = repo
        self._options = options
        self._stages = Stages(progress)
        self._stop = stop
        self._began = time.perf_counter()
        self._catalogue: Catalogue | None = None
        self._resumed: Import | None = None
        self._notes: list[str] = []

    def run(self) -> ImportReport:
        """Import. Whatever is raised, the state of the store is as it was before.

        Raises: UsageError, Refused, ImportRefused, Locked, ModelError, MissingPackage, Damage, DiskTrouble.
        """
        repo = self._repo
        if self._options.report is not None:
            look_at_report(self._options.report, self._options.named)
        if self._options.dry_run:
            return self._import()
        with repo.lock("ingest") as lock:
            lock.acquire(None if self._options.wait else 0.0, "import", self._stop.is_set, self._stages.note)
            self._stages.share(lock.tell)
            repo.reload()
            repo.refuse_unsound()
            repo.refuse_held()
            recover(repo, "import")
            return self._import()

    def _import(self) -> ImportReport:
        repo = self._repo
        self._catalogue = repo.catalogue(write=not self._options.dry_run)
        try:
            decided = self._decide()
            report = self._report(decided)
            self._refuse(decided, report)
            nothing_new = self._resumed is not None and len(decided.verdict.left) == decided.old.source.rows
            if not self._options.dry_run and not nothing_new:
                report = self._commit(decided, report)
            return self._written(report)
        finally:
            if self._catalogue is not None:
                self._catalogue.close()

    # Deciding

    def _decide(self) -> Decided:
        repo = self._repo
        self._refuse_missing_root()
        self._stages.begin("reading the old index")
        old = self._open()
        resumed = self._resumed
        chosen = choose_space(repo, self._options, old) if resumed is None else resumed_space(repo, resumed)
        pairing = self._pair(old)
        verdict = Judge(repo, chosen.id).decide(old, pairing)
        if resumed is not None:
            settle_embedded_again(repo, resumed, verdict)
        if verdict.by_name:
            repo.require_format_2("vectors of pictures that are known by name alone")
        self._notes += remarks(pairing.ways, verdict, resumed=resumed is not None)
        fields = decided_fields(repo, self._options, old, verdict, resumed=resumed is not None)
        facts = decided_facts(repo, old, verdict)
        self._notes += [*fields.notes, *facts.notes]
        return Decided(
            old=old,
            chosen=chosen,
            pairing=pairing,
            verdict=verdict,
            resumed=resumed,
            fields=fields,
            facts=facts.added,
        )

    def _refuse_missing_root(self) -> None:
        """Refuse a folder of pictures that is none, before vectors are read. Raises: UsageError."""
        root = self._options.root
        if root is not None and not os.path.isdir(root):
            what = "is not a folder" if os.path.lexists(root) else "does not exist"
            step = did_you_mean(near_files(root), "name the folder of the pictures with --root")
            raise UsageError(f"{os.fsdecode(root)} {what}", step)

    def _open(self) -> Old:
        options, repo = self._options, self._repo
        if options.resume is None:
            return open_old(options.named, options.path_field, options.rows_by, options.force)
        if any(value is not None for value in options.named) or options.recipe is not None:
            raise UsageError("--resume continues an earlier import", "name no other index with it")
        found = repo.state.imports.get(options.resume)
        if found is None:
            had = ", ".join(repo.state.imports) or "none"
            raise UsageError(f"no import {options.resume!r} set rows aside", f"imports with rows set aside: {had}")
        current = repo.state.current_snapshot
        self._resumed = as_of(repo, found, current.space) if current else found
        return open_resumed(repo, self._resumed)

    def _pair(self, old: Old) -> Pairing:
        options, repo = self._options, self._repo
        pairer = Pairer(repo, options=options, catalogue=self._catalogue, stages=self._stages, stop=self._stop)
        if old.exported is not None:
            return pairer.by_keys(old.exported)
        root = options.root
        if root is None and self._resumed is not None and self._resumed.root in repo.state.roots:
            known = repo.state.roots[self._resumed.root]
            KnownFolders(repo).require([known])
            root = repo.place(known)
        if root is None:
            raise UsageError("the folder of the pictures was not named", "name it with --root")
        return pairer.by_paths(old, root)

    def _refuse(self, decided: Decided, report: ImportReport) -> None:
        """Raises: ImportRefused if the old index contradicts itself, or none of its pictures was found."""
        found = contradiction(decided.verdict)
        if found is not None:
            if not self._options.force:
                raise self._refused(report, found.what, found.step)
            self._notes.append(f"forced: {found.what}; the first of each was taken")
        refusal = nothing_found(decided.verdict, report, resumed=self._resumed is not None)
        if refusal is not None:
            raise self._refused(report, refusal.what, refusal.step)

    def _refused(self, report: ImportReport, what: str, step: str) -> ImportRefused:
        if self._options.report is not None:
            about = {"refused": what, "next": step, "vectors_from": report.vectors_from}
            write_report(self._options.report, report.rows_of, about)
        return ImportRefused(what, step)

    # Writing

    def _commit(self, decided: Decided, report: ImportReport) -> ImportReport:
        repo, old, pairing = self._repo, decided.old, decided.pairing
        self._stages.begin("writing the snapshot")
        written = Commit(repo, self._options, decided, self._stop).write()
        keep_named(repo, pairing.named)
        keep_indexes_up(repo, self._stages, stop=self._stop)
        if self._catalogue is not None:
            # No sync hashes these files again, nor looks for their vectors.
            with self._catalogue.batch() as batch:
                align(repo, self._catalogue, batch, report.space)
                put_stats(batch, pairing.learnt)
        current = repo.state.current_snapshot
        return report._replace(
            import_id=written.import_id,
            snapshot=written.snapshot,
            current=current.name if current else None,
            id=current.id if current else None,
            status=repo.state.spaces[report.space].status,
            seconds=round(time.perf_counter() - self._began, 3),
            notes=(*old.notes, *pairing.notes, *self._notes, *written.notes),
            created_store=written.created_store,
        )

    # Reporting

    def _report(self, decided: Decided) -> ImportReport:
        """Report what was decided, before anything is written."""
        import numpy as np

        old, chosen, pairing, verdict, _, fields, _ = decided
        rows = np.array(sorted(verdict.winners), np.int64)
        kept = 0
        if old.source.dtype == "float16" or (
            old.finished and (self._repo.dtype != "float16" or are_halves(old.source))
        ):
            kept = int((np.abs(old.seen.norms[rows] - 1) <= UNIT).sum())
        current = self._repo.state.current_snapshot
        return ImportReport(
            import_id=None,
            snapshot=None,
            current=current.name if current else None,
            id=current.id if current else None,
            space=chosen.id,
            space_name=chosen.name,
            status=chosen.status,
            root=pairing.label,
            vectors_from=old.origin,
            dim=old.source.dim,
            rows=old.source.rows,
            added=len(verdict.winners),
            known=verdict.known,
            kept_bits=kept,
            normalised=len(verdict.winners) - kept,
            left=len(verdict.left),
            dry_run=self._options.dry_run,
            seconds=round(time.perf_counter() - self._began, 3),
            notes=(*old.notes, *pairing.notes, *self._notes),
            rows_of=tuple(verdict.rows),
            moved=verdict.moved,
            by_name=len(verdict.by_name),
            near=verdict.near,
            fields=fields.kept,
            fields_left=fields.left,
            fields_replaced=fields.replaced,
            root_place=pairing.place,
        )

    def _written(self, report: ImportReport) -> ImportReport:
        """Write the report where it was asked for."""
        if self._options.report is None:
            return report
        try:
            write_report(self._options.report, report.rows_of, report.to_json())
        except UsageError as err:
            if report.dry_run:
                raise
            return report._replace(notes=(*report.notes, err.message))  # the import is done
        return report
