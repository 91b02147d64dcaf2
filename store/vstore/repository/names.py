"""The names of snapshots and spaces: the meaning of `v12`, `current`, `X~2`, `@{3}`, a date, or a prefix of an id.

Pure but for the time zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING

from vstore.clock import written
from vstore.closeness import instead
from vstore.counts import counted
from vstore.errors import AmbiguousSnapshot, Damage, SnapshotNotFound, UsageError
from vstore.format.entries import Snapshot, Space
from vstore.format.layout import why_not_a_space
from vstore.format.listing import Listing
from vstore.format.state import State
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from vstore.format.history import Line

# Compiled when a name is looked up: every command would pay for it.
_STEP = r"(?P<base>.+)(?:~(?P<up>[0-9]{0,18})|\^)"
_PAST = r"(?:HEAD|current)?@\{(?P<when>[^{}]*)\}"
_BACK = r"[0-9]{1,18}"
_ID = r"[0-9a-fA-F]{4,}"
_OWN = r"[vV][0-9]{1,18}"
_FETCHED = r"[^/]+/v[1-9][0-9]{0,17}"
_CURRENT = ("current", "HEAD", "@")
_ALWAYS = ("current", "latest")  # though a store of a stranger may have tags of these names
_LIST = "list them with: vstore snapshot list"


class Past(NamedTuple):
    """The past of a store, asked for as far as a name needs it.

    values: yields the values that `current` has had, the newest first.
    lines:  yields the lines of the log, the newest first.
    now:    gives the seconds since 1970, UTC.
    """

    values: Callable[[], Iterable[str | None]]
    lines: Callable[[], Iterable[Line]]
    now: Callable[[], int]


def find_snapshot(listing: Listing, name: str, past: Past) -> Snapshot:
    """Find a snapshot by any of its names.

    These are, in this order: `current` and `latest`; a tag; `HEAD` and `@`, which mean `current`; `X~2`, `X~` and `X^`,
    its parents; `@{3}`, an earlier value of `current`, and `@{yesterday}`, its value at that moment; a v-number, and
    NAME/v-number; a date, which means the newest snapshot made by then; a prefix of an id.

    A clock may have been wrong, and then numbers and times disagree: for a date the times count, and of equal times the
    later number.

    Raises: SnapshotNotFound, which names the nearest there is; AmbiguousSnapshot; UsageError for no text.
    """
    if not isinstance(name, str):
        raise UsageError(f"{repr(name)[:100]} is no name of a snapshot", "give a text: 'current', or one such as 'v12'")
    try:
        return _find(listing, name, past)
    except SnapshotNotFound as miss:
        from vstore.repository.near_snapshots import near_snapshots  # few names are mistyped

        for near in near_snapshots(listing, name):
            try:
                _find(listing, near, past)
            except (SnapshotNotFound, AmbiguousSnapshot, Damage):
                continue
            raise SnapshotNotFound(miss.message, miss.next_step, instead=(name, near)) from None
        raise


def _find(listing: Listing, name: str, past: Past) -> Snapshot:
    base, up = _steps(listing.state, name)
    return _ancestor(listing, past, _base(listing, base, past, name), up, name)


def _steps(state: State, name: str) -> tuple[str, int]:
    """Split a name into that of a snapshot, and the number of its parents to go up."""
    up = 0
    while name not in state.tags and ("~" in name or "^" in name) and (step := re.fullmatch(_STEP, name)):
        name = step["base"]
        up += int(step["up"] or 1)
    return name, up


def _base(listing: Listing, name: str, past: Past, wanted: str) -> Snapshot:
    """Find the snapshot of a name without steps. wanted: the whole name, for messages."""
    state = listing.state
    if name in state.tags and name not in _ALWAYS:
        return _listed(listing, past, state.tags[name], wanted)
    if name in _CURRENT and state.current is None and any(listing.kept()):
        raise SnapshotNotFound("no snapshot is current", "make one current with: vstore rollback SNAP")
    if name in _CURRENT:
        return _listed(listing, past, state.current, wanted)
    if name == "latest":
        return _listed(
            listing, past, next((snapshot.name for snapshot in listing.kept() if snapshot.is_own), None), wanted
        )
    at = re.fullmatch(_PAST, name) if "@" in name else None
    if at:
        back = re.fullmatch(_BACK, at["when"])
        if not back:
            return _listed(listing, past, _current_at(listing, past, at["when"], wanted), wanted)
        return _back(listing, past, int(back[0]), wanted)
    if re.fullmatch(_OWN, name):
        return _listed(listing, past, f"v{int(name[1:])}", wanted)
    if "/" in name:
        return _listed(listing, past, name if re.fullmatch(_FETCHED, name) else None, wanted)
    if name[4:5] == "-" and (until := _until(name)):
        return _made_by(listing, name, until)
    return _by_id(listing, name, wanted)


def _back(listing: Listing, past: Past, back: int, wanted: str) -> Snapshot:
    """Find an earlier value of `current`."""
    values = list(islice(past.values(), back + 1))  # as far back as it needs
    if back >= len(values) and any(listing.kept()):
        had = f"`current` has had {counted(len(values), 'value')}"
        raise SnapshotNotFound(f"there is no {wanted}: {had} as far as the log tells", _LIST)
    if back < len(values) and values[back] is None and any(listing.kept()):
        raise SnapshotNotFound(f"no snapshot was current at {wanted}", _LIST)
    return _listed(listing, past, values[back] if back < len(values) else None, wanted)


def _made_by(listing: Listing, wanted: str, until: str) -> Snapshot:
    """Find the newest snapshot of this store made by a date. Two may have the same time."""
    made = [snapshot for snapshot in listing.kept() if snapshot.is_own]
    by_then = [snapshot for snapshot in made if snapshot.time <= until]
    if not made:
        raise _not_found(listing, wanted)
    if not by_then:
        oldest = min(made, key=lambda snapshot: snapshot.time)
        raise SnapshotNotFound(
            f"no snapshot was made by {wanted}: the oldest, {oldest.name}, is of {oldest.time}", _LIST
        )
    return max(by_then, key=lambda snapshot: (snapshot.time, int(snapshot.name[1:])))


def _until(wanted: str) -> str | None:
    """Give the last moment that a date may mean, as a store writes times; None for another text."""
    from vstore.repository.moments import date, is_date  # most names are no dates

    if not is_date(wanted):
        return None
    try:
        return written(date(wanted))
    except ValueError as err:
        raise SnapshotNotFound(f"{wanted} is no date: {err}", _LIST) from err


def _current_at(listing: Listing, past: Past, when: str, wanted: str) -> str | None:
    """Find the value of `current` at a moment: after the newest operation by then."""
    from vstore.repository.moments import moment

    try:
        until = written(moment(when, past.now()))
    except ValueError:
        raise _not_found(listing, wanted) from None
    operations = [(line.time, line.current) for line in past.lines()]
    # Of equal times max takes the first: the newest.
    latest = max((one for one in operations if one[0] <= until), key=lambda one: one[0], default=None)
    if latest is None and operations and any(listing.kept()):
        begin = min(time for time, _ in operations)
        raise SnapshotNotFound(f"no snapshot was current at {until}: the log begins at {begin}", _LIST)
    if latest is not None and latest[1] is None and any(listing.kept()):
        raise SnapshotNotFound(f"the log names no snapshot that was current at {until}", _LIST)
    return latest[1] if latest else None


def find_space(state: State, wanted: str) -> Space:
    """Find a space by name, or by its id or a prefix of it (6 or more digits). Raises: UsageError."""
    if not isinstance(wanted, str):
        raise UsageError(f"{repr(wanted)[:100]} is no name of a space", "give a text")
    spaces = state.spaces.values()
    found = [s for s in spaces if s.name == wanted] or _by_space_id(state, wanted)
    if len(found) != 1:
        names = sorted(space.name for space in spaces)
        step = f"the spaces here are: {', '.join(names) or 'none'}"
        raise UsageError(f"no space {wanted!r} in this store", step, instead=instead(wanted, names))
    return found[0]


def _by_space_id(state: State, wanted: str) -> list[Space]:
    return [space for space in state.spaces.values() if len(wanted) >= 6 and space.id.startswith(wanted)]


def refuse_space_name(state: State, name: str, step: str = "choose another name") -> None:
    """Refuse a name for a new space that is not valid, or that means another space. Raises: UsageError."""
    why_not = why_not_a_space(name)
    other = next(iter(_by_space_id(state, name)), None)
    if why_not is None and other is not None:
        why_not = f"{name!r} already means the space {other.name!r}, whose id begins so"
    if why_not is not None:
        raise UsageError(why_not, step)


def _ancestor(listing: Listing, past: Past, snapshot: Snapshot, up: int, wanted: str) -> Snapshot:
    for _ in range(up):
        if snapshot.parent is None:
            raise _not_found(listing, wanted)
        snapshot = _listed(listing, past, snapshot.parent, wanted)
    return snapshot


def _by_id(listing: Listing, name: str, wanted: str) -> Snapshot:
    fitting = []
    if re.fullmatch(_ID, name):
        fitting = [snapshot for snapshot in listing.kept() if snapshot.id.startswith(name.lower())]
    if len({snapshot.id for snapshot in fitting}) > 1:
        listed = ", ".join(f"{snapshot.name} ({snapshot.id[:12]})" for snapshot in fitting)
        raise AmbiguousSnapshot(f"{name!r} may mean {listed}", "give more digits, or the name")
    if not fitting:
        raise _not_found(listing, wanted)
    return fitting[0]


def _listed(listing: Listing, past: Past, name: str | None, wanted: str) -> Snapshot:
    found = listing.find(name) if name else None
    if found is not None and found.kept:
        return found
    if name is None or not (found or _was_given(listing, name)) or not any(listing.kept()):
        raise _not_found(listing, wanted)
    how = "was forgotten" if found is not None else _how_removed(name, past.lines())
    about = f"{name} {how}" if re.fullmatch(_OWN, wanted) else f"{wanted!r} leads to {name}, which {how}"
    count = sum(1 for _ in listing.kept())
    raise SnapshotNotFound(f"{about} (this store has {count})", f"the nearest is {_nearest(listing, name)}; {_LIST}")


def _was_given(listing: Listing, name: str) -> bool:
    """Tell whether a snapshot of this store had this name."""
    return "/" not in name and 1 <= int(name[1:]) < listing.state.next_v


def _how_removed(name: str, lines: Iterable[Line]) -> str:
    """Say what removed a snapshot that is listed no more: gc, once it was forgotten; or repair. lines: newest first."""
    ended: list[Line] = []
    for line in lines:
        if line.op in ("gc", "repair"):
            ended.append(line)
        elif line.op == "forget" and not line.undone and name in line.about.split(", ") and ended:
            return f"was forgotten at {line.time}, and removed by {ended[-1].op} at {ended[-1].time}"
        elif line.op == "forget" and not line.undone and line.about.endswith("…"):
            break  # it may be one of those that the line does not name
    found = sorted({line.op for line in ended})
    return f"was removed by {' or '.join(found)}" if found else "was removed"


def _nearest(listing: Listing, name: str) -> str:
    """Find the kept snapshot nearest to one: the next older one, or else the next newer one."""
    number = int(name.rpartition("/")[2][1:])
    kept = [snapshot for snapshot in listing.kept() if snapshot.is_own] or list(listing.kept())
    older = next((snapshot.name for snapshot in kept if int(snapshot.name.rpartition("/")[2][1:]) < number), None)
    return older or kept[-1].name


def _not_found(listing: Listing, wanted: str) -> SnapshotNotFound:
    count = sum(1 for _ in listing.kept())
    if not count:
        return SnapshotNotFound("this store has no snapshot yet", "make one with: vstore sync FOLDER")
    return SnapshotNotFound(f"no snapshot {wanted!r} (this store has {count})", _LIST)
