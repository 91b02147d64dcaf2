"""The names of snapshots and spaces: the meaning of `v12`, `current`, `X~2`, `@{3}` or a prefix of an id. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from vstore.errors import AmbiguousSnapshot, SnapshotNotFound, UsageError
from vstore.format.entries import Snapshot, Space
from vstore.format.listing import Listing
from vstore.format.records import Record
from vstore.format.state import State

# Compiled when a name is looked up: every command would pay for it.
_STEP = r"(?P<base>.+)~(?P<up>[0-9]{1,18})"
_PAST = r"@\{([0-9]{1,18})\}"
_ID = r"[0-9a-fA-F]{4,}"
_OWN = r"[vV][0-9]{1,18}"
_FETCHED = r"[^/]+/v[1-9][0-9]{0,17}"


def find_snapshot(listing: Listing, name: str, past: Callable[[], Sequence[str | None]]) -> Snapshot:
    """Find a snapshot by v-number, NAME/v-number, id prefix, tag, `current`, `latest`, `X~2` or `@{3}`.

    past:   gives all values that `current` has had, the newest last; asked only for `@{…}`.
    Raises: SnapshotNotFound, AmbiguousSnapshot.
    """
    state = listing.state
    step = re.fullmatch(_STEP, name) if "~" in name else None
    if step:
        return _ancestor(listing, find_snapshot(listing, step["base"], past), int(step["up"]), name)
    if name == "current" and state.current is None and any(listing.kept()):
        raise SnapshotNotFound("no snapshot is current", "make one current with: vstore rollback SNAP")
    if name == "current":
        return _listed(listing, state.current, name)
    if name == "latest":
        return _listed(listing, next((snapshot.name for snapshot in listing.kept() if snapshot.is_own), None), name)
    at = re.fullmatch(_PAST, name) if name.startswith("@") else None
    if at:
        values, back = past(), int(at[1])
        return _listed(listing, values[-1 - back] if back < len(values) else None, name)
    if name in state.tags:
        return _listed(listing, state.tags[name], name)
    if re.fullmatch(_OWN, name):
        return _listed(listing, f"v{int(name[1:])}", name)
    if "/" in name:
        return _listed(listing, name if re.fullmatch(_FETCHED, name) else None, name)
    return _by_id(listing, name)


def past_currents(records: Iterable[Record]) -> list[str | None]:
    """List all values that `current` has had, the newest last. records: the log, oldest first."""
    values: list[str | None] = []
    for record in records:
        if record.whole is not None and not values and record.whole.get("current"):
            values.append(record.whole["current"])
        elif "current" in record.changes:
            values.append(record.changes["current"])
    return values


def find_space(state: State, wanted: str) -> Space:
    """Find a space by name, or by its id or a prefix of it (6 or more digits). Raises: UsageError."""
    spaces = state.spaces.values()
    found = [s for s in spaces if s.name == wanted or (len(wanted) >= 6 and s.id.startswith(wanted))]
    if len(found) != 1:
        names = ", ".join(sorted(space.name for space in spaces)) or "none"
        raise UsageError(f"no space {wanted!r} in this store", f"the spaces here are: {names}")
    return found[0]


def _ancestor(listing: Listing, snapshot: Snapshot, up: int, wanted: str) -> Snapshot:
    for _ in range(up):
        parent = listing.find(snapshot.parent) if snapshot.parent else None
        if parent is None or not parent.kept:
            raise _not_found(listing, wanted)
        snapshot = parent
    return snapshot


def _by_id(listing: Listing, wanted: str) -> Snapshot:
    fitting = []
    if re.fullmatch(_ID, wanted):
        fitting = [snapshot for snapshot in listing.kept() if snapshot.id.startswith(wanted.lower())]
    if len({snapshot.id for snapshot in fitting}) > 1:
        listed = ", ".join(f"{snapshot.name} ({snapshot.id[:12]})" for snapshot in fitting)
        raise AmbiguousSnapshot(f"{wanted!r} may mean {listed}", "give more digits, or the name")
    if not fitting:
        raise _not_found(listing, wanted)
    return fitting[0]


def _listed(listing: Listing, name: str | None, wanted: str) -> Snapshot:
    found = listing.find(name) if name else None
    if found is None or not found.kept:
        raise _not_found(listing, wanted)
    return found


def _not_found(listing: Listing, wanted: str) -> SnapshotNotFound:
    count = sum(1 for _ in listing.kept())
    if not count:
        return SnapshotNotFound("this store has no snapshot yet", "make one with: vstore sync FOLDER")
    return SnapshotNotFound(f"no snapshot {wanted!r} (this store has {count})", "list them with: vstore snapshot list")
