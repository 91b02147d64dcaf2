"""The policy for keeping snapshots, as in restic. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple, TypedDict, Unpack

from vstore.clock import TIME
from vstore.counts import whole
from vstore.errors import Damage, UsageError
from vstore.format.entries import Snapshot
from vstore.paths import several

_SPAN = re.compile(r"(?:(\d{1,9})y)?(?:(\d{1,9})m)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?")
# How the time of a snapshot is cut for each rule: two snapshots with the same cut are of the same hour, day …
_CUTS = {"hourly": "%Y-%m-%dT%H", "daily": "%Y-%m-%d", "weekly": "%G-W%V", "monthly": "%Y-%m", "yearly": "%Y"}


class KeepWords(TypedDict, total=False):
    """Rules of `Store.snapshot_forget`: each chooses snapshots to keep.

    keep_last:    the newest n.
    keep_hourly:  the last one of each of the n newest hours with a snapshot.
    keep_daily:   the same for days.
    keep_weekly:  the same for weeks.
    keep_monthly: the same for months.
    keep_yearly:  the same for years.
    keep_within:  all at most a span older than the newest: `1y6m14d12h`.
    keep_tag:     all with one of these tags; `*` stands for any tag.
    """

    keep_last: int | None
    keep_hourly: int | None
    keep_daily: int | None
    keep_weekly: int | None
    keep_monthly: int | None
    keep_yearly: int | None
    keep_within: str | None
    keep_tag: Sequence[str]


class Policy(NamedTuple):
    """The rules of `KeepWords`, without their prefix."""

    last: int | None = None
    hourly: int | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None
    within: str | None = None
    tag: tuple[str, ...] = ()

    @classmethod
    def of(cls, **rules: Unpack[KeepWords]) -> Policy:
        """Read the rules of a caller. Raises: UsageError."""
        given: dict[str, Any] = {name.removeprefix("keep_"): rule for name, rule in rules.items()}
        for name, rule in given.items():
            if name not in ("within", "tag") and rule is not None and whole(rule) is None:
                raise UsageError(f"keep_{name} is {rule!r:.100}, and no whole number", "give a number of snapshots")
        return cls(**given)._replace(tag=several(rules.get("keep_tag", ())))

    @property
    def is_empty(self) -> bool:
        return not any(self)

    @property
    def goes_by_time(self) -> bool:
        return any(getattr(self, rule) for rule in ("within", *_CUTS))


def moment(time: str) -> datetime:
    """Read a time as the store writes it."""
    try:
        return datetime.strptime(time, TIME)
    except ValueError as err:
        raise Damage(f"the log lists a snapshot of the time {time!r:.100}, which is none", "run: vstore check") from err


def kept_by(
    policy: Policy, snapshots: Sequence[Snapshot], tags: Mapping[str, str], today: datetime = datetime.max
) -> dict[str, list[str]]:
    """Choose the snapshots to keep by a policy. Pure.

    A clock may have been wrong when a snapshot was made, and no time tells in which direction. So the rules that go by
    time take the snapshots by number and by time, and keep what either order keeps. A snapshot that is later than now
    is kept, and takes nobody's place.

    snapshots: newest first, by number. today: now.
    Returns:   the reasons, by snapshot.
    Raises:    UsageError for a span that is not valid.
    Source:    restic's `ApplyPolicy`: while a rule still has some to keep, the oldest snapshot is kept by it too; a
               span is counted from the newest snapshot that is not later than now.
    """
    times = {s.name: moment(s.time) for s in snapshots}
    past = [s for s in snapshots if times[s.name] <= today]
    reasons: dict[str, list[str]] = {}
    by_tag = ((name, f"tag {tag}") for tag, name in sorted(tags.items()) if {tag, "*"} & set(policy.tag))
    later = ((s.name, "later than now") for s in snapshots if policy.goes_by_time and times[s.name] > today)
    for name, why in chain(by_tag, later, _within(policy, past, times), _by_count(policy, snapshots, past, times)):
        if why not in reasons.setdefault(name, []):
            reasons[name].append(why)
    return reasons


def _within(policy: Policy, past: Sequence[Snapshot], times: Mapping[str, datetime]) -> Iterator[tuple[str, str]]:
    if policy.within is None:
        return
    start = _before(max((times[s.name] for s in past), default=datetime.min), policy.within)
    reached = datetime.min
    for snapshot in past[::-1]:
        # A snapshot that was made after one within the span is no older than that one, whatever its clock said.
        reached = max(reached, times[snapshot.name])
        if reached > start:
            yield snapshot.name, f"within {policy.within}"


def _by_count(
    policy: Policy, snapshots: Sequence[Snapshot], past: Sequence[Snapshot], times: Mapping[str, datetime]
) -> Iterator[tuple[str, str]]:
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
                    yield snapshot.name, what if cut != cut_before else f"oldest {what}"
                    left -= 1
                cut_before = cut


def _before(time: datetime, span: str) -> datetime:
    """Go back by a span such as `1y6m14d12h`. Raises: UsageError."""
    found = _SPAN.fullmatch(span)
    if found is None or not any(int(part or 0) for part in found.groups()):  # no time at all would keep nothing
        raise UsageError(
            f"{span!r} is not a valid span of time", "write years, months, days and hours in this order: 1y6m14d12h"
        )
    years, months, days, hours = (int(part or 0) for part in found.groups())
    month = time.year * 12 + time.month - 1 - (12 * years + months)
    if month < 12:
        return datetime.min
    year, month = divmod(month, 12)
    day = time.day
    while True:
        try:
            start = time.replace(year=year, month=month + 1, day=day)
            break
        except ValueError:
            day -= 1  # the 31st of a month that has none
    try:
        return start - timedelta(days=days, hours=hours)
    except OverflowError:
        return datetime.min
