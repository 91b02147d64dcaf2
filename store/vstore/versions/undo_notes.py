"""Notes on what an undo leaves as it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vstore.format.records import Record
from vstore.format.state import State
from vstore.format.undo import BARRIERS, UNDOABLE
from vstore.quoting import quoted

_NO_PLACE = "its old place is gone, or you have not named it at this machine"


def passed_over(state: State, records: Iterable[Record]) -> Iterator[str]:
    """Say which operations are newer than the one that an undo takes back, and are never taken back.

    state:   the newest.
    records: the log, newest first; no more of it is read than is needed.
    """
    for record in records:
        is_move = record.undoes is not None or record.redoes is not None
        if is_move or record.op in UNDOABLE or record.op in BARRIERS:
            return
        for space, entry in record.changes.get("spaces", {}).items() if record.op == "model add" else ():
            if "name" in entry and space in state.spaces:
                name = state.spaces[space].name
                drop = f"vstore model drop {quoted(name)}"
                yield f"undo leaves the space {name!r}, which was added at {record.time}; to take it out: {drop}"
        if record.op == "roots":  # no vstore writes it any more
            yield f"undo leaves what an older vstore changed of the folders at {record.time}: {record.about}"


def folders_kept(record: Record, earlier: State, now: State) -> Iterator[str]:
    """Say which folders that an operation moved have not got their places back: nothing is there any more.

    record: the operation taken back. earlier: the state before it. now: the newest.
    """
    for label, change in sorted(record.changes.get("roots", {}).items()):
        was, root = earlier.roots.get(label), now.roots.get(label)
        if was is None or (
            change is not None and change.get("place", was.to_json()["place"]) == was.to_json()["place"]
        ):
            continue
        if root is None:
            yield f"the folder {label!r} stays in the wider one: {_NO_PLACE}"
        elif was.place != root.place:
            yield f"the folder {label!r} stays where it is: {_NO_PLACE}"
