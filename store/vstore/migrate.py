"""Brings a store of an older format up to the newest.

Blobs first, then FORMAT, then one record with the whole state. A store whose migration was killed in between is read
and written as one of the newest format: its state is a valid one there. Run again, it goes on with what is missing.
"""

from __future__ import annotations

from typing import NamedTuple

from vstore.brief import briefly
from vstore.clock import now
from vstore.disk import durable
from vstore.disk.pack_writer import packed_size
from vstore.format.canonical import Document, Json
from vstore.format.entries import FileRef, listed_packs
from vstore.format.layout import NEWEST
from vstore.format.records import Record
from vstore.progress import Progress, Stages
from vstore.repository.form import Form, read_form
from vstore.repository.repository import Repository

_OP = "migrate"
_ABOUT = f"to format {NEWEST}"


@briefly
class MigrateReport(NamedTuple):
    """The result of a migration.

    dry_run: nothing was changed; the report says what would be.
    format:  the format that the store has now.
    steps:   the files written, in order, a line each.
    newest:  the format to which stores are migrated.
    bytes:   bytes of these files.
    """

    dry_run: bool
    format: int
    steps: tuple[str, ...]
    newest: int
    bytes: int

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), "steps": list(self.steps)}


class _Plan(NamedTuple):
    """The files that a migration writes.

    form:      the new FORMAT; None if it is of the newest format.
    changes:   those of the record; None if the newest record is of the newest format, or there is none.
    pages:     the new pages of the list of snapshots, by digest.
    snapshots: how many it lists.
    """

    form: Form | None
    changes: Document | None
    pages: dict[bytes, bytes]
    snapshots: int


def migrate(
    repo: Repository, *, dry_run: bool = False, wait: bool = False, progress: Progress | None = None
) -> MigrateReport:
    """Bring a store up to the newest format. No snapshot, id or vector changes.

    wait:   wait for another process that is changing the store.
    Raises: Locked, Damage, DiskTrouble, ReadOnly. After a kill or an error it can be run again.
    """
    stages = Stages(progress)
    if dry_run:
        stages.begin("reading the store")
        return repo.reading(lambda: _look(repo))
    with repo.lock("ingest") as lock:
        lock.acquire(None if wait else 0.0, _OP)
        stages.share(lock.tell)
        with repo.committing(_OP):
            stages.begin("reading the store")
            repo.sweep()
            plan = _plan(repo)
            steps = _steps(repo, plan)
            stages.begin("writing the store", len(steps), size=sum(size for _, size in steps))
            _write(repo, plan)
            return _report(repo, steps, dry_run=False)


def _look(repo: Repository) -> MigrateReport:
    repo.refuse_unsound()
    return _report(repo, _steps(repo, _plan(repo)), dry_run=True)


def _report(repo: Repository, steps: list[tuple[str, int]], *, dry_run: bool) -> MigrateReport:
    lines = tuple(f"{what}, {size:,} bytes" for what, size in steps)
    return MigrateReport(dry_run, repo.format, lines, NEWEST, sum(size for _, size in steps))


def _plan(repo: Repository) -> _Plan:
    """Find out what is missing. Raises: Damage."""
    form = read_form(repo.layout.folder)
    newer = None if form.format == NEWEST else form._replace(format=NEWEST)
    if repo.tip.format in (0, NEWEST):
        return _Plan(newer, None, {}, 0)
    changes, pages = repo.listing.settled({})
    return _Plan(newer, changes, pages, sum(1 for _ in repo.listing.every()) if pages else 0)


def _steps(repo: Repository, plan: _Plan) -> list[tuple[str, int]]:
    """Describe the files of a plan, in the order of writing. Returns: what each is, and its bytes."""
    steps: list[tuple[str, int]] = []
    packs: dict[str, Json] = {}
    if plan.pages:
        size = packed_size(repo.hash, plan.pages)
        steps.append((f"packs/: the list of all {plan.snapshots:,} snapshots", size))
        packs = listed_packs([FileRef(f"{'0' * 32}.pack", size, "0" * 16)])  # as long as the one to come
    if plan.form is not None:
        steps.append((f"FORMAT: format {NEWEST}", len(plan.form.to_bytes())))
    if plan.changes is not None:
        name = repo.layout.record(repo.tip.highest + 1).name
        steps.append((f"refs/{name}: the state of the store", len(_record(repo, _with(plan.changes, packs)))))
    return steps


def _record(repo: Repository, changes: Document) -> bytes:
    """Write a record as long as the one to come, whose nonce nobody knows yet."""
    record = Record(
        number=repo.tip.highest + 1,
        op=_OP,
        nonce="0" * 32,
        time=now(),
        before=repo.tip.digest,
        changes=changes,
        whole=repo.state.after(changes).document,
        about=_ABOUT,
    )
    return record.to_bytes(repo.hash)


def _write(repo: Repository, plan: _Plan) -> None:
    """Write the files of a plan. The caller holds both locks."""
    packs = repo.write_blobs(plan.pages)
    if plan.form is not None:
        durable.write_durably(repo.layout.format, [plan.form.to_bytes()], "ingest")
    repo.format = NEWEST
    if plan.changes is not None:
        repo.append(_OP, _with(plan.changes, packs), about=_ABOUT, whole=True)


def _with(changes: Document, packs: dict[str, Json]) -> Document:
    return {**changes, "packs": packs} if packs else changes
