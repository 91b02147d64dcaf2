"""A first sync: makes the store for its folders, or only says what it would do."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from vstore.embed.consent import Consent
from vstore.embed.model_words import Words
from vstore.errors import ModelError, NoStore, UsageError
from vstore.near_files import did_you_mean, near_files
from vstore.paths import AnyPath, hint_for_address, several
from vstore.pictures.formats import EXTENSIONS
from vstore.pictures.passed_over import AWAY, PassedOver, add
from vstore.pictures.scan import Scan
from vstore.pictures.scan_options import ScanOptions
from vstore.progress import Progress, Stages
from vstore.repository.create import refuse_existing
from vstore.repository.discovery import is_store, near_stores
from vstore.repository.embedders import Embedders
from vstore.repository.init import InitReport, init, refuse_without_model
from vstore.repository.repository import Repository
from vstore.sync.begin import sync
from vstore.sync.options import Options
from vstore.sync.passing import no_pictures
from vstore.sync.report import SyncReport

if TYPE_CHECKING:
    from vstore.disk.owner import User
    from vstore.format.recipes import Recipe


def look_first(
    folder: Path,
    words: Words,
    paths: Sequence[AnyPath],
    options: Options,
    *,
    recipe: Recipe | None = None,
    user: User | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> SyncReport:
    """Plan a first sync: what it would find, and embed. Nothing is written but a store in a temporary folder.

    words:  name the model, which is not loaded: the space of the report is None then.
    Raises: NoStore without a folder; what `make_for` and `sync` raise before they write.
    """
    _refuse_needless(folder, words, paths, options, user=user, stop=stop)
    refuse_existing(folder, words, user)
    refuse_without_model(words)
    with tempfile.TemporaryDirectory(prefix="vstore-") as top:
        made = Path(top) / "store"
        init(made, Words(), recipe=recipe, user=user)
        with contextlib.closing(Repository(made, user=user)) as repo:
            report = sync(
                repo, Embedders(repo, None, Consent), paths, options, dry_run=True, progress=progress, stop=stop
            )
    report = report._replace(store_exists=False)
    return report if words == Words() else report._replace(space=None, space_name=None)


def make_for(
    folder: Path,
    words: Words,
    paths: Sequence[AnyPath],
    options: Options,
    *,
    recipe: Recipe | None = None,
    consent: Consent | None = None,
    user: User | None = None,
    note: Callable[[str], None] = lambda text: None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> InitReport:
    """Make a store for a first sync, unless the sync would fail: a slip must not leave a store behind.

    words, recipe: name the model, as in `init`.
    consent: of the user, who consents to a model by naming it.
    user:   the user for whom the store is made.
    note:   receives a line for each thing done without being asked for.
    stop:   set by another thread, ends the look at the folders.
    Raises: NoStore without a folder; UsageError if a folder holds no picture; ModelError, MissingPackage, Interrupted.
            Nothing is made then.
    """
    settings = options.settings._replace(consent=consent)
    _refuse_needless(folder, words, paths, options, user=user, stop=stop)
    from vstore.packages import faiss_module

    faiss_module()
    model = words.adapter or words.model
    loading = contextlib.nullcontext() if model is None else Stages(progress).loading(model)
    with loading:
        return init(folder, words, recipe=recipe, settings=settings, user=user, note=note)


def _refuse_needless(
    folder: Path,
    words: Words,
    paths: Sequence[AnyPath],
    options: Options,
    *,
    user: User | None,
    stop: threading.Event | None,
) -> None:
    """Refuse to make a store that is there, or that would stay empty. Raises: UsageError, ModelError, NoStore."""
    if is_store(folder):
        _refuse_existing(folder, words)
    if not options.paths(paths):
        step = did_you_mean(near_stores(folder), "make one by naming a folder: vstore sync FOLDER")
        raise NoStore(f"there is no store at {folder}", step)
    usual = ScanOptions.of_user((user.usual if user is not None else None) or {})
    for path in map(os.fsencode, several(paths)):
        _refuse_without_picture(path, options, usual, stop)


def _refuse_existing(folder: Path, words: Words) -> NoReturn:
    named = ", ".join(f"--{name.replace('_', '-')}" for name in words.to_json())
    if not named:
        raise UsageError(f"the store {folder} already exists", "open it, and sync it")
    raise ModelError(
        f"the store {folder} already exists, and {named} can only be given for a new one",
        f"a new model is a new space: {words.command('NAME')}, then vstore sync --space NAME",
    )


def _refuse_without_picture(path: bytes, options: Options, usual: ScanOptions, stop: threading.Event | None) -> None:
    shown = os.fsdecode(path)
    if not os.path.isdir(path):
        what = "is not a folder" if os.path.lexists(path) else "does not exist"
        raise UsageError(
            f"{shown} {what}", hint_for_address(shown) or did_you_mean(near_files(path), "name a folder of pictures")
        )
    place = os.path.realpath(path)
    options.edits().refuse_faulty(os.fsdecode(place), options.as_label or os.fsdecode(os.path.basename(place)))
    passed: PassedOver = {}
    chosen = options.edits().applied(ScanOptions(), usual).filled(usual)
    scan = Scan(path, chosen, EXTENSIONS, stop=stop)
    for folder in scan:
        if folder.count or any(trouble.kind not in AWAY for trouble in folder.troubles):
            return  # a candidate, or a file that cannot be looked at: the first is enough
        add(passed, folder.passed, b"")
    if not scan.troubles:
        raise no_pictures(path, passed)
