"""The losses of a week: what a folder had in its fullest snapshot, and has no more after many small losses."""

from __future__ import annotations

import bisect
import os
import time
from collections.abc import Iterable
from operator import attrgetter

from vstore.clock import TIME
from vstore.format.delta import Change
from vstore.format.entries import Snapshot
from vstore.format.state import State
from vstore.format.tree import Tree
from vstore.quick_tuple import NamedTuple
from vstore.repository.repository import Repository

DAYS = 7


class Fullest(NamedTuple):
    """The kept snapshot of the last days in which a folder had the most paths.

    name: of the snapshot.
    tree: its aliases, as they are called today.
    """

    name: str
    tree: Tree


def fullest(repo: Repository, label: str, state: State, now: float | None = None) -> Fullest | None:
    """Find the fullest snapshot of a folder; None if the last days made none.

    Those from before the last sync that was allowed to lose many do not count.
    state: after the sync that is compared with it, as far as folders go.
    now:   seconds since 1970.
    """
    since = time.strftime(TIME, time.gmtime((time.time() if now is None else now) - DAYS * 86_400))
    best, most = None, 0
    for snapshot in sorted(_counted(repo, label, since), key=lambda one: -one.paths):
        if snapshot.paths <= most:
            break  # no folder has more paths than its snapshot
        tree = repo.mapped_tree(snapshot, state)
        count = count_under(tree, os.fsencode(label))
        if count > most:
            best, most = Fullest(snapshot.name, tree), count
    return best


def _counted(repo: Repository, label: str, since: str) -> Iterable[Snapshot]:
    """Collect the kept snapshots of a time on, each content once."""
    root = repo.state.roots.get(label)
    first = root.since if root is not None else 0
    found: dict[str, Snapshot] = {}
    for snapshot in repo.listing.every():
        if not snapshot.is_own or int(snapshot.name[1:]) < first or snapshot.time < since:
            break
        if snapshot.kept:
            found.setdefault(snapshot.id, snapshot)
    return found.values()


def count_under(tree: Tree, label: bytes) -> int:
    """Count the aliases of a folder. Reads at most the pages at its two ends."""
    start, stop = label + b"/", label + b"0"
    leaves = tree.leaves
    first = max(0, bisect.bisect_right(leaves, start, key=attrgetter("first")) - 1)
    end = bisect.bisect_left(leaves, stop, key=attrgetter("first"))
    count = 0
    for at in range(first, end):
        leaf = leaves[at]
        if leaf.count >= 0 and leaf.first >= start and at + 1 < end:
            count += leaf.count
        else:
            aliases = tree.aliases(leaf)
            count += bisect.bisect_left(aliases, (stop,)) - bisect.bisect_left(aliases, (start,))
    return count


def gone_since(earlier: Tree, base: Tree, label: bytes, changes: Iterable[Change]) -> dict[bytes, bytes]:
    """Find the paths of a folder that went since a snapshot: path -> key there. Pages in both trees are not read.

    changes: from `base` to the aliases that a run would leave.
    """
    from vstore.format.differences import differences  # few syncs lose so many

    start = label + b"/"
    gone = {
        path: old
        for path, old, new in differences(earlier, base)
        if old is not None and new is None and path.startswith(start)
    }
    for path, _, new in changes:
        if new is not None:
            gone.pop(path, None)
        elif path.startswith(start) and (key := earlier.get(path)) is not None:
            gone[path] = key
    return gone
