"""A store made by an import. It gets its name once the import is done: a refused import leaves nothing behind."""

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
from vstore.repository.create import create_store

Work = Callable[[Path, Mapping[str, Any]], ImportReport]  # imports into the store that it is given


def import_new(
    work: Work, folder: Path, hash: str | None, dtype: str | None, options: Mapping[str, Any]
) -> ImportReport:
    """Make a store beside its place, import into it, and move it to its place at the end.

    Raises: UsageError if the folder already exists; all that `Store.import_index` raises.
    """
    if Layout(folder).format.exists() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(f"{folder} already exists", "import into that store, or name another folder")
    named = [Path(os.fsdecode(options[n])) for n in ("faiss", "metadata", "embeddings") if options.get(n) is not None]
    with contextlib.suppress(OSError):  # the import itself reports a missing file
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
    create_store(folder, hash or "xxh3_128", dtype or "float16").close()
    return work(folder, options)
