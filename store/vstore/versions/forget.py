"""Forgets snapshots by a policy, as restic does. Nothing is freed before gc, and undo brings them back until then."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from vstore.clock import now
from vstore.errors import UsageError
from vstore.format.canonical import Json
from vstore.format.entries import Snapshot
from vstore.gc import plan_of
from vstore.repository.repository import Repository

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_WITHIN = re.compile(r"(?:(\d+)y)?(?:(\d+)m)?(?:(\d+)d)?(?:(\d+)h)?")
# How the time of a snapshot is cut for each rule: two snapshots with the same cut are of the same hour, day …
_CUTS = {"hourly": "%Y-%m-%dT%H", "daily": "%Y-%m-%d", "weekly": "%G-W%V", "monthly": "%Y-%m", "yearly": "%Y"}


class Policy(NamedTuple):
    """Which snapshots to keep: the last n, the last one of each of the n last hours, days, weeks, months and years that
    have one, all within a span before the newest (`1y6m14d12h`), and those with a tag that fits (`*` alone is all)."""

    last: int | None = None
    hourly: int | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None
    within: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not any(self)

    @property
    def goes_by_time(self) -> bool:
        return any(getattr(self, rule) for rule in ("within", *_CUTS))


class Kept(NamedTuple):
    """A snapshot that stays, and why."""

    snapshot: str
    time: str
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        return {"snapshot": self.snapshot, "time": self.time, "reasons": list(self.reasons)}


class ForgetReport(NamedTuple):
    """What stays, what is forgotten, and the bytes that gc would free then."""

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
    """Forget the snapshots that are named, or those that a policy does not keep. Times are UTC.

    The newest are those with the highest numbers: a clock that was wrong makes no snapshot older.

    The current snapshot, one at which syncing is held, and those with a tag are never forgotten.
    Raises: UsageError for an empty policy, or a snapshot that must stay.
    """
    policy = policy or Policy()
    if bool(snaps) != policy.is_empty:
        raise UsageError(
            "forget wants snapshots or a policy, and not both", "say what to keep, such as: --keep-last 10"
        )
    if dry_run:
        return repo.reading(lambda: _report(repo, *_decided(repo, snaps, policy), dry_run=True))
    with repo.committing("forget"):
        kept, forgotten = _decided(repo, snaps, policy)
        report = _report(repo, kept, forgotten, dry_run=False)
        if forgotten:
            changes = {"snapshots": {name: {"kept": False} for name in forgotten}}
            repo.publish("forget", changes, about=", ".join(forgotten[:10]) + (" …" if len(forgotten) > 10 else ""))
        return report


def _report(repo: Repository, kept: list[Kept], forgotten: list[str], *, dry_run: bool) -> ForgetReport:
    after = repo.state.after({"snapshots": {name: {"kept": False} for name in forgotten}})
    return ForgetReport(dry_run, tuple(kept), tuple(forgotten), plan_of(repo, after).bytes)


def _decided(repo: Repository, snaps: Sequence[str], policy: Policy) -> tuple[list[Kept], list[str]]:
    state = repo.state
    listed = state.snapshots()
    musts: dict[str, list[str]] = {}
    if state.current is not None:
        musts.setdefault(state.current, []).append("current snapshot")
    if state.hold is not None:
        musts.setdefault(state.hold, []).append("syncing is held at it")
    for tag, name in sorted(state.tags.items()):
        musts.setdefault(name, []).append(f"has the tag {tag}")
    if snaps:
        wanted = {repo.snapshot(snap).name for snap in snaps}
        for name in sorted(wanted & musts.keys()):
            raise UsageError(
                f"{name} is never forgotten: {', '.join(musts[name])}", "take its tag away first, or roll back"
            )
        reasons = {s.name: ["not named"] for s in listed if s.name not in wanted}
    else:
        reasons = kept_by(policy, listed, state.tags, datetime.strptime(now(), _TIME))
    kept = []
    for snapshot in listed:
        why = [*musts.get(snapshot.name, ()), *reasons.get(snapshot.name, ())]
        if why:
            kept.append(Kept(snapshot.name, snapshot.time, tuple(why)))
    stay = {entry.snapshot for entry in kept}
    return kept, [snapshot.name for snapshot in listed if snapshot.name not in stay]


def kept_by(
    policy: Policy, snapshots: Sequence[Snapshot], tags: Mapping[str, str], today: datetime = datetime.max
) -> dict[str, list[str]]:
    """The snapshots that a policy keeps, with its reasons. snapshots: newest first, by number. Pure.

    today: now. A clock may have been wrong when a snapshot was made, and no time tells in which direction. So the rules
    that go by time take the snapshots by number and by time, and keep what either order keeps; one that is later than
    now is kept, and takes nobody's place.

    Source: restic's `ApplyPolicy`: while a rule still has some to keep, the oldest snapshot is kept by it too; a span
    is counted from the newest snapshot that is not later than now.
    """
    times = {s.name: datetime.strptime(s.time, _TIME) for s in snapshots}
    reasons: dict[str, list[str]] = {}

    def keep(name: str, why: str) -> None:
        if why not in reasons.setdefault(name, []):
            reasons[name].append(why)

    for tag, name in sorted(tags.items()):
        if tag in policy.tags or "*" in policy.tags:
            keep(name, f"tag {tag}")
    past = [s for s in snapshots if times[s.name] <= today]
    if policy.goes_by_time:
        for snapshot in snapshots:
            if times[snapshot.name] > today:
                keep(snapshot.name, "later than now")
    if policy.within is not None:
        start = _before(max((times[s.name] for s in past), default=datetime.min), policy.within)
        reached = datetime.min
        for snapshot in past[::-1]:
            # One that was made after one that is within is no older than that, whatever its clock said.
            reached = max(reached, times[snapshot.name])
            if reached > start:
                keep(snapshot.name, f"within {policy.within}")
    by_time = sorted(past, key=lambda s: times[s.name], reverse=True)
    for rule in ("last", *_CUTS):
        for order in (snapshots,) if rule == "last" else (past, by_time):
            left = getattr(policy, rule)
            cut_before = None
            for number, snapshot in enumerate(order):
                if not left:
                    break
                cut = str(number) if rule == "last" else times[snapshot.name].strftime(_CUTS[rule])
                oldest = number == len(order) - 1
                if cut != cut_before or oldest:
                    what = f"{rule} snapshot"
                    keep(snapshot.name, what if cut != cut_before else f"oldest {what}")
                    left -= 1
                cut_before = cut
    return reasons


def _before(moment: datetime, span: str) -> datetime:
    """A moment less a span such as `1y6m14d12h`. Raises: UsageError."""
    found = _WITHIN.fullmatch(span)
    if found is None or not any(int(part or 0) for part in found.groups()):  # no time at all would keep nothing
        raise UsageError(
            f"{span!r} is no span of time", "write years, months, days and hours in this order: 1y6m14d12h"
        )
    years, months, days, hours = (int(part or 0) for part in found.groups())
    month = moment.year * 12 + moment.month - 1 - (12 * years + months)
    if month < 12:
        return datetime.min
    year, month = divmod(month, 12)
    day = moment.day
    while True:
        try:
            start = datetime(year, month + 1, day, moment.hour, moment.minute, moment.second)
            break
        except ValueError:
            day -= 1  # the 31st of a month that has none
    try:
        return start - timedelta(days=days, hours=hours)
    except OverflowError:
        return datetime.min
