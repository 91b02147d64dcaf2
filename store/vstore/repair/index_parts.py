"""Deletes the parts of indexes that do not prove themselves."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from vstore.disk import durable
from vstore.disk.index_parts import IndexPart, part_files, part_folders
from vstore.disk.salvage import insisted
from vstore.errors import Damage
from vstore.repair.findings import Findings
from vstore.repository.repository import Repository


def delete_bad_parts(repo: Repository, found: Findings) -> None:
    """Delete every part that fails a checksum, as all of it can be made again. The others are left as they are."""
    bad = [path for folder in part_folders(repo.layout) for path in part_files(folder) if _is_bad(path)]
    for path in bad:
        if not found.dry_run:
            durable.remove(path)
        found.done.append(f"indexes/{path.parent.name}/{path.name} was deleted: it was damaged, and can be made again")


def _is_bad(path: Path) -> bool:
    try:
        insisted(partial(_verify, path))
    except Damage:
        return True
    except OSError:
        return False  # it was deleted meanwhile, or may not be read, which is no damage
    return False


def _verify(path: Path) -> None:
    with IndexPart(path) as part:
        part.verify()
