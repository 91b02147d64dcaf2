"""The names that commands take: snapshots, tags, spaces and folders. What completes a command line asks for them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.entries import Snapshot
from vstore.format.listing import Listing, entry_of, snapshot_key, snapshot_name
from vstore.repository.repository import Repository
from vstore.versions.show import SnapshotRow, row_of

MOST = 50  # snapshots that are listed


@briefly
class Names(NamedTuple):
    """The names of a store.

    current:   the current snapshot.
    snapshots: snapshots, newest first: the newest of those asked for.
    tags:      tag -> snapshot.
    spaces:    name -> `verified` or `claimed`.
    folders:   label -> place.
    """

    current: str | None
    snapshots: list[SnapshotRow]
    tags: dict[str, str]
    spaces: dict[str, str]
    folders: dict[str, str]


def names(repo: Repository, begin: str | None = "") -> Names:
    """List the names of a store. Reads few pages.

    begin: the snapshots asked for begin like this; None asks for none.
    Raises: Damage.
    """
    state = repo.state
    found = [] if begin is None else snapshots_like(repo.listing, begin)
    return Names(
        current=state.current,
        snapshots=[row_of(state, snapshot) for snapshot in found],
        tags=dict(sorted(state.tags.items())),
        spaces={space.name: space.status for space in state.spaces.values()},
        folders={label: os.fsdecode(repo.place(root)) for label, root in sorted(state.roots.items())},
    )


def snapshots_like(listing: Listing, begin: str) -> list[Snapshot]:
    """Find the newest snapshots whose names begin with a text, such as `v12`.

    Where there are more, and those have the next digit in common, one without it is added: what all that are offered
    have in common is then what all of the store have, and a shell that completes it leads past none.
    """
    number = re.fullmatch(r"v?|v([1-9][0-9]{0,17})", begin)
    if number is None:
        return []
    digits = number[1] or ""
    found = list(islice(_beginning(listing, digits), MOST + 1))
    if len(found) <= MOST or not begin:
        return found[:MOST]
    following = {snapshot.name[: len(begin) + 1] for snapshot in found[:MOST]}
    if len(following) > 1:
        return found[:MOST]
    others = (f"{digits}{digit}" for digit in range(9, -1, -1) if f"{begin}{digit}" not in following)
    runs = [_beginning(listing, one) for one in others if one != "0"]
    if digits:
        runs.append(_between(listing, int(digits), int(digits) + 1))
    return [*found[:MOST], *islice(chain.from_iterable(runs), 1)]


def _number(snapshot: Snapshot) -> int:
    return int(snapshot.name[1:])


def _beginning(listing: Listing, digits: str) -> Iterator[Snapshot]:
    """Yield the kept snapshots whose numbers begin with some digits, newest first."""
    if not digits:
        yield from _between(listing, 1, listing.state.next_v)
        return
    for more in range(len(str(listing.state.next_v)) - len(digits), -1, -1):
        low = int(digits) * 10**more
        yield from _between(listing, low, low + 10**more)


def _between(listing: Listing, low: int, high: int) -> Iterator[Snapshot]:
    """Yield the kept snapshots with a number from `low` up to, and without, `high`, newest first."""
    state = listing.state
    alone = state.root("snapshots") is None
    in_state = [
        Snapshot.from_json(name, entry)
        for name, entry in state.window.items()
        if "/" not in name and low <= int(name[1:]) < high and (alone or state.is_pending(name))
    ]
    yield from (snapshot for snapshot in sorted(in_state, key=_number, reverse=True) if snapshot.kept)
    if alone:
        return
    start, stop = snapshot_key(f"v{low}"), snapshot_key(f"v{high}")
    for leaf in listing.tree.walk(start, falling=True):
        if leaf.first >= stop:
            continue
        for key, value in reversed(listing.tree.entries(leaf)):
            if key < start:
                return
            if key < stop:
                snapshot = Snapshot.from_json(snapshot_name(key), entry_of(value))
                if snapshot.kept:
                    yield snapshot
