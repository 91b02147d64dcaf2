"""One import: rows meet files, files give keys, and what is believed becomes a segment and a snapshot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from vstore.clock import now
from vstore.disk.catalogue import Catalogue
from vstore.errors import ModelError, UsageError
from vstore.format.canonical import Json, canonical
from vstore.format.entries import FileRef, Import, Snapshot, Space, listed_packs
from vstore.format.layout import why_not_a_name
from vstore.format.recipes import Recipe, space_id
from vstore.importing.finishing import selected
from vstore.importing.matching import EDITED
from vstore.importing.meeting import Host, Meeting
from vstore.importing.old import Old, open_old
from vstore.importing.options import ImportOptions
from vstore.importing.report import ImportRefused, ImportReport, look_at_report, short, write_report
from vstore.importing.resumed import open_resumed
from vstore.importing.vectors import UNIT
from vstore.importing.verdict import Judge, Verdict, settle_embedded_anew
from vstore.intake.keeper import recover
from vstore.intake.stored_keys import align
from vstore.intake.survey import keep_stats
from vstore.progress import Progress, Silent
from vstore.repository.leftovers import as_of, left_rows, write_leftovers
from vstore.repository.repository import Repository
from vstore.repository.snapshots import images_of, new_snapshot

if TYPE_CHECKING:
    import threading

FAMILY = "imported"  # the family of a recipe that knows no model
NAMED = 5  # rows that a message names


class _Left(NamedTuple):
    """What waits for its pictures, as the log will have it, and the packs that hold it; none where it waited before."""

    kept: Import
    packs: list[FileRef]


class ImportRun:
    """One import, or one look at what an import would do."""

    def __init__(
        self, repo: Repository, options: ImportOptions, progress: Progress | None, stop: threading.Event
    ) -> None:
        self._repo = repo
        self._options = options
        self._progress: Progress = progress or Silent()
        self._stop = stop
        self._began = time.perf_counter()
        self._catalogue: Catalogue | None = None
        self._resumed: Import | None = None
        self._notes: list[str] = []

    def run(self) -> ImportReport:
        """Import. Raises: UsageError, Refused, ImportRefused, Locked, ModelError, MissingPackage, Damage, DiskTrouble.

        Whatever is raised, the store says what it said before.
        """
        repo = self._repo
        if self._options.report is not None:
            look_at_report(self._options.report, self._options.named)
        if self._options.dry_run:
            return self._import()
        with repo.lock("ingest") as lock:
            lock.acquire(None if self._options.wait else 0.0, "import", self._stop.is_set)
            repo.reload()
            repo.refuse_unsound()
            repo.refuse_held()
            recover(repo, "import")
            return self._import()

    def _import(self) -> ImportReport:
        repo = self._repo
        self._catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=not self._options.dry_run)
        try:
            self._progress.stage("read the vectors", None)
            old = self._open()
            space, name, status = self._space(old)
            met = self._meet(old)
            verdict = Judge(repo, space).decide(old, met)
            if self._resumed is not None:
                settle_embedded_anew(repo, self._resumed, verdict)
            report = self._report(old, met, verdict, space, name, status)
            self._refuse(old, verdict, report)
            if not self._options.dry_run and (self._resumed is None or len(verdict.left) < old.source.rows):
                report = self._commit(old, met, verdict, report)
            return self._written(report)
        finally:
            if self._catalogue is not None:
                self._catalogue.close()

    def _written(self, report: ImportReport) -> ImportReport:
        if self._options.report is None:
            return report
        try:
            write_report(self._options.report, report.rows_of, report.to_json())
        except UsageError as err:
            if report.dry_run:
                raise
            return report._replace(notes=(*report.notes, err.message))  # the import is done
        return report

    # What there is

    def _open(self) -> Old:
        options, repo = self._options, self._repo
        if options.resume is None:
            return open_old(options.named, options.path_field, options.rows_by, options.force)
        if any(value is not None for value in options.named) or options.recipe is not None:
            raise UsageError("--resume goes on with what the store kept", "name no other index with it")
        found = repo.state.imports.get(options.resume)
        if found is None:
            had = ", ".join(repo.state.imports) or "none"
            raise UsageError(f"no import {options.resume!r} has left anything over", f"the imports that have: {had}")
        current = self._repo.state.current_snapshot
        self._resumed = as_of(repo, found, current.space) if current else found
        return open_resumed(repo, self._resumed)

    def _space(self, old: Old) -> tuple[str, str, str]:
        """The space of the rows: its id, its name, and what it is to be called: claimed, unless it is known better."""
        repo, options = self._repo, self._options
        if self._resumed is not None:
            known = repo.state.spaces[self._resumed.space]
            return known.id, known.name, known.status
        self._recipe = self._recipe_of(old)
        space = space_id(self._recipe)
        if self._recipe["dim"] != old.source.dim:
            raise UsageError(
                f"the model gives vectors of {self._recipe['dim']} numbers, {old.origin} has {old.source.dim}",
                "it is not the model that made this index",
            )
        found = repo.state.spaces.get(space)
        if found is not None:
            if options.as_space not in (None, found.name):
                raise UsageError(
                    f"this space is here already, and is called {found.name!r}", "import without --as-space"
                )
            return space, found.name, found.status
        name = options.as_space or self._name_of(old, space)
        why_not = why_not_a_name(name)
        if why_not:
            raise UsageError(why_not, "choose another name with --as-space")
        if any(other.name == name for other in repo.state.spaces.values()):
            raise UsageError(f"another space is called {name!r} already", "choose another name with --as-space")
        return space, name, "claimed"

    def _recipe_of(self, old: Old) -> Recipe:
        if old.exported is not None:
            if self._options.recipe is not None and space_id(self._options.recipe) != space_id(old.exported.recipe):
                raise ModelError(
                    "vstore.json names another model than --model does", "leave --model out, or move vstore.json away"
                )
            recipe: Recipe = old.exported.recipe
            return recipe
        if self._options.recipe is not None:
            return self._options.recipe
        return {"family": FAMILY, "dim": old.source.dim, "sha256": old.fingerprint()}

    def _name_of(self, old: Old, space: str) -> str:
        if old.exported is not None:
            return old.exported.space_name
        return str(self._recipe.get("name") or f"imported-{space[:8]}")

    def _meet(self, old: Old) -> Meeting:
        options, repo = self._options, self._repo
        host = Host(repo, options, self._catalogue, self._progress, self._stop)
        if old.exported is not None:
            return host.by_keys(old.exported)
        root = options.root
        if root is None and self._resumed is not None and self._resumed.root in repo.state.roots:
            root = repo.place(repo.state.roots[self._resumed.root])
        if root is None:
            raise UsageError("where the pictures are was not said", "name their folder with --root")
        return host.by_paths(old, root)

    # What is believed

    def _refuse(self, old: Old, verdict: Verdict, report: ImportReport) -> None:
        """Raises: ImportRefused where the old index contradicts itself, or none of its pictures is there."""
        if verdict.torn:
            what = (
                f"{len(verdict.torn):,} pairs of vectors differ although their pictures are the same, byte for byte: "
                f"{', '.join(verdict.torn[:NAMED])}"
            )
            if not self._options.force:
                step = "find the list that belongs to these vectors, or go on with --force"
                raise self._refused(old, report, f"{what}; the order of the rows is broken", step)
            self._notes.append(f"forced: {what}; the first of each was taken")
        if not old.entries:
            raise self._refused(old, report, "the old index is empty", "nothing was changed")
        if verdict.aliases or self._resumed is not None:
            return
        counts = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in report.counts().items() if count)
        some = "; ".join(f"{short(row.path)}: {row.reason}" for row in verdict.rows[:NAMED])
        step = "look at --root: the names, or the ends of the paths, must be those of files under it"
        if report.counts()[EDITED]:
            step = "files that were copied are newer than the index: if nobody edited them, add --trust-edited"
        what = f"none of the {len(old.entries):,} rows has a picture ({counts}): {some}"
        raise self._refused(old, report, what, step)

    def _refused(self, old: Old, report: ImportReport, what: str, step: str) -> ImportRefused:
        if self._options.report is not None:
            about = {"refused": what, "next": step, "vectors_from": old.origin}
            write_report(self._options.report, report.rows_of, about)
        return ImportRefused(what, step)

    # What is written

    def _commit(self, old: Old, met: Meeting, verdict: Verdict, report: ImportReport) -> ImportReport:
        """Write what was decided: rows, what waits, and then one record that makes it true."""
        repo, space = self._repo, report.space
        self._progress.stage("write", None)
        founding = repo.tip.number == 0
        if founding:
            repo.add_space(
                self._recipe, report.space_name, report.status, self._options.place
            )  # a store begins with a record
        refs = self._write_rows(old, verdict, space)
        left = self._write_left(old, verdict, report)
        with repo.committing("import"):
            state = repo.state
            changes: dict[str, Json] = met.plan.changes()
            blobs: dict[bytes, bytes] = {}
            self._put_space(changes, blobs, report, old.source.dim, added=bool(refs))
            if refs:
                changes["segments"] = state.segments_changed(space, [*state.segments(space), *refs])
            import_id = self._put_left(changes, left)
            snapshot = self._put_snapshot(changes, blobs, met, verdict, space)
            if blobs or (left is not None and left.packs):
                packs = repo.add_pack(blobs) if blobs else {}
                changes["packs"] = {**packs, **listed_packs(left.packs if left is not None else ())}
            if changes:
                repo.publish("import", changes, about=f"{len(verdict.aliases)} paths from {old.origin}"[:200])
        self._remember(space, met)
        current = self._repo.state.current_snapshot
        return report._replace(
            import_id=import_id,
            snapshot=snapshot.name if snapshot else None,
            current=current.name if current else None,
            id=current.id if current else None,
            status=repo.state.spaces[space].status,
            seconds=round(time.perf_counter() - self._began, 3),
            notes=(*old.notes, *met.notes, *self._notes),
            created_store=founding,
        )

    def _write_rows(self, old: Old, verdict: Verdict, space: str) -> list[FileRef]:
        order = sorted(verdict.winners)
        if not order:
            return []
        keys = [verdict.winners[row] for row in order]
        rows = selected(old.source, old.seen, order, self._repo.dtype)
        return [self._repo.write_segment(space, keys, rows)]

    def _write_left(self, old: Old, verdict: Verdict, report: ImportReport) -> _Left | None:
        """Write what waits, unless it waits already. None where nothing does."""
        repo, order = self._repo, sorted(verdict.left)
        if not order:
            return None
        waiting = [verdict.left[row] for row in order]
        known = self._resumed or next(
            (i for i in repo.state.imports.values() if i.space == report.space and left_rows(repo, i) == waiting), None
        )
        if known is not None and left_rows(repo, known) == waiting:
            return _Left(known, [])
        names, vectors, packs = write_leftovers(repo, waiting, selected(old.source, old.seen, order, repo.dtype))
        identity = known.id if known is not None else f"i{repo.tip.highest + 1}"
        kept = Import(identity, report.space, report.root or "", len(order), names, tuple(vectors), old.written, now())
        return _Left(kept, packs)

    def _put_space(
        self, changes: dict[str, Json], blobs: dict[bytes, bytes], report: ImportReport, dim: int, *, added: bool
    ) -> None:
        repo, space = self._repo, report.space
        known = repo.state.spaces.get(space)
        if known is None:
            recipe = canonical(self._recipe)
            digest = repo.hash.digest(recipe)
            blobs[digest] = recipe
            entry = Space(space, report.space_name, "claimed", digest, dim, self._options.place)
            changes["spaces"] = {space: entry.to_json()}
            if repo.state.start_space is None:
                changes["start_space"] = space
        elif not known.recipe and self._resumed is None:
            recipe = canonical(self._recipe)
            digest = repo.hash.digest(recipe)
            blobs[digest] = recipe
            changes["spaces"] = {space: {"recipe": digest.hex(), "status": "claimed"}}
            self._notes.append(f"the recipe of the space {known.name} was lost, and is back")
        elif added and known.status != "claimed" and self._resumed is None:
            changes["spaces"] = {space: {"status": "claimed"}}
            self._notes.append("the space was verified; rows that are only claimed were added to it")

    def _put_left(self, changes: dict[str, Json], left: _Left | None) -> str | None:
        if left is not None:
            if left.packs:
                changes["imports"] = {left.kept.id: left.kept.to_json()}
            return left.kept.id
        if self._resumed is not None:
            changes["imports"] = {self._resumed.id: None}
        return None

    def _put_snapshot(
        self, changes: dict[str, Json], blobs: dict[bytes, bytes], met: Meeting, verdict: Verdict, space: str
    ) -> Snapshot | None:
        """The aliases of the current snapshot, if it is of this space, and those of the import."""
        repo, current = self._repo, self._repo.state.current_snapshot
        same = current is not None and current.space == space
        if current is not None and not same:
            if self._resumed is not None:
                self._notes.append(f"{current.name} is of another embedding space: no snapshot was written")
                return None
            self._notes.append(f"{current.name} was of another embedding space; vstore undo makes it current again")
        base = repo.mapped_tree(current if same else None, {**repo.state.absorbed, **met.plan.absorbed})
        tree = base.edited(verdict.aliases)
        if same and tree.root == base.root:
            return None
        snapshot, more, pages = new_snapshot(
            repo, space, tree, images_of(tree, repo.hash.size), current, self._options.message
        )
        changes |= more
        blobs |= pages
        return snapshot

    def _remember(self, space: str, met: Meeting) -> None:
        """Keep what was hashed, so that no sync reads these files again, and where the vectors lie."""
        if self._catalogue is not None:
            with self._catalogue.batch() as batch:
                align(self._repo, self._catalogue, batch, space)
                keep_stats(batch, met.learnt)

    def _report(self, old: Old, met: Meeting, verdict: Verdict, space: str, name: str, status: str) -> ImportReport:
        import numpy as np

        rows = np.array(sorted(verdict.winners), np.int64)
        kept = 0
        if old.source.dtype == "float16":
            kept = int((np.abs(old.seen.norms[rows] - 1) <= UNIT).sum())
        current = self._repo.state.current_snapshot
        return ImportReport(
            import_id=None,
            snapshot=None,
            current=current.name if current else None,
            id=current.id if current else None,
            space=space,
            space_name=name,
            status=status,
            root=met.label,
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
            notes=(*old.notes, *met.notes, *self._notes),
            rows_of=tuple(verdict.rows),
        )
