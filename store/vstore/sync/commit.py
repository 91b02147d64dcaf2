"""Commits the decision of a sync: one record over its base, or none."""

from __future__ import annotations

from vstore.counts import counted
from vstore.errors import CommitRace, VstoreError
from vstore.format.canonical import Json
from vstore.format.entries import FileRef, Snapshot
from vstore.intake.ingest import Ingest
from vstore.repository.repository import Repository
from vstore.repository.snapshots import new_snapshot
from vstore.sync.decision import Base, Decision
from vstore.sync.occurrences import images_gained


class Moved(Exception):
    """Another snapshot became current while this run was working."""


class Commit:
    """One commit over a frozen base."""

    def __init__(
        self,
        repo: Repository,
        base: Base,
        decision: Decision,
        *,
        ingest: Ingest,
        space: str,
        asked: bool,
        message: str,
        complete: bool,
    ) -> None:
        """
        space:    of the run.
        asked:    the caller named the space: it need not be that of the current snapshot.
        complete: the run came to its end: its snapshot is not partial.
        """
        self._repo = repo
        self._base = base
        self._decision = decision
        self._ingest = ingest
        self._space = space
        self._asked = asked
        self._message = message
        self._complete = complete

    def write(self) -> Snapshot | None:
        """Publish one record: segments first, then the pack, then the record, then the journals go.

        Returns: the snapshot, or None if the current one holds the same aliases.
        Raises: Moved if another snapshot became current; CommitRace if it is in another space; Refused if
        syncing is held. The vectors are sealed then.
        """
        refs = self._ingest.write_rest()
        with self._repo.committing("sync"):
            sealed = self._sealed(refs)
            obstacle = self._obstacle()
            if obstacle is not None:
                self._publish("seal", sealed)
                self._ingest.listed()
                raise obstacle
            written = self._write_decision(sealed)
            self._ingest.listed()
        return written

    def _sealed(self, refs: list[FileRef]) -> dict[str, Json]:
        if not refs:
            return {}
        state = self._repo.state
        return {"segments": state.segments_changed(self._space, [*state.segments(self._space), *refs])}

    def _obstacle(self) -> Exception | None:
        """Find what keeps the decision from being published."""
        found, parent = self._repo.state.current_snapshot, self._base.parent
        moved = (found and found.id) != (parent and parent.id)
        if moved and found is not None and found.space != self._space and not self._asked:
            return CommitRace(
                f"the current snapshot {found.name} has another embedding space now; finished vectors are kept",
                "run vstore sync again",
            )
        try:
            self._repo.refuse_held()
        except VstoreError as held:
            return held
        return Moved() if moved else None

    def _write_decision(self, sealed: dict[str, Json]) -> Snapshot | None:
        repo, base, decision = self._repo, self._base, self._decision
        found = repo.state.current_snapshot
        changes = {**sealed, **base.scope.changes()}
        if self._is_stored_in(found):
            self._publish("seal" if sealed else "roots", changes, about=", ".join(sorted(base.scope.roots)))
            return None
        images = (found.images if found else 0) + images_gained(decision.before, decision.changes)
        snapshot, more, blobs = new_snapshot(
            repo,
            self._space,
            decision.tree,
            images=images,
            parent=found,
            message=self._message,
            partial=not self._complete,
        )
        about = f"{snapshot.name}: {counted(snapshot.paths, 'path')}"
        repo.publish("sync", {**changes, **more}, blobs=blobs, about=about)
        return snapshot

    def _is_stored_in(self, found: Snapshot | None) -> bool:
        """Tell whether the current snapshot already holds the decided aliases."""
        if found is None:
            return not self._decision.changes
        if found.space != self._space or self._repo.manifest(found).tree != self._decision.tree.root:
            return False
        # A run that came to its end leaves no snapshot of its own current that is marked as cut short.
        return not (self._complete and found == self._base.written and found.partial)

    def _publish(self, op: str, changes: dict[str, Json], about: str = "") -> None:
        if changes:
            self._repo.publish(op, changes, about=about)
