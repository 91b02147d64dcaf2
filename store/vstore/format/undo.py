"""Undo and redo: their operations, and their changes. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from vstore.format.canonical import Json
from vstore.format.listing import Listing, flipped
from vstore.format.records import Record

# Operations that `undo` takes back. A barrier stops it; every other kind of record is skipped.
UNDOABLE = frozenset(
    {"sync", "rollback", "hold", "release", "tag", "untag", "forget", "model use", "import", "fields", "decide"}
)
BARRIERS = frozenset({"init", "model drop", "gc", "repair", "migrate"})


def restoring(listed_now: Listing, listed_earlier: Listing) -> dict[str, Json]:
    """Give the changes to bring back current, hold, tags, kept set and decisions of an earlier state.

    Raises: Damage.
    """
    now, earlier = listed_now.state, listed_earlier.state
    changes: dict[str, Json] = {}
    if earlier.current != now.current:
        changes["current"] = earlier.current
    if earlier.hold != now.hold:
        changes["hold"] = earlier.hold
    tags = {name: None for name in now.tags if name not in earlier.tags}
    tags |= {name: to for name, to in earlier.tags.items() if now.tags.get(name) != to}  # type: ignore[misc]
    if tags:
        changes["tags"] = tags
    # A snapshot that came later than the state restored stays as it is: an undone sync's snapshot stays listed.
    kept = flipped(listed_now, listed_earlier)
    if kept:
        changes["snapshots"] = {name: {"kept": None if was_kept else False} for name, was_kept in kept.items()}
    decisions = earlier.root("decisions")
    if decisions != now.root("decisions"):
        changes["trees"] = {"decisions": decisions.hex() if decisions else None}
    return changes


def operations_in_force(records: Iterator[Record]) -> tuple[list[Record], list[Record], Record | None]:
    """Walk the log, oldest first, and find the next operations to undo and to redo.

    Returns: undoable records in force, newest last; undone records, newest undo last; the barrier below them.
    If the log begins after a gc, an undo of an operation before that is skipped.
    """
    done: list[Record] = []
    undone: list[Record] = []
    barrier: Record | None = None
    for record in records:
        if record.undoes is not None:
            undone += [done.pop()] if done else []
        elif record.redoes is not None:
            done += [undone.pop()] if undone else []
        elif record.op in BARRIERS:
            barrier, done, undone = record, [], []
        elif record.op in UNDOABLE:
            done.append(record)
            undone = []
    return done, undone, barrier
