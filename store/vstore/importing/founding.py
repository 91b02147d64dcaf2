"""A store that an import makes. It has its name only once the import is done: a refused one leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vstore.disk import durable
from vstore.errors import DiskTrouble, UsageError
from vstore.format.layout import Layout
from vstore.importing.beside import beside
from vstore.importing.report import ImportReport
from vstore.repository.repository import Repository

Work = Callable[[Path, Mapping[str, Any]], ImportReport]  # imports into the store that it is given


def import_new(
    work: Work, folder: Path, hash: str | None, dtype: str | None, options: Mapping[str, Any]
) -> ImportReport:
    """Import into a store that is made for it beside its place, and moved there at the end.

    Raises: UsageError if there is a store already; what `Store.import_index` raises.
    """
    if Layout(folder).format.exists() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(f"{folder} is there already", "import into the store that it is, or name another folder")
    named = [Path(os.fsdecode(options[n])) for n in ("faiss", "metadata", "embeddings") if options.get(n) is not None]
    with contextlib.suppress(OSError):  # a file that is not there is the import's to speak of
        if named and (exported := beside(named)) is not None:
            hash, dtype = hash or exported.hash, dtype or exported.dtype
    if options.get("dry_run"):
        with tempfile.TemporaryDirectory(prefix="vstore-") as top:
            return _import(work, Path(top) / "store", hash, dtype, options)
    made = folder.with_name(f".{folder.name.lstrip('.')}-{durable.nonce()[:8]}")
    try:
        report = _import(work, made, hash, dtype, options)
        durable.disk.rename(str(made), str(folder))
        durable.sync_folder(folder.parent)
    except OSError as err:
        raise DiskTrouble(
            f"cannot make {folder}: {err.strerror}", "look at the disk, then run the command again"
        ) from err
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return report


def _import(work: Work, folder: Path, hash: str | None, dtype: str | None, options: Mapping[str, Any]) -> ImportReport:
    Repository.create(folder, hash or "xxh3_128", dtype or "float16").close()
    return work(folder, options)
