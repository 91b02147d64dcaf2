"""Repairs a damaged store: from its other files, from its pictures, and at last by reporting the losses of a snapshot.

It never makes anything worse: new files are written first, then two records in a row carry the whole state, and only
then are damaged files moved to `quarantine/`. Run again, it finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from vstore.approximate.upkeep import keep_indexes_up
from vstore.disk import durable, inside
from vstore.disk.lock import Lock
from vstore.disk.oplog import Tip
from vstore.disk.owner import User
from vstore.disk.reserve import has_reserve, write_reserve
from vstore.embed.embedder import Embedder
from vstore.embed.model_words import Settings
from vstore.format.entries import Space
from vstore.format.recipes import Recipe
from vstore.format.relabelling import doubtful_labels
from vstore.intake.keeper import Keeper
from vstore.progress import Progress, Stages
from vstore.repair.blobs import Blobs
from vstore.repair.decisions import keep_decisions
from vstore.repair.derived import look_at_derived, renew_derived
from vstore.repair.facts import keep_facts
from vstore.repair.findings import Findings
from vstore.repair.form import find_form, find_format
from vstore.repair.fragments import take_fragments
from vstore.repair.gap import fill_gap
from vstore.repair.history import keep_history
from vstore.repair.index_parts import delete_bad_parts
from vstore.repair.leftovers import keep_leftovers
from vstore.repair.listing import list_all
from vstore.repair.log import fold
from vstore.repair.manifests import Manifests
from vstore.repair.recipes import keep_recipes
from vstore.repair.recompute import Recompute
from vstore.repair.report import RepairReport
from vstore.repair.snapshots import Snapshots
from vstore.repair.vectors import Vectors
from vstore.repository import spaces
from vstore.repository.files import Files, files_of
from vstore.repository.form import Form
from vstore.repository.ownership import refuse_foreign
from vstore.repository.repository import COMMIT_WAIT, Repository


class _Job(NamedTuple):
    """A repair. load: makes the embedder of a space; None if nothing is to be embedded."""

    repo: Repository
    load: Callable[[Space, Recipe], Embedder] | None
    stages: Stages
    dry_run: bool
    form_is_sound: bool


def repair(
    folder: Path,
    load_embedder: Callable[[Recipe], Embedder] | None,
    *,
    dry_run: bool = False,
    embed: bool = True,
    wait: bool = False,
    settings: Settings | None = None,
    user: User | None = None,
    progress: Progress | None = None,
) -> RepairReport:
    """Repair a store.

    If the folder of a picture is mounted but the picture is no longer in it, repair removes the picture from every
    snapshot that listed it.

    load_embedder: makes the embedder of a recipe; None takes the model of the space.
    dry_run:       report the repairs and losses to come, and change nothing.
    embed:         compute lost vectors again from the existing pictures; otherwise their pictures are removed
                   from every snapshot.
    wait:          wait for another process that is changing the store.
    settings:      of the models of spaces.
    user:          the user for whom it is repaired; by default one who trusts no other.
    Raises: NoStore, FormatTooNew, ForeignStore, Locked, DiskTrouble; Damage if no file tells the kind of store.
    """
    find_form(folder)  # of no store, and of one of a later format, not even a folder is made
    asker = user or User()

    def run(*locks: Lock) -> RepairReport:
        form, is_sound = find_form(folder)
        repo = Repository.unread(folder, form, asker, *locks)
        load = _loader(repo, load_embedder, settings or Settings()) if embed else None
        job = _Job(repo=repo, load=load, stages=Stages(progress), dry_run=dry_run, form_is_sound=is_sound)
        if locks:
            job.stages.share(locks[0].tell)
        try:
            return _repair(job)
        finally:
            repo.close()

    if dry_run:
        return run()
    layout = inside.layout_of(folder)

    def confirm() -> None:
        refuse_foreign(layout, asker)

    confirm()
    for path in layout.folders():
        durable.make_folder(path)
    with Lock(layout.locks, "ingest", confirm=confirm) as ingest:
        ingest.acquire(None if wait else 0.0, "repair")
        # `commit` too, all the while: nobody may build on what is being repaired.
        with Lock(layout.locks, "commit", confirm=confirm) as commit:
            commit.acquire(None if wait else COMMIT_WAIT, "repair")
            return run(ingest, commit)


def _loader(
    repo: Repository, given: Callable[[Recipe], Embedder] | None, settings: Settings
) -> Callable[[Space, Recipe], Embedder]:
    """Choose the embedder of a space: the given one, or its own model, proved by its probes."""

    def load(space: Space, recipe: Recipe) -> Embedder:
        return spaces.load(repo, space, settings) if given is None else given(recipe)

    return load


def _repair(job: _Job) -> RepairReport:
    """Find out everything, and then (`_write`) make it true."""
    repo, found = job.repo, Findings(job.dry_run, job.repo.hash)
    if not job.form_is_sound:
        found.done.append("FORMAT was rebuilt from other files")
    tip = fold(repo, found)
    if found.gap:
        take_fragments(found)
    blobs = Blobs(repo, found, job.stages)
    blobs.read_packs()
    repo.format = find_format(repo.format, tip, blobs.manifests.values(), is_sound=job.form_is_sound)
    manifests = Manifests(repo, found, blobs)
    if not job.form_is_sound:
        manifests.find_store()
    list_all(repo, found, blobs, manifests)
    repo.tip = tip._replace(state=found.state)
    snapshots = Snapshots(repo, found, blobs, manifests)
    if found.gap:
        fill_gap(repo, found, blobs, manifests)
    snapshots.walk()
    keep_recipes(repo, found, blobs)
    keep_leftovers(repo, found, blobs)
    keep_decisions(repo, found, blobs)
    keep_history(repo, found, blobs)
    keep_facts(repo, found, blobs)
    recompute = Recompute(repo, found, blobs, manifests=manifests, load=job.load, stages=job.stages)
    vectors = Vectors(repo, found, recompute, named=snapshots.named, stages=job.stages)
    try:
        vectors.read_segments()
        repo.tip = tip._replace(state=found.state)
        vectors.find_lost()
        snapshots.degrade(vectors.stored)
        snapshots.choose_current()
        if blobs.unlisted and not found.changed:
            found.did(f"blobs of packs that the log does not list were saved ({len(blobs.unlisted)})")
        look_at_derived(repo, found)
        if not job.dry_run:
            _write(job, found, blobs, recompute.keepers, tip=tip)
        delete_bad_parts(repo, found)  # last: for their sake alone neither catalogue nor cache is made again
        if found.changed and not job.dry_run:
            keep_indexes_up(repo, job.stages)
    finally:
        for keeper in recompute.keepers:
            keeper.close()
    return RepairReport(
        dry_run=job.dry_run,
        changed=found.changed,
        done=tuple(found.done),
        embedded=found.embedded,
        quarantined=tuple(str(path.relative_to(repo.layout.folder)) for path in found.aside),
        degraded=tuple(found.degraded),
        left=tuple(found.left),
        where=files_of(repo, doubtful_labels(repo.state)) if found.degraded else Files(),
    )


def _write(job: _Job, found: Findings, blobs: Blobs, keepers: Sequence[Keeper], *, tip: Tip) -> None:
    """Write new files first, then two records with the whole state, and then move damaged files out of the way."""
    repo, layout = job.repo, job.repo.layout
    if not job.form_is_sound:
        if inside.exists(layout.format):
            durable.set_aside(layout.format, layout.quarantine)
        durable.publish(
            layout.format, Form(repo.store_id, repo.hash.name, repo.dtype, repo.format).to_bytes(), "ingest"
        )
    if found.changed:
        repo.tip = tip._replace(state=found.state)
        about = f"repairs: {len(found.done)}"
        repo.publish("repair", {}, blobs=blobs.unlisted, about=about, whole=True)
        repo.publish("repair", {}, about=about, whole=True)
    for keeper in keepers:
        keeper.listed()
    for path in found.aside:
        durable.set_aside(path, layout.quarantine)
    if not has_reserve(layout):
        write_reserve(layout)
    if found.done or found.aside:  # else what is remembered of a sound store is as true as it was
        renew_derived(repo, fill=bool(tip.number) or found.changed)
