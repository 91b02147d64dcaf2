"""The vectors that edited pictures take over: their bytes changed, and their prepared pixels did not.

They go into a segment right before a commit, never into a journal: the record that lists them lists their digests, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from vstore.format.entries import FileRef
from vstore.intake.prepared_pixels import PreparedPixels
from vstore.intake.stored_keys import Vectors
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.segments import Rows

_ROWS = 1024  # copied at a time


class CopiedVectors:
    """The vectors that one run copies within a space, bit for bit.

    missed: pictures that took none, and might have: nothing is known of the pixels that were at their path before.
    """

    def __init__(self, repo: Repository, space: str, vectors: Vectors, pixels: PreparedPixels) -> None:
        self._repo = repo
        self._space = space
        self._vectors = vectors
        self._pixels = pixels
        self.missed = 0
        self._old: Mapping[bytes, bytes] = {}
        self._by_digest: dict[bytes, bytes] = {}
        self._sources: dict[bytes, bytes] = {}
        self._unwritten: dict[bytes, bytes] = {}

    def source(self, key: bytes) -> bytes | None:
        """Tell whose vector a picture took; None if it took none."""
        return self._sources.get(key)

    def heirs(self, keys: Collection[bytes]) -> list[bytes]:
        """List the pictures that took a vector of one of these."""
        return [key for key, before in self._sources.items() if before in keys]

    def expect(self, old: Mapping[bytes, bytes]) -> None:
        """Look up the pixels of pictures whose files are about to be read. old: their keys before, by path."""
        self._old = old
        digests = self._pixels.of(old.values())
        self._by_digest = {digest: key for key, digest in sorted(digests.items(), reverse=True)}

    def take(self, path: bytes, key: bytes, digest: bytes) -> bool:
        """Let a picture take the vector of one with the same pixels: that of its own path, or else any expected one.

        Returns: False if there is none.
        """
        there = self._old.get(path)
        known = None if there is None else self._pixels.of([there]).get(there)
        before = there if known == digest else self._by_digest.get(digest)
        if before is None or not self._vectors.stored(before):
            self.missed += there is not None and known is None and self._vectors.stored(there)
            return False
        self._sources[key] = self._unwritten[key] = before
        self._vectors.add([key])
        return True

    def write(self) -> list[FileRef]:
        """Write the vectors taken since the last call as a segment, to be listed by the next record.

        Raises: Damage, FileNotFoundError, DiskTrouble, MissingPackage.
        """
        if not self._unwritten:
            return []
        by_segment: dict[FileRef, list[tuple[int, bytes]]] = {}
        rows = self._vectors.rows(set(self._unwritten.values()))
        for key, before in self._unwritten.items():
            ref, row = rows[before]
            by_segment.setdefault(ref, []).append((row, key))
        copies = {ref: sorted(by_segment[ref]) for ref in sorted(by_segment)}
        self._unwritten = {}
        keys = [key for pairs in copies.values() for _, key in pairs]
        return [self._repo.write_segment(self._space, keys, self._blocks(copies))]

    def _blocks(self, copies: Mapping[FileRef, list[tuple[int, bytes]]]) -> Iterator[Rows]:
        for ref, pairs in copies.items():
            segment = self._repo.segment(ref)
            numbers = [row for row, _ in pairs]
            segment.verify_rows(numbers)
            mapped = segment.rows()
            for at in range(0, len(numbers), _ROWS):
                yield mapped[numbers[at : at + _ROWS]]
