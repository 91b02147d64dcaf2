"""The `vstore.json` that lies beside the files of an index: read and matched with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xxhash

from vstore.disk.file_hash import hash_file
from vstore.errors import UsageError
from vstore.format.exported import NAME, Exported


def beside(files: Sequence[Path]) -> Exported | None:
    """Read the `vstore.json` that lies beside these files and lists them all; None if there is none.

    Raises: UsageError if one of the files is not the one that was exported with it.
    """
    folders = {path.resolve().parent for path in files}
    if len(folders) != 1:
        return None
    found = folders.pop() / NAME
    try:
        data = found.read_bytes()
    except OSError:
        return None
    exported = Exported.from_bytes(data, str(found))
    if not all(path.name in exported.files for path in files):
        return None
    for path in files:
        require_same(path, exported)
    return exported


def require_same(path: Path, exported: Exported) -> None:
    """Refuse a file that is not the one that was exported. Raises: UsageError; OSError if it cannot be read."""
    if hash_file(path, xxhash.xxh3_128()).hexdigest() != exported.files[path.name]:
        raise UsageError(
            f"{path} is not the file that {path.resolve().with_name(NAME)} was written with",
            f"move {NAME} away to import by the paths alone",
        )
