"""Mends a damaged store: from its other files, from its pictures, and at last by saying what a snapshot has lost.

It never makes anything worse: what is needed is written first, then two records in a row carry the whole state, and
only then is what is damaged moved to `quarantine/`. Run again, it finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from vstore.disk import durable
from vstore.disk.catalogue import Catalogue, renew
from vstore.disk.oplog import Tip
from vstore.disk.packs import write_pack
from vstore.disk.salvage import insisted
from vstore.disk.segments import FOOTER_SIZE, Footer
from vstore.embed.embedder import Embedder
from vstore.embed.model_words import Settings
from vstore.errors import Damage, NoStore, VstoreError
from vstore.format.entries import Space, listed_packs
from vstore.format.layout import Layout
from vstore.format.recipes import Recipe
from vstore.gc.unlisted import empty_cache
from vstore.intake.stored_keys import align
from vstore.progress import Progress, Silent
from vstore.repair.blobs import Blobs
from vstore.repair.findings import SEGMENT, Findings, files
from vstore.repair.log import fold
from vstore.repair.report import RepairReport
from vstore.repair.snapshots import Snapshots
from vstore.repair.vectors import Vectors
from vstore.repository import spaces
from vstore.repository.repository import COMMIT_WAIT, RESERVE, Form, Repository, read_format


def repair(
    folder: Path,
    load_embedder: Callable[[Recipe], Embedder] | None,
    *,
    dry_run: bool = False,
    embed: bool = True,
    wait: bool = False,
    progress: Progress | None = None,
) -> RepairReport:
    """Mend a store.

    dry_run: say what would be done and lost, and change nothing.
    embed:   compute lost vectors anew from the pictures that are still there; else their pictures leave the snapshots.
    Raises:  NoStore, FormatTooNew, Locked, DiskTrouble; Damage if not even what kind of store it is can be found out.
    """
    form, format_is_sound = _form(folder)
    repo = Repository.unread(folder, form)
    load = _loader(repo, load_embedder) if embed else None
    listener: Progress = progress or Silent()
    if dry_run:
        try:
            return _mend(repo, load, listener, dry_run=True, format_is_sound=format_is_sound)
        finally:
            repo.close()
    for path in repo.layout.folders():
        durable.make_folder(path)
    with repo.lock("ingest") as ingest:
        ingest.acquire(None if wait else 0.0, "repair")
        # `commit` too, all the while: nobody may build on what is being mended.
        with repo.lock("commit") as commit:
            commit.acquire(None if wait else COMMIT_WAIT, "repair")
            try:
                return _mend(repo, load, listener, dry_run=False, format_is_sound=format_is_sound)
            finally:
                repo.close()


def _loader(repo: Repository, given: Callable[[Recipe], Embedder] | None) -> Callable[[Space, Recipe], Embedder]:
    """What makes the embedder of a space: what was given, else its own model, proved by its probes."""

    def load(space: Space, recipe: Recipe) -> Embedder:
        return spaces.load(repo, space, Settings()) if given is None else given(recipe)

    return load


def _form(folder: Path) -> tuple[Form, bool]:
    """What kind of store this is, by FORMAT or, where that is lost, by the footers of its files."""
    layout = Layout(folder)
    try:
        return insisted(partial(read_format, folder)), True
    except NoStore:
        if not layout.refs.is_dir():
            raise
    except Damage:
        pass
    for path in files(layout.segments, SEGMENT):
        try:
            with insisted(partial(durable.File, path)) as file:
                footer = Footer.from_bytes(file.pread(FOOTER_SIZE, max(0, file.size - FOOTER_SIZE)))
        except (Damage, OSError, ValueError):
            continue
        return Form(durable.nonce(), "xxh3_128" if footer.key_size == 16 else "sha256", footer.dtype), False
    for path in sorted(layout.refs.glob("*.json")):
        # No vector was ever stored, so that nothing depends on the dtype; the last line of a record is a digest in hex.
        digits = len(durable.read(path).rstrip(b"\n").rpartition(b"\n")[2])
        if digits in (32, 64):
            return Form(durable.nonce(), "xxh3_128" if digits == 32 else "sha256", "float16"), False
    raise Damage(f"{layout.format} is lost, and nothing else tells what it said", "restore the store from a backup")


def _mend(
    repo: Repository,
    load: Callable[[Space, Recipe], Embedder] | None,
    progress: Progress,
    *,
    dry_run: bool,
    format_is_sound: bool,
) -> RepairReport:
    """Find out everything; `_write` alone makes it true."""
    found = Findings(dry_run)
    if not format_is_sound:
        found.done.append("FORMAT written anew, from what other files say")
    tip = fold(repo, found)
    blobs = Blobs(repo, found, progress)
    blobs.read_packs()
    repo.tip = tip._replace(state=found.state)
    snapshots = Snapshots(repo, found, blobs)
    if found.gap:
        snapshots.adopt_over_gap()
    snapshots.walk()
    blobs.keep()
    vectors = Vectors(repo, found, blobs, snapshots.named, load, progress)
    try:
        vectors.read_segments()
        repo.tip = tip._replace(state=found.state)
        vectors.find_lost()
        snapshots.degrade(vectors.stored)
        snapshots.choose_current()
        _look_at_the_rest(repo, found)
        if not dry_run:
            _write(repo, found, blobs, vectors, tip, format_is_sound)
    finally:
        for keeper in vectors.keepers:
            keeper.close()
    return RepairReport(
        dry_run,
        found.changed,
        tuple(found.done),
        found.embedded,
        tuple(str(path.relative_to(repo.layout.folder)) for path in found.aside),
        tuple(found.degraded),
        tuple(found.left),
    )


def _write(repo: Repository, found: Findings, blobs: Blobs, vectors: Vectors, tip: Tip, format_is_sound: bool) -> None:
    """What is needed first, then two records with the whole state, then what is damaged out of the way."""
    layout = repo.layout
    if not format_is_sound:
        if layout.format.exists():
            durable.set_aside(layout.format, layout.quarantine)
        durable.publish(layout.format, Form(repo.store_id, repo.hash.name, repo.dtype).to_bytes(), "ingest")
    if found.changed:
        fresh = {digest: blob for digest, blob in blobs.fresh.items() if digest not in blobs.listed}
        if fresh:
            ref = write_pack(layout.packs, repo.hash, fresh, "commit")
            found.document["packs"] = {**found.document["packs"], **listed_packs([ref])}
        repo.tip = tip._replace(state=found.state)
        about = f"{len(found.done)} things mended"
        repo.publish("repair", {}, about=about, whole=True)
        repo.publish("repair", {}, about=about, whole=True)
    for keeper in vectors.keepers:
        keeper.listed()
    for path in found.aside:
        durable.set_aside(path, layout.quarantine)
    if not _has_reserve(repo):
        durable.write_durably(layout.reserve, [bytes(RESERVE)], "ingest")
    if not found.done and not found.aside:
        return  # what was remembered of a sound store is as true as it was
    empty_cache(repo)
    renew(layout.catalogue, repo.store_id)
    if tip.number or found.changed:
        _align(repo)


def _look_at_the_rest(repo: Repository, found: Findings) -> None:
    """Note which of the files that can be made again are not what they should be."""
    if not (_catalogue_is_whole(repo) or _catalogue_is_whole(repo)):  # as all else, it is asked once more
        found.done.append("catalogue/ made anew: it was missing, copied, or not what was written last")
    if not _has_reserve(repo):
        found.done.append("reserve made anew")


def _catalogue_is_whole(repo: Repository) -> bool:
    catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=False)
    if catalogue is None:
        return False
    with catalogue:
        return catalogue.is_whole()


def _has_reserve(repo: Repository) -> bool:
    path = repo.layout.reserve
    return path.is_file() and path.stat().st_size == RESERVE


def _align(repo: Repository) -> None:
    """Fill the new catalogue with what the segments say."""
    repo.reload()
    catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=True)
    assert catalogue is not None
    with catalogue, catalogue.batch() as batch:
        for space in repo.state.spaces:
            try:
                align(repo, catalogue, batch, space)
            except VstoreError:
                continue  # what could not be mended is reported already
