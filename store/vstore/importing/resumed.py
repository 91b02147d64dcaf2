"""The leftovers of an earlier import, opened like an old index."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.format.list_columns import Columns
from vstore.format.rest_entry import Import
from vstore.importing.listing import Entry
from vstore.importing.old_index import Old
from vstore.importing.profile import Profile
from vstore.importing.ways import Way
from vstore.repository.leftovers import LeftVectors, left_fields, left_rows
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.disk.segments import Rows


class _LeftSource:
    """The rows that an import left over; they are finished already."""

    def __init__(self, repo: Repository, found: Import) -> None:
        self._vectors = LeftVectors(repo, found)
        self.files: tuple[Path, ...] = ()
        self.rows, self.dim = found.rows, repo.state.spaces[found.space].dim
        self.dtype = repo.dtype
        self.ids: npt.NDArray[np.int64] | None = None
        self.notes: tuple[str, ...] = ()

    def block(self, first: int, end: int) -> Rows:
        return self._vectors.block(first, end)


def open_resumed(repo: Repository, found: Import) -> Old:
    """Open the leftovers of an import. Raises: Damage."""
    import numpy as np

    source = _LeftSource(repo, found)
    rows = left_rows(repo, found)
    entries, numbers = [Entry(left.path) for left in rows], [left.row for left in rows]
    # They were finished by the import that left them: to say that their norm is 1 keeps their bits.
    seen = Profile(norms=np.ones(source.rows), broken=(), zero=(), same={}, unit=True)
    return Old(
        source=source,
        entries=entries,
        rows_of=list(range(source.rows)),
        seen=seen,
        notes=(),
        starts=(os.getcwdb(),),
        written=found.written,
        exported=None,
        numbers=numbers,
        columns=Columns([left_fields(left) for left in rows]),
        ways=tuple(Way(_names(old), _names(new)) for old, new in found.moved),
    )


def _names(path: bytes) -> tuple[bytes, ...]:
    return tuple(path.split(b"/")) if path else ()
