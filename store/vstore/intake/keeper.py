"""Keeps finished vectors: first in a journal, then in a segment. The next run seals what a killed one left."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.disk import durable
from vstore.disk.journal import Journal, JournalWriter, is_beheaded, journals
from vstore.errors import Damage, VstoreError
from vstore.format.canonical import Json
from vstore.format.entries import FileRef
from vstore.format.layout import DTYPES
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats
    from vstore.format.facts import Fact

SEAL_BYTES = 64 << 20
SEAL_SECONDS = 600.0


class Keeper:
    """The journal of one run. Vectors survive a kill once they are kept, and a power cut once they are flushed."""

    def __init__(self, repo: Repository, space: str, dim: int) -> None:
        self._repo = repo
        self._space = space
        self._dim = dim
        self._writer: JournalWriter | None = None
        self._closed: list[Path] = []
        self._bytes = 0
        self._since = 0.0

    def keep(self, keys: Sequence[bytes], rows: Floats) -> None:
        """Append finished vectors.

        rows: float32 (n, dim), L2 norm 1, one for each key.
        """
        if self._writer is None:
            self._writer = JournalWriter(
                self._repo.layout.journal,
                self._space,
                key_size=self._repo.hash.size,
                dim=self._dim,
                dtype=self._repo.dtype,
            )
            self._bytes, self._since = 0, time.monotonic()
        from vstore.disk.segment_writer import rounded  # a run without news does without it

        self._writer.append(keys, rounded(rows, self._repo.dtype))
        self._bytes += len(keys) * self._dim * DTYPES[self._repo.dtype]

    @property
    def is_due(self) -> bool:
        """True if the journal is large or old enough to be sealed."""
        return self._writer is not None and (
            self._bytes >= SEAL_BYTES or time.monotonic() - self._since >= SEAL_SECONDS
        )

    def write(self) -> list[FileRef]:
        """Close the journal and write its vectors as a segment, to be listed by the next record."""
        if self._writer is None:
            return []
        self._writer.flush()
        self._writer.close()
        path, self._writer = self._writer.path, None
        self._closed.append(path)
        ref = segment_of(self._repo, path, lambda key: True)
        return [ref] if ref else []

    def listed(self) -> None:
        """Remove the journals whose segments a record lists now."""
        for path in self._closed:
            durable.remove(path)
        self._closed.clear()

    def flush(self) -> None:
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Leave unsealed vectors where the next run finds them."""
        if self._writer is not None:
            with contextlib.suppress(VstoreError):  # the error that ended the run matters more than this one
                self._writer.flush()
            self._writer.close()
            self._writer = None


def segment_of(repo: Repository, path: Path, wanted: Callable[[bytes], bool]) -> FileRef | None:
    """Write the sound frames of a journal as a segment: the first of each key that is wanted.

    Returns: the segment; None if no key is wanted.
    Raises:  ValueError if the file is not a journal.
    """
    from vstore.disk.norms import of_norm_1  # most runs find no journal

    journal = Journal(path)
    numbers, keys = [], []
    seen: set[bytes] = set()
    for number, key in journal.frames():
        if key not in seen and wanted(key):
            seen.add(key)
            numbers.append(number)
            keys.append(key)
    fine = [good for rows in journal.rows(numbers) for good in of_norm_1(rows).tolist()]
    if not all(fine):  # a stranger's: its frames prove themselves, too
        numbers, keys = list(compress(numbers, fine)), list(compress(keys, fine))
    if not keys:
        return None
    return repo.write_segment(journal.space, keys, journal.rows(numbers))


def publish_seal(
    repo: Repository, command: str, space: str, refs: Sequence[FileRef], facts: Sequence[Fact] = ()
) -> None:
    """Publish a record that adds segments to the end of a space's list, and facts to those of the store.

    facts: in rising order of their keys.
    """
    with repo.committing(command):
        changes: dict[str, Json] = {
            "segments": repo.state.segments_changed(space, [*repo.state.segments(space), *refs])
        }
        blobs: dict[bytes, bytes] = {}
        if facts:
            from vstore.repository.facts import added_in_order

            more, blobs = added_in_order(repo, facts)
            changes |= more
        rows = sum(ref.rows for ref in refs)
        about = f"{rows} vector{'s' * (rows != 1)}"
        repo.publish("seal", changes, blobs=blobs, about=about)


def recover(repo: Repository, command: str) -> int:
    """Remove the half-written files of killed runs, and seal the vectors in their journals. The caller holds `ingest`.

    Returns: how many vectors were saved.
    Raises:  Damage if a journal has other rows than its space.
    """
    repo.sweep()
    saved = 0
    for path in journals(repo.layout.journal):
        try:
            space = Journal(path).space
        except ValueError:
            if is_beheaded(path):
                durable.set_aside(path, repo.layout.quarantine)
            else:
                durable.remove(path)  # killed while its head was written: it never held a frame
            continue
        known = repo.state.spaces.get(space)
        if known is None:
            continue
        stored = {key for ref in repo.state.segments(space) for key in repo.segment(ref).key_list()}
        journal = Journal(path)
        if journal.dim != known.dim or journal.dtype != repo.dtype or journal.key_size != repo.hash.size:
            raise Damage(
                f"journal/{path.name} does not fit its space", "move it out of the store, then run vstore sync again"
            )
        ref = segment_of(repo, path, lambda key, stored=stored: key not in stored)  # type: ignore[misc]
        if ref is not None:
            publish_seal(repo, command, space, [ref])
            saved += ref.rows
        durable.remove(path)
    return saved
