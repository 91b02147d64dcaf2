"""Commits the decision of a sync: one record over its base, or none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vstore.counts import counted
from vstore.errors import CommitRace, VstoreError
from vstore.format.canonical import Json
from vstore.format.entries import NAMED, FileRef, Snapshot
from vstore.intake.ingest import Ingest
from vstore.quick_tuple import NamedTuple
from vstore.repository.repository import Repository
from vstore.sync.decision import Base, Decision
from vstore.sync.occurrences import images_gained

if TYPE_CHECKING:
    from vstore.format.facts import Fact
    from vstore.format.table import Table


class Moved(Exception):
    """Another snapshot became current while this run was working."""


class _Sealed(NamedTuple):
    """The vectors and facts that a record lists, whatever else it says.

    changes: of the state.
    blobs:   named by the changes, by digest.
    """

    changes: dict[str, Json]
    blobs: dict[bytes, bytes]


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
        allowed: bool = False,
    ) -> None:
        """
        space:    of the run.
        asked:    the caller named the space: it need not be that of the current snapshot.
        complete: the run came to its end: its snapshot is not partial.
        allowed:  the caller accepts that many pictures have disappeared.
        """
        self._repo = repo
        self._base = base
        self._decision = decision
        self._ingest = ingest
        self._space = space
        self._asked = asked
        self._message = message
        self._complete = complete
        self._allowed = allowed

    def write(self) -> Snapshot | None:
        """Publish one record: segments first, then the pack, then the record, then the journals go.

        Returns: the snapshot, or None if the current one holds the same aliases.
        Raises: Moved if another snapshot became current; CommitRace if it is in another space; Refused if
        syncing is held. The vectors are sealed then.
        """
        refs, facts = self._ingest.write_rest(), self._ingest.new_facts()
        with self._repo.committing("sync"):
            sealed = self._sealed(refs, facts)
            obstacle = self._obstacle()
            if obstacle is not None:
                self._publish("seal", sealed)
                self._ingest.listed(facts)
                raise obstacle
            written = self._write_decision(sealed)
            self._ingest.listed(facts)
        return written

    def _sealed(self, refs: list[FileRef], facts: Sequence[Fact]) -> _Sealed:
        """Add segments and facts to those of the state, in one record: a copied vector comes with its digest."""
        repo = self._repo
        changes: dict[str, Json] = {}
        blobs: dict[bytes, bytes] = {}
        if facts:
            from vstore.repository.facts import added_in_order  # a run without news does without it

            more, blobs = added_in_order(repo, facts)
            changes |= more
        if refs:
            segments = [*repo.state.segments(self._space), *refs]
            changes["segments"] = repo.state.segments_changed(self._space, segments)
            doubted = repo.state.spaces[self._space].by_name
            heirs = [key for key in self._ingest.heirs(doubted) if key not in doubted]
            if heirs:  # a vector that came by a name alone is not known better for an edit
                changes["spaces"] = {self._space: {"by_name": [key.hex() for key in (*heirs, *doubted)[:NAMED]]}}
        return _Sealed(changes, blobs)

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

    def _write_decision(self, sealed: _Sealed) -> Snapshot | None:
        repo, base, decision = self._repo, self._base, self._decision
        found = repo.state.current_snapshot
        changes = {**sealed.changes, **base.scope.changes()}
        if self._is_stored_in(found):
            # What the user changed of the folders is an operation, which undo takes back.
            folders = self._folders_changed()
            about = f"no snapshot, folders changed: {', '.join(folders)}" if folders else ""
            added = _Sealed(changes, sealed.blobs) if folders else sealed
            self._publish("sync" if folders else "seal", added, about=about)
            return None
        from vstore.repository.snapshots import new_snapshot  # a run without news does without it

        images = (found.images if found else 0) + images_gained(decision.before, decision.changes)
        snapshot, more, blobs = new_snapshot(
            repo,
            self._space,
            decision.tree,
            images=images,
            parent=found,
            message=self._message,
            partial=not self._complete,
            fields=self._fields(found),
        )
        said = self._decisions()
        about = f"{snapshot.name}: {counted(snapshot.paths, 'path')}"
        changes |= {**more, **said.changes}
        if self._allowed and repo.format >= 2:
            changes["roots"] = self._counted_afresh(changes.get("roots", {}), int(snapshot.name[1:]))
        repo.publish("sync", changes, blobs={**sealed.blobs, **blobs, **said.blobs}, about=about)
        return snapshot

    def _folders_changed(self) -> list[str]:
        """List the labels whose folder is another after this commit: an earlier one of the run may have told."""
        known, scope = self._repo.state.roots, self._base.scope
        after = {label: root and root._replace(since=0) for label, root in scope.roots.items()}
        before = {label: known[label]._replace(since=0) if label in known else None for label in after}
        return sorted(label for label in after if after[label] != before[label])

    def _counted_afresh(self, roots: dict[str, Json], number: int) -> dict[str, Json]:
        """Add to the changes of roots that losses are counted from a snapshot on, where something goes."""
        gone = {path.partition(b"/")[0] for path, old, new in self._decision.changes if old and new is None}
        news = {os.fsdecode(label): {"since": number} for label in gone}
        again = {label: {**(roots.get(label) or {}), **new} for label, new in news.items() if self._is_root(label)}
        return {**roots, **again}

    def _is_root(self, label: str) -> bool:
        """Tell whether a folder is known after this commit."""
        return self._base.scope.roots.get(label, self._repo.state.roots.get(label)) is not None

    def _fields(self, found: Snapshot | None) -> Table | None:
        """Hand on the fields of edited pictures; None if there are none."""
        if not self._decision.same or found is None or not found.fields:
            return None
        from vstore.repository.fields import fields_of  # most runs meet no edit of a picture with fields
        from vstore.repository.heirs import fields_after

        named = [key for key, count in self._decision.before.items() if count]
        return fields_after(fields_of(self._repo, found), self._decision.same, named)

    def _decisions(self) -> _Sealed:
        """Hand on the decisions about edited pictures."""
        before = self._repo.state.root("decisions")
        if not self._decision.same or before is None:
            return _Sealed({}, {})
        from vstore.repository.heirs import decisions_after

        after = decisions_after(self._repo, self._decision.same)
        if after.root is None or after.root == before:
            return _Sealed({}, {})
        return _Sealed({"trees": {"decisions": after.root.hex()}}, dict(after.fresh))

    def _is_stored_in(self, found: Snapshot | None) -> bool:
        """Tell whether the current snapshot already holds the decided aliases."""
        if found is None:
            return not self._decision.changes
        if found.space != self._space or self._repo.manifest(found).tree != self._decision.tree.root:
            return False
        # A run that came to its end leaves no snapshot of its own current that is marked as cut short.
        return not (self._complete and found == self._base.written and found.partial)

    def _publish(self, op: str, added: _Sealed, about: str = "") -> None:
        if added.changes:
            self._repo.publish(op, added.changes, blobs=added.blobs, about=about)
