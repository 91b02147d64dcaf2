"""Proves once per installation that faiss can be imported: the import costs a sync without news more than all else."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from vstore.disk.cache import read_cache, write_cache
from vstore.format.hashing import checksum


def check_faiss(cache: Path) -> None:
    """Make sure that faiss is installed and complete.

    cache:  folder in which a proof is kept for each installation.
    Raises: MissingPackage; also for the empty folder that an uninstalled twin leaves.
    """
    try:
        spec = importlib.util.find_spec("faiss")
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        from vstore.packages import FAISS

        raise FAISS.missing(
            "faiss is not installed" if spec is None else "faiss is broken: only an empty folder is left of it"
        )
    made = os.stat(spec.origin)
    installation = f"{sys.version} {spec.origin} {made.st_mtime_ns} {made.st_ino}"
    name = f"faiss-{checksum(installation.encode()).hex()}"
    if read_cache(cache, name, 0) is not None:
        return
    from vstore.packages import faiss_module

    faiss_module()
    write_cache(cache, name, b"")
