"""Begins a sync: of a store, or of folders without one."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from vstore.embed.model_words import Words
from vstore.errors import ModelError, NoStore, UsageError
from vstore.paths import AnyPath, hint_for_address, several
from vstore.pictures.formats import EXTENSIONS
from vstore.pictures.passed_over import AWAY, PassedOver, add
from vstore.pictures.scan import Scan
from vstore.pictures.scan_options import ScanOptions
from vstore.progress import Progress, Silent
from vstore.repository.discovery import is_store
from vstore.repository.embedders import Embedders
from vstore.repository.repository import Repository
from vstore.sync.options import Options
from vstore.sync.passing import no_pictures
from vstore.sync.report import SyncReport
from vstore.sync.run import Run

if TYPE_CHECKING:
    from vstore.disk.owner import User
    from vstore.embed.consent import Consent
    from vstore.embed.embedder import Embedder
    from vstore.format.recipes import Recipe
    from vstore.repository.init import InitReport


def sync(
    repo: Repository,
    embedders: Embedders,
    paths: Sequence[AnyPath],
    options: Options,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> SyncReport:
    """Embed the new pictures of folders, and write a snapshot if anything changed; or, with `dry_run`, only look.

    Raises: UsageError, LabelTaken, Refused, Locked, Damage, ModelError, MissingPackage, DiskTrouble.
    """
    named, settings = options.paths(paths), options.settings
    listener: Progress = progress or Silent()
    with contextlib.ExitStack() as serving:

        def load(recipe: Recipe) -> Embedder:
            embedder = embedders.load_on_all(recipe, settings, listener.note)
            serving.enter_context(embedders.serving(recipe, embedder))
            return embedder

        run = Run(
            repo,
            options,
            load=load,
            machine=lambda recipe: embedders.machine(recipe, settings),
            sees_pixels_alone=embedders.sees_pixels_alone,
            progress=listener,
            stop=stop,
        )
        if not dry_run:
            return run.sync(named)
        repo.reload()
        return repo.reading(lambda: run.look(named))


def make_for(
    folder: Path,
    words: Words,
    paths: Sequence[AnyPath],
    options: Options,
    *,
    recipe: Recipe | None = None,
    consent: Consent | None = None,
    user: User | None = None,
    dry_run: bool = False,
    note: Callable[[str], None] = lambda text: None,
    stop: threading.Event | None = None,
) -> InitReport:
    """Make a store for a first sync, unless the sync would fail: a slip must not leave a store behind.

    words, recipe: name the model, as in `init`.
    consent: of the user, who consents to a model by naming it.
    user:   the user for whom the store is made.
    note:   receives a line for each thing done without being asked for.
    stop:   set by another thread, ends the look at the folders.
    Raises: NoStore for a dry run, or without a folder; UsageError if a folder holds no picture; ModelError,
            Interrupted, MissingPackage. Nothing is made then.
    """
    if is_store(folder):
        _refuse_existing(folder, words)
    settings = options.settings._replace(consent=consent)
    if not options.paths(paths):
        raise NoStore(f"there is no store at {folder}", "make one by naming a folder: vstore sync FOLDER")
    if dry_run:
        raise NoStore(f"there is no store at {folder}", "make one with: vstore init, or sync without -n")
    for path in map(os.fsencode, several(paths)):
        _refuse_without_picture(path, options, stop)
    from vstore.packages import faiss_module
    from vstore.repository.init import init

    faiss_module()
    return init(folder, words, recipe=recipe, settings=settings, user=user, note=note)


def _refuse_existing(folder: Path, words: Words) -> NoReturn:
    named = ", ".join(f"--{name.replace('_', '-')}" for name in words.to_json())
    if not named:
        raise UsageError(f"the store {folder} already exists", "open it, and sync it")
    raise ModelError(
        f"the store {folder} already exists, and {named} can only be given for a new one",
        f"a new model is a new space: {words.command('NAME')}, then vstore sync --space NAME",
    )


def _refuse_without_picture(path: bytes, options: Options, stop: threading.Event | None) -> None:
    shown = os.fsdecode(path)
    if not os.path.isdir(path):
        what = "is not a folder" if os.path.lexists(path) else "does not exist"
        raise UsageError(f"{shown} {what}", hint_for_address(shown) or "name a folder of pictures")
    place = os.path.realpath(path)
    options.edits().refuse_faulty(os.fsdecode(place), options.as_label or os.fsdecode(os.path.basename(place)))
    passed: PassedOver = {}
    scan = Scan(path, options.edits().applied(ScanOptions()), EXTENSIONS, stop=stop)
    for folder in scan:
        if folder.count or any(trouble.kind not in AWAY for trouble in folder.troubles):
            return  # a candidate, or a file that cannot be looked at: the first is enough
        add(passed, folder.passed, b"")
    if not scan.troubles:
        raise no_pictures(path, passed)
