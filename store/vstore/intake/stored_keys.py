"""The keys that have a vector: the catalogue answers, and the key column of the segment confirms it."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable

from vstore.disk.catalogue import Catalogue
from vstore.disk.facts import Batch
from vstore.format.entries import FileRef
from vstore.format.hashing import checksum
from vstore.intake.key_set import KeySet
from vstore.repository.repository import Repository

REST = 4096  # rows that the catalogue need not know: keys are random, so each new one would rewrite one of its pages
_ALIGNED = struct.Struct("<I8s")


class Vectors:
    """The keys of one space: those in its segments, and those whose vectors this run computed or copied."""

    def __init__(self, repo: Repository, space: str, catalogue: Catalogue | None) -> None:
        self._repo = repo
        self._space = space
        self._catalogue = catalogue
        self._refs = repo.state.segments(space)
        self._told = 0 if catalogue is None else _aligned(catalogue, space, self._refs)  # segments that it knows
        self._rest: set[bytes] | None = None  # the keys of the others
        self._run = KeySet(repo.hash.size)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and (key in self._run or self.stored(key))

    def stored(self, key: bytes) -> bool:
        """Tell whether a segment held the vector of a key when the run began."""
        if self._rest is None:
            self._rest = {key for ref in self._refs[self._told :] for key in self._repo.segment(ref).key_list()}
        if key in self._rest:
            return True
        if not self._told:
            return False
        assert self._catalogue is not None
        location = self._catalogue.location(self._space, key)
        if location is None and not self._catalogue.damaged:
            return False
        if location is not None:
            ordinal, row = location
            if ordinal >= self._told:
                if key in self._run:
                    return False  # this run embedded it, and has told the catalogue since
            elif self._repo.segment(self._refs[ordinal]).key(row) == key:
                return True
        # The catalogue is damaged: that it has no location of a key proves nothing.
        self._told, self._rest = 0, None
        return self.stored(key)

    def rows(self, keys: Collection[bytes]) -> dict[bytes, tuple[FileRef, int]]:
        """Find the segments and rows of keys that are stored; of a key that stands twice, one of its rows."""
        found: dict[bytes, tuple[FileRef, int]] = {}
        for key in keys if self._told and self._catalogue is not None else ():
            assert self._catalogue is not None
            location = self._catalogue.location(self._space, key)
            if location is not None and location[0] < self._told:
                ref = self._refs[location[0]]
                if self._repo.segment(ref).key(location[1]) == key:
                    found[key] = (ref, location[1])
        for ref in self._refs if len(found) < len(keys) else ():
            for row, key in enumerate(self._repo.segment(ref).key_list()):
                if key in keys:
                    found.setdefault(key, (ref, row))
        return found

    def add(self, keys: Iterable[bytes]) -> None:
        """Add the keys of vectors that this run computed or copied."""
        self._run.update(keys)


def _names_sum(refs: list[FileRef]) -> bytes:
    return checksum(*(ref.name.encode() for ref in refs))


def _aligned(catalogue: Catalogue, space: str, refs: list[FileRef]) -> int:
    """Count the segments, from the first, whose keys the catalogue has; 0 if it knows another list."""
    value = catalogue.meta(f"segments/{space}")
    if value is None or len(value) != _ALIGNED.size:
        return 0
    count, names = _ALIGNED.unpack(value)
    return count if count <= len(refs) and _names_sum(refs[:count]) == names else 0


def is_aligned(repo: Repository, catalogue: Catalogue, space: str) -> bool:
    """Tell whether the catalogue has the keys of the listed segments, but for a few of the newest."""
    refs = repo.state.segments(space)
    return sum(ref.rows for ref in refs[_aligned(catalogue, space, refs) :]) <= REST


def align(repo: Repository, catalogue: Catalogue, batch: Batch, space: str) -> None:
    """Update the catalogue's locations to the listed segments; the first row of a key wins."""
    refs = repo.state.segments(space)
    done = _aligned(catalogue, space, refs)
    if done == len(refs) and done:
        return
    if not done:
        batch.clear_locations(space)
    for ordinal in range(done, len(refs)):
        segment = repo.segment(refs[ordinal])
        batch.put_locations(space, ((segment.key(row), ordinal, row) for row in range(segment.footer.rows)))
    batch.put_meta(f"segments/{space}", _ALIGNED.pack(len(refs), _names_sum(refs)))
