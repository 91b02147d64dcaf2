"""The stored vectors of a space, found by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.embed.rows import unit_rows
from vstore.repository.repository import Repository
from vstore.vectors.proved_rows import ProvedRows

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats


class KnownRows:
    """The segments of a space. Once made, it needs no file of a name. Safe in several threads."""

    def __init__(self, repo: Repository, space: str) -> None:
        """Raises: Damage, FileNotFoundError."""
        self._parts = [ProvedRows(repo.segment(ref)) for ref in repo.state.segments(space)]

    def find(self, key: bytes) -> Floats | None:
        """Find the vector of a picture: float32 (dim,), norm 1. Returns: None if it has none. Raises: Damage."""
        for part in self._parts:
            row = part.segment.row_of(key)
            if row is not None:
                vector = part.row(row)
                unit: Floats = unit_rows(vector[None], 1, len(vector))[0]
                return unit
        return None
