"""Finds the parts of indexes that are no longer of use, and on a full disk deletes them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vstore.disk import durable, inside
from vstore.disk.index_parts import IndexPart, part_files, part_folders, unfinished_parts
from vstore.errors import Damage
from vstore.format.entries import FileRef
from vstore.gc.plan import Plan
from vstore.gc.unlisted import UnlistedFile
from vstore.repository.repository import Repository


def stale_parts(repo: Repository, plan: Plan) -> list[UnlistedFile]:
    """Find the parts whose space or one of whose segments is gone after a plan, and unfinished ones.

    A part that cannot be read stays: nobody can say what it covers, and repair deletes it.
    """
    stay = {space: [part.ref for part in parts if not part.replaced] for space, parts in plan.segments.items()}
    refs: dict[str, list[FileRef]] = {space: [] for space in repo.state.spaces} | stay
    found = []
    for folder in part_folders(repo.layout):
        listed = refs.get(folder.name)
        parts = part_files(folder)
        stale = parts if listed is None else [path for path in parts if _is_stale(path, listed)]
        found += [*unfinished_parts(folder), *stale]
    return list(_sized(found))


def delete_parts(repo: Repository) -> None:
    """Delete all parts of all indexes: each can be made again, at a cost. The caller holds `ingest`."""
    for folder in part_folders(repo.layout):
        for path in (*part_files(folder), *unfinished_parts(folder)):
            durable.remove(path)


def _is_stale(path: Path, refs: list[FileRef]) -> bool:
    try:
        with IndexPart(path) as part:
            return not part.head.fits(refs)
    except (Damage, OSError):
        return False


def _sized(paths: list[Path]) -> Iterator[UnlistedFile]:
    for path in paths:
        try:
            size = inside.look_at_any(path).st_size
        except FileNotFoundError:  # without a lock, for a dry run: whoever holds it was faster
            continue
        yield UnlistedFile(f"{path.parent.parent.name}/{path.parent.name}", path.name, size)
