"""Drops a space and its vectors."""

from __future__ import annotations

from typing import NamedTuple

from vstore.counts import counted, some
from vstore.disk import durable
from vstore.disk.journal import journals
from vstore.errors import Refused
from vstore.format.canonical import Json
from vstore.format.entries import Space
from vstore.format.rest_entry import Import
from vstore.models.report import ModelDropped
from vstore.quoting import quoted
from vstore.repository.leftovers import as_of
from vstore.repository.repository import Repository

_GIVEN = 10  # snapshots that a command names; it is run again for the others


def model_drop(repo: Repository, name: str, *, dry_run: bool = False, wait: bool = False) -> ModelDropped:
    """Drop a space and its vectors; `vstore gc` frees the disk space. Cannot be undone.

    The leftovers of an import go too, unless another space adopted its vectors: they wait for that space then.
    wait:   wait for another process that is changing the store.
    Raises: UsageError; Refused while a snapshot is in this space, or the first sync starts there; Locked.
    """
    if dry_run:
        repo.reload()
        return repo.reading(lambda: _plan(repo, name)).report(dry_run=True)
    with repo.lock("ingest") as lock:
        lock.acquire(None if wait else 0.0, "model drop")
        with repo.committing("model drop"):
            plan = _plan(repo, name)
            about = f"{plan.space.name}: {counted(plan.rows, 'vector')}"
            repo.publish("model drop", plan.changes, about=about)
        for path in journals(repo.layout.journal):
            if path.name.startswith(plan.space.id):
                durable.remove(path)  # a killed run left it, and nothing else would remove it
        return plan.report(dry_run=False)


class _Plan(NamedTuple):
    """The losses by dropping a space. rows: its vectors; changes: of the record."""

    space: Space
    rows: int
    changes: dict[str, Json]

    def report(self, *, dry_run: bool) -> ModelDropped:
        return ModelDropped(self.space.id, self.space.name, self.rows, dry_run)


def _plan(repo: Repository, name: str) -> _Plan:
    """Find out what goes with a space. Raises: UsageError; Refused if it is needed."""
    space = repo.space(name)
    _refuse_used(repo, space)
    heirs = {f.id: _heir(repo, f) for f in repo.state.imports.values() if f.space == space.id}
    left = [repo.state.imports[id] for id, heir in heirs.items() if heir is None]
    rows = sum(ref.rows for ref in repo.state.segments(space.id)) + sum(found.rows for found in left)
    current = repo.state.current_snapshot
    changes: dict[str, Json] = {"spaces": {space.id: None}, "segments": {space.id: None}}
    if heirs:  # no picture can be joined to the vectors of a space that is gone
        changes["imports"] = {id: None if heir is None else {"space": heir} for id, heir in heirs.items()}
    if repo.state.start_space == space.id:
        if current is None:
            raise Refused(
                f"the first sync of this store starts in the space {space.name!r}",
                "make the first snapshot in another one: vstore sync FOLDER --space OTHER",
            )
        changes["start_space"] = current.space
    return _Plan(space, rows, changes)


def _refuse_used(repo: Repository, space: Space) -> None:
    """Refuse to drop a space that has snapshots. Raises: Refused."""
    used = [snapshot for snapshot in repo.listing.kept() if snapshot.space == space.id]
    if used:
        names = [snapshot.name for snapshot in used]
        step = f"keep the space, or forget first: vstore snapshot forget {' '.join(map(quoted, names[:_GIVEN]))}"
        if repo.state.current_space == space.id:  # its current snapshot cannot be forgotten
            step = (
                "it is the current space: make another one current first (vstore model use SPACE), then forget "
                "its snapshots"
            )
        raise Refused(
            f"the space {space.name!r} is needed by {counted(len(used), 'snapshot')}: {some(names)}",
            step,
        )


def _heir(repo: Repository, found: Import) -> str | None:
    """Find the space that adopted the vectors of an import; of several, the current one."""
    current = repo.state.current_snapshot
    others = sorted(repo.state.spaces, key=lambda id: (current is None or id != current.space, id))
    return next((id for id in others if id != found.space and as_of(repo, found, id).space == id), None)
