"""Begins an import: into a store, or into a new one.

A new store has its name only once the import is done, so a refused import leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from pathlib import Path

from vstore.disk import durable
from vstore.disk.owner import User
from vstore.embed.consent import Consent
from vstore.embed.model_words import Words
from vstore.embed.wishes import wishes_of
from vstore.errors import DiskTrouble, UsageError
from vstore.importing.beside import beside
from vstore.importing.bundles import form_of_export
from vstore.importing.clipretrieval import form_of_folder
from vstore.importing.options import ImportOptions, ImportWords
from vstore.importing.report import ImportReport
from vstore.importing.run import ImportRun
from vstore.paths import optional
from vstore.progress import Progress
from vstore.repository.create import create_store
from vstore.repository.discovery import is_store
from vstore.repository.permission import give
from vstore.repository.repository import Repository
from vstore.stop import finishing

DEFAULT = ("xxh3_128", "float16")


def import_index(
    repo: Repository,
    words: ImportWords,
    *,
    consent: Consent | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> ImportReport:
    """Match the rows of an old index with the files under a folder, and store their vectors. Nothing is embedded.

    Raises: UsageError, ImportRefused, ModelError, Locked, MissingPackage, Damage, DiskTrouble; the store is unchanged
            then.
    """
    options = ImportOptions.of(words, dry_run=dry_run, cache=repo.layout.cache)
    run = ImportRun(repo, options, progress, stop or threading.Event())
    if not dry_run:
        report = run.run()
        if consent is not None and options.recipe is not None:
            give(consent, wishes_of(options.recipe, Words.from_json(options.place)))  # who names a model consents to it
        return report
    repo.reload()
    return repo.reading(run.run)


def import_new(
    folder: Path,
    words: ImportWords,
    *,
    hash: str | None = None,
    dtype: str | None = None,
    consent: Consent | None = None,
    user: User | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> ImportReport:
    """Import into a store that is made for it beside its place, and moved there at the end.

    hash, dtype: of the new store; None takes those of the export that the index is, else the defaults.
    Raises: UsageError if there is a store already; what `import_index` raises.
    """
    if is_store(folder) or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(f"{folder} already exists", "import into that store, or name another folder")
    if words.get("resume") is not None:
        raise UsageError(f"there is no store at {folder}", "name the store of the import with --store DIR")
    exported = _exported(words)
    hash, dtype = hash or exported[0], dtype or exported[1]

    def work(made: Path) -> ImportReport:
        with contextlib.closing(create_store(made, hash, dtype, user=user)) as repo:
            return import_index(repo, words, consent=consent, dry_run=dry_run, progress=progress, stop=stop)

    if dry_run:
        with tempfile.TemporaryDirectory(prefix="vstore-") as top:
            return work(Path(top) / "store")
    made = folder.with_name(f".{folder.name.lstrip('.')}-{durable.nonce()[:8]}")
    try:
        report = work(made)
        with finishing(stop, "the commit"):
            durable.disk.rename(str(made), str(folder))
            durable.sync_folder(folder.parent)
    except OSError as err:
        raise DiskTrouble(
            f"cannot make {folder}: {err.strerror}", "look at the disk, then run the command again"
        ) from err
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return report


def _exported(words: ImportWords) -> tuple[str, str]:
    """Find the hash and the dtype of the store that exported the old index; the defaults where no store did."""
    files = [optional(file) for file in (words.get("faiss"), words.get("metadata"), words.get("embeddings"))]
    named = [file for file in files if file is not None]
    with contextlib.suppress(OSError):  # the import itself reports a missing file
        exported = beside(named) if named else None
        if exported is not None:
            return exported.hash, exported.dtype
    with contextlib.suppress(OSError, UsageError):  # and a damaged one
        folder, embeddings = optional(words.get("clip_retrieval")), optional(words.get("embeddings"))
        if folder is not None:
            return form_of_folder(folder) or DEFAULT
        if embeddings is not None and len(named) == 1:
            return form_of_export(embeddings) or DEFAULT
    return DEFAULT
