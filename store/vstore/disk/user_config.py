"""Small files of a user's configuration: what a user said of stores, kept outside every store."""

from __future__ import annotations

from pathlib import Path

from vstore.disk import durable


def put(path: Path, data: bytes) -> None:
    """Write a file of the configuration; make its folders. Raises: DiskTrouble, ReadOnly."""
    folder = path.parent
    for one in reversed([one for one in (folder, *folder.parents) if not one.is_dir()]):
        durable.make_folder(one)
    durable.write_durably(path, [data], "consent")
