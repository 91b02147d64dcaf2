"""The parts of indexes of an open store: written for segments of its log, used while the log lists them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.disk.index_head import Covered, IndexHead
from vstore.disk.index_parts import IndexPart, fitting_parts, part_folders, write_part
from vstore.format.canonical import Document
from vstore.format.entries import FileRef
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from typing_extensions import Buffer


def has_indexes(repo: Repository, space: str) -> bool:
    """Tell whether a space may have parts of indexes."""
    return repo.format > 1 and repo.layout.indexes / space in part_folders(repo.layout)


def index_parts(repo: Repository, space: str, kind: str, refs: Sequence[FileRef] | None = None) -> Iterator[IndexPart]:
    """Open the parts of one kind that fit the segments of a space, one after another.

    refs: the segments; None means those of the log.

    What a part holds is checked while it is read: whoever meets damage there goes on without the part.
    """
    listed = repo.state.segments(space) if refs is None else refs
    for part in fitting_parts(repo.layout, space, listed) if repo.format > 1 else ():
        if part.head.kind == kind:
            yield part
        else:
            part.close()


def write_index_part(
    repo: Repository,
    space: str,
    kind: str,
    payload: Iterable[Buffer],
    *,
    size: int,
    covers: Sequence[FileRef],
    parameters: Document,
) -> Path | None:
    """Write a part of a space. The caller holds `ingest`.

    payload:    `size` bytes, in pieces of any length.
    covers:     the segments it was made from; none if it holds for the whole space.
    parameters: how it was made.
    Returns: its path; None if nothing was written, as the store is read-only or the disk full.
    Raises: MigrationNeeded.
    """
    repo.require_format_2("indexes")
    covered = tuple(Covered(ref.name, ref.check) for ref in covers)
    return write_part(repo.layout, IndexHead(space, kind, covered, parameters, size), payload)
