"""The pictures of a snapshot with their paths and vectors, read in blocks: never all vectors are in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vstore.counts import counted
from vstore.errors import Damage
from vstore.format.canonical import named_path
from vstore.format.entries import Snapshot
from vstore.format.tree import paths_by_key
from vstore.progress import Stages
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.segments import Rows

BLOCK = 1024  # rows in memory at once


class Pictures:
    """A snapshot, opened for an export.

    snapshot: the snapshot.
    paths:    the stored paths of each key.
    keys:     the keys, sorted.
    aliases:  path and key, sorted by path.
    dim:      numbers of a vector.
    dtype:    float16 or float32.
    """

    def __init__(self, repo: Repository, snapshot: Snapshot, stages: Stages) -> None:
        """Raises: Damage before a byte of a damaged segment is used."""
        self.snapshot = snapshot
        self._stages = stages
        self.dim = repo.state.spaces[snapshot.space].dim
        self.dtype = repo.dtype
        self.aliases = list(repo.tree(snapshot))
        self.paths = paths_by_key(self.aliases)
        self._segments = [repo.segment(ref) for ref in repo.state.segments(snapshot.space)]
        places: dict[bytes, tuple[int, int]] = {}
        for number, segment in enumerate(self._segments):
            for row, key in enumerate(segment.key_list()):
                if key in self.paths:
                    places.setdefault(key, (number, row))  # the first row of a key wins
        missing = len(self.paths) - len(places)
        if missing:
            raise Damage(f"{counted(missing, 'picture')} of {snapshot.name} without a vector", "run: vstore check")
        used = [self._segments[number] for number in sorted({number for number, _ in places.values()})]
        stages.begin("reading the store", len(used), size=sum(segment.ref.size for segment in used))
        for segment in used:
            segment.verify()
            stages.advance(1, segment.ref.size)
        self.keys = sorted(self.paths)
        self._places = places

    def encoded(self, key: bytes) -> list[str | None]:
        """Encode each path of a picture that is not UTF-8 as base64; None for the others."""
        return [named_path(path).get("path_b64") for path in self.paths[key]]

    @property
    def has_encoded(self) -> bool:
        """Some path is not UTF-8."""
        return any("path_b64" in named_path(path) for path, _ in self.aliases)

    def blocks(self, keys: Sequence[bytes]) -> Iterator[tuple[Sequence[bytes], Rows]]:
        """Read the vectors of some keys in their order, at most 1,024 at a time: keys and rows (n, dim)."""
        import numpy as np

        rows = [segment.rows() for segment in self._segments]
        width = self.dim * (2 if self.dtype == "float16" else 4)
        self._stages.begin("writing vectors", len(keys), size=len(keys) * width, unit="vectors")
        for at in range(0, len(keys), BLOCK):
            part = keys[at : at + BLOCK]
            yield part, np.stack([rows[self._places[key][0]][self._places[key][1]] for key in part])
            self._stages.advance(len(part), len(part) * width)
