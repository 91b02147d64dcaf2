"""Forgets snapshots. Nothing is freed before gc, and undo brings them back until then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vstore.brief import briefly
from vstore.clock import now
from vstore.errors import UsageError
from vstore.format.canonical import Json
from vstore.gc.plan import plan_of
from vstore.paths import several
from vstore.repository.repository import Repository
from vstore.repository.small_packs import merge_small_packs
from vstore.versions.policy import Policy, kept_by, moment

_ATTEMPTS = 3  # times that a forget decides again because others made or forgot snapshots meanwhile


@briefly
class Kept(NamedTuple):
    """A snapshot to keep.

    snapshot: its name.
    time:     when it was made.
    reasons:  why it stays.
    """

    snapshot: str
    time: str
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        return {"snapshot": self.snapshot, "time": self.time, "reasons": list(self.reasons)}


@briefly
class ForgetReport(NamedTuple):
    """The result of forgetting snapshots.

    dry_run:   nothing was written.
    kept:      snapshots kept.
    forgotten: snapshots forgotten.
    gc_frees:  bytes a gc would free now; the lines of the log that it writes are not subtracted.
    """

    dry_run: bool
    kept: tuple[Kept, ...]
    forgotten: tuple[str, ...]
    gc_frees: int

    def to_json(self) -> dict[str, Json]:
        kept = [entry.to_json() for entry in self.kept]
        return {**self._asdict(), "kept": kept, "forgotten": list(self.forgotten)}


def snapshot_forget(
    repo: Repository, snaps: Sequence[str] = (), policy: Policy | None = None, *, dry_run: bool = False
) -> ForgetReport:
    """Forget the given snapshots, or those outside a policy. Times are UTC.

    The newest are those with the highest numbers: a wrong clock makes no snapshot older.

    The current snapshot, one that holds syncing, and tagged ones are never forgotten; fetched ones only by their names.
    Raises: UsageError for an empty policy, or a snapshot that must stay; SnapshotNotFound; Damage.
    """
    policy = policy or Policy()
    if bool(snaps) != policy.is_empty:
        raise UsageError(
            "forget takes snapshots or a policy, but not both", "name snapshots, or say what to keep: --keep-last 10"
        )
    if dry_run:
        return repo.reading(lambda: _report(repo, *_decided(repo, snaps, policy), dry_run=True))
    repo.refuse_unsound()  # or the snapshots would be judged by an older record
    for _ in range(_ATTEMPTS):
        # What gc would free takes long to compute: meanwhile others may go on.
        report = repo.reading(lambda: _report(repo, *_decided(repo, snaps, policy), dry_run=False))
        with repo.committing("forget"):
            if _decided(repo, snaps, policy) == (list(report.kept), list(report.forgotten)):
                return _forget(repo, report)
    with repo.committing("forget"):
        return _forget(repo, _report(repo, *_decided(repo, snaps, policy), dry_run=False))


def _forget(repo: Repository, report: ForgetReport) -> ForgetReport:
    """Publish what was decided. The caller is inside `committing`."""
    names = report.forgotten
    if names:
        changes = {"snapshots": {name: {"kept": False} for name in names}}
        repo.publish("forget", changes, about=", ".join(names[:10]) + (" …" if len(names) > 10 else ""))
        merge_small_packs(repo)
    return report


def _report(repo: Repository, kept: list[Kept], forgotten: list[str], *, dry_run: bool) -> ForgetReport:
    return ForgetReport(dry_run, tuple(kept), tuple(forgotten), max(0, plan_of(repo, forgotten=forgotten).bytes))


def _decided(repo: Repository, snaps: Sequence[str], policy: Policy) -> tuple[list[Kept], list[str]]:
    state = repo.state
    listed = list(repo.listing.kept())
    musts: dict[str, list[str]] = {}
    if state.current is not None:
        musts.setdefault(state.current, []).append("current snapshot")
    if state.hold is not None:
        musts.setdefault(state.hold, []).append("syncing is held at it")
    for tag, name in sorted(state.tags.items()):
        musts.setdefault(name, []).append(f"has the tag {tag}")
    if snaps:
        wanted = {repo.snapshot(snap).name for snap in several(snaps)}
        for name in sorted(wanted & musts.keys()):
            raise UsageError(
                f"{name} cannot be forgotten ({', '.join(musts[name])})",
                "roll back to another snapshot first, or remove its tag",
            )
        reasons = {s.name: ["not named"] for s in listed if s.name not in wanted}
    else:
        reasons = kept_by(policy, [s for s in listed if s.is_own], state.tags, moment(now()))
        reasons |= {s.name: ["fetched from another store"] for s in listed if not s.is_own}
    kept = []
    for snapshot in listed:
        why = [*musts.get(snapshot.name, ()), *reasons.get(snapshot.name, ())]
        if why:
            kept.append(Kept(snapshot.name, snapshot.time, tuple(why)))
    stay = {entry.snapshot for entry in kept}
    return kept, [snapshot.name for snapshot in listed if snapshot.name not in stay]
