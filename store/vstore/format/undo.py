"""Undo and redo: their operations, and their changes. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from vstore.format.canonical import Json
from vstore.format.listing import Listing, flipped
from vstore.format.records import Record

# Operations that `undo` takes back. A barrier stops it; every other kind of record is skipped.
UNDOABLE = frozenset(
    {"sync", "rollback", "hold", "release", "tag", "untag", "forget", "model use", "import", "fields", "decide"}
    | {"root remove", "root rename"}
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


def next_undo(records: Iterator[Record]) -> tuple[Record | None, Record | None]:
    """Find the operation that an undo takes back: the newest one in force.

    records: the log, newest first; no more of it is read than is needed.
    Returns: the operation, or None; the barrier that ended the search, if one did.
    """
    taken = 0  # operations older than this place of the log that undos after it took back
    for record in records:
        if record.undoes is not None:
            taken += 1
        elif record.redoes is not None:
            if taken:
                taken -= 1
            elif found := _numbered(records, record.redoes):
                return found, None
        elif record.op in BARRIERS:
            return None, record
        elif record.op in UNDOABLE:
            if not taken:
                return record, None
            taken -= 1
    return None, None


def next_redo(records: Iterator[Record]) -> Record | None:
    """Find the operation that a redo brings back: that of the newest undo in force, unless an operation came after it.

    records: the log, newest first; no more of it is read than is needed.
    """
    brought = 0  # undos older than this place of the log that redos after it took back
    for record in records:
        if record.redoes is not None:
            brought += 1
        elif record.undoes is not None:
            if not brought:
                return _numbered(records, record.undoes)
            brought -= 1
        elif record.op in BARRIERS or record.op in UNDOABLE:
            return None
    return None


def _numbered(records: Iterator[Record], number: int) -> Record | None:
    """Find a record of a log; None if the log begins after it."""
    return next((record for record in records if record.number == number), None)
