"""An open store that can be changed: locks, the commit, and what a record of it says."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.clock import now
from vstore.disk import durable
from vstore.disk.long_folders import look, note, recall
from vstore.errors import Damage, MigrationNeeded, Refused
from vstore.format.canonical import Document, Json
from vstore.format.entries import FileRef, Root, listed_packs
from vstore.format.state import State
from vstore.repository.objects import Objects
from vstore.repository.ownership import refuse_foreign

if TYPE_CHECKING:
    from typing import Unpack

    from vstore.disk.lock import Lock
    from vstore.disk.segments import Rows
    from vstore.format.typed_words import RecordWords

COMMIT_WAIT = 10.0  # seconds that a commit waits for another one


class Repository(Objects):
    """An open store. Reading takes no lock; `committing` and `publish` are the one way to change its state."""

    def write_segment(
        self, space: str, keys: Sequence[bytes], blocks: Iterable[Rows], *, when: int | None = None
    ) -> FileRef:
        """Write vectors of a space as a segment, unlisted as yet. The caller holds `ingest`.

        keys:   n distinct keys, row by row; at least one.
        blocks: (m, dim) each in the store's dtype, as `rounded` gives them; n rows in all.
        when:   seconds since 1970, UTC; None for now.
        Raises: DiskTrouble, ReadOnly, MissingPackage.
        """
        from vstore.disk.segment_writer import write_segment

        moment = int(time.time()) if when is None else when
        folder = self.layout.segments
        return write_segment(folder, space, keys, blocks, dtype=self.dtype, time=moment, lock="ingest")

    def lock(self, name: str) -> Lock:
        """Name a lock of this store. It is not taken yet."""
        from vstore.disk.lock import Lock

        return Lock(self.layout.locks, name, confirm=self.refuse_writing, held=self._held)

    def refuse_writing(self) -> None:
        """Refuse to change the store if it is gone, or another user's. Raises: StoreGone, ForeignStore, Damage."""
        self.refuse_gone()
        refuse_foreign(self.layout, self.user)

    def refuse_lost_locks(self) -> None:
        """Refuse to change the store if a lock that is held for it was removed. Raises: LockLost."""
        for lock in list(self._held.values()):
            lock.refuse_lost()

    @contextlib.contextmanager
    def committing(self, command: str) -> Iterator[None]:
        """Hold `commit`, with the newest state loaded.

        Raises: Locked after ten seconds; Damage if the newest record is not sound: nothing may be built on it.
        """
        with self.lock("commit") as lock:
            lock.acquire(COMMIT_WAIT, command)
            # A migration may have been killed before its record.
            self.format = self.refuse_gone().format
            self.reload()
            self.refuse_unsound()
            self._sweep(self.layout.refs, "commit")
            self._sweep(self.layout.packs, "commit")
            durable.sweep(self.layout.own_cache, "cache")  # a writer at work loses its cache file at worst
            yield

    def sweep(self) -> None:
        """Remove the half-written files of earlier holders of `ingest`. The caller holds it."""
        folders = [self.layout.folder, self.layout.segments, self.layout.packs]
        if os.path.lexists(self.layout.indexes):  # few stores have parts of indexes
            from vstore.disk.index_parts import part_folders

            folders += part_folders(self.layout)
        for folder in folders:
            self._sweep(folder, "ingest")
        durable.sweep(self.layout.catalogue, "cache")

    def _sweep(self, folder: Path, lock: str) -> None:
        cache = self.layout.cache
        with contextlib.suppress(FileNotFoundError):
            if recall(cache, folder) is None:
                seen = look(folder)
                note(cache, folder, seen, durable.sweep(folder, lock))

    def refuse_held(self) -> None:
        """Refuse to make another snapshot current while syncing is held since a rollback. Raises: Refused."""
        if self.state.hold is not None:
            raise Refused(
                f"syncing is held at {self.state.hold} since a rollback", "go on with: vstore rollback --release"
            )

    def refuse_unsound(self) -> None:
        """Refuse to build on an unsound newest record. Raises: Damage."""
        if self.tip.complaint:
            raise Damage(self.tip.complaint, "run: vstore repair")

    def publish(
        self, op: str, changes: Document, *, blobs: Mapping[bytes, bytes] | None = None, **words: Unpack[RecordWords]
    ) -> None:
        """Publish a record. The caller is inside `committing`, and all files named by the changes are durable.

        changes: as if the state held all snapshots, whatever the format.
        blobs:   blobs named by the changes, by digest: they are written first, as one pack.
        words:   more of the record.
        Raises: CommitRace, DiskTrouble, ReadOnly; Damage if the list of snapshots is.
        """
        changes, pages = self.settled({**changes, **self.retired_by(changes)})
        packs = self.write_blobs({**(blobs or {}), **pages})
        if packs:
            changes = {**changes, "packs": {**changes.get("packs", {}), **packs}}
        self.append(op, changes, **words)

    def retired_by(self, changes: Document) -> dict[str, Json]:
        """Give the changes of the folders that labels had, if the folders that they have change."""
        if self.format < 2 or not ("roots" in changes or "absorbed" in changes):
            return {}
        from vstore.format.retiring import retiring  # few records change folders

        def absolute(place: bytes, relative: bool) -> bytes:
            return self.place(Root("", place, relative))

        labels = {*changes.get("roots", {}), *changes.get("absorbed", {})}
        retired = retiring(self.state, self.state.after(changes), labels, absolute)
        return {"retired": retired} if retired else {}

    def after_folders(self, changes: Document) -> State:
        """Give the state after changes of the folders."""
        return self.state.after({**changes, **self.retired_by(changes)})

    def append(self, op: str, changes: Document, **words: Unpack[RecordWords]) -> None:
        """Publish a record of changes as the format of this store records them: see `publish`."""
        self.refuse_lost_locks()
        self.tip = self.log.append(self.tip, op, changes, now(), format=self.format, **words)
        self._list_objects()

    def write_blobs(self, blobs: Mapping[bytes, bytes]) -> dict[str, Json]:
        """Write blobs as one pack. Returns: the changes of `packs` for the record. Raises: DiskTrouble, ReadOnly."""
        if not blobs:
            return {}
        from vstore.disk.pack_writer import write_pack

        return listed_packs([write_pack(self.layout.packs, self.hash, blobs, "commit")])

    def settled(self, changes: Document) -> tuple[Document, dict[bytes, bytes]]:
        """Give changes as the format of this store records them, and the blobs that they name. Raises: Damage."""
        return (changes, {}) if self.format == 1 else self.listing.settled(changes)

    def require_format_2(self, what: str) -> None:
        """Refuse what a store of format 1 cannot hold. Raises: MigrationNeeded."""
        if self.format < 2:
            raise MigrationNeeded(f"{what} need store format 2, and this store has format 1", "run: vstore migrate")
