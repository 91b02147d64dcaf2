"""Brings a store of an older format up to the newest.

Blobs first, then FORMAT, then one record with the whole state. A store whose migration was killed in between is read
and written as one of the newest format: its state is a valid one there.
"""

from __future__ import annotations

from typing import NamedTuple

from vstore.brief import briefly
from vstore.disk import durable
from vstore.format.canonical import Json, canonical
from vstore.format.layout import NEWEST
from vstore.repository.form import Form
from vstore.repository.repository import Repository


@briefly
class MigrateReport(NamedTuple):
    """The result of a migration.

    dry_run: nothing was changed; the report says what would be.
    format:  the format that the store has now.
    steps:   what was done, a line each.
    """

    dry_run: bool
    format: int
    steps: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), "steps": list(self.steps)}


def migrate(repo: Repository, *, dry_run: bool = False) -> MigrateReport:
    """Bring a store up to the newest format. No snapshot, id or vector changes.

    Raises: Locked, Damage, DiskTrouble, ReadOnly. After a kill or an error it can be run again.
    """
    if dry_run:
        return repo.reading(lambda: MigrateReport(True, repo.format, tuple(_steps(repo))))
    with repo.lock("ingest") as lock:
        lock.acquire(0.0, "migrate")
        repo.sweep()
        with repo.committing("migrate"):
            steps = _steps(repo)
            if steps:
                _write(repo)
            return MigrateReport(False, repo.format, tuple(steps))


def _steps(repo: Repository) -> list[str]:
    """Say what has to be written, in order; nothing for a store of the newest format."""
    if repo.format == NEWEST and repo.tip.format in (0, NEWEST):
        return []
    steps = []
    changes, pages = repo.listing.settled({})
    if pages:
        count = sum(1 for _ in repo.listing.every())
        steps.append(f"packs: a list of {count} snapshots, {sum(map(len, pages.values())):,} bytes before compression")
    if repo.format < NEWEST:
        steps.append(f"FORMAT: format {NEWEST} instead of {repo.format}")
    if repo.tip.number:
        size = len(canonical(repo.state.after(changes).document))
        steps.append(f"record {repo.tip.highest + 1}: the whole state, {size:,} bytes instead of {_size_now(repo):,}")
    return steps


def _size_now(repo: Repository) -> int:
    return len(canonical(repo.state.document))


def _write(repo: Repository) -> None:
    """Write the steps. The caller holds both locks."""
    changes, pages = repo.listing.settled({})
    packs = repo.write_blobs(pages)
    if repo.format < NEWEST:
        form = Form(repo.store_id, repo.hash.name, repo.dtype)
        durable.write_durably(repo.layout.format, [form.to_bytes()], "ingest")
        repo.format = NEWEST
    if repo.tip.number:
        if packs:
            changes = {**changes, "packs": packs}
        repo.append("migrate", changes, about=f"to format {NEWEST}", whole=True)
