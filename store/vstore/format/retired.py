"""The folders that labels meant before: a label of an old snapshot may be that of another folder by now. Pure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vstore.format.canonical import Document, Json, path_from_json, path_to_json
from vstore.format.relabelling import today

if TYPE_CHECKING:
    from vstore.format.state import State

_LONGEST = 255  # bytes of a label

Place = tuple[bytes, bool]  # path, and whether it is relative to the folder that holds the store
Absolute = Callable[[bytes, bool], bytes]


class Retired(NamedTuple):
    """A folder that a label meant.

    place:    its path.
    relative: its path is relative to the store's parent folder.
    first:    the number of the first snapshot in which the label means it.
    before:   the number after the last of these; 0 while no other folder has the label.
    """

    place: bytes
    relative: bool
    first: int = 1
    before: int = 0

    @classmethod
    def from_json(cls, value: Document) -> Retired:
        return cls(path_from_json(value["place"]), value["relative"], value.get("from", 1), value.get("before", 0))

    def to_json(self) -> dict[str, Json]:
        where = {"place": path_to_json(self.place), "relative": self.relative}
        return {**where, "from": self.first, "before": self.before} if self.before else where

    def label(self, label: str) -> str:
        """Name the pictures of the folder, if they are to stay: no folder has this label by chance."""
        end = f" (before v{self.before})"
        return os.fsdecode(os.fsencode(label)[: _LONGEST - len(end)]) + end


def retiring(old: State, new: State, labels: Iterable[str], absolute: Absolute) -> dict[str, Json]:
    """Give the changes of `retired` if some labels come, go, or get another folder.

    A label that no folder has any more goes on to mean the one that it had last. Once another one gets the label, that
    is so in the snapshots made so far. A folder that gets its label back has it in all of its snapshots.
    absolute: makes the place of a folder an absolute path.
    """
    changes: dict[str, Json] = {}
    listed = old.retired
    for label in sorted(set(labels)):
        before = listed.get(label, [])
        was, is_now = _place(old, label), _place(new, label)
        after = before
        if is_now is not None:
            closed = [one for one in before if one.before]
            last = [one for one in before if not one.before]
            closed += [one._replace(first=a, before=b) for one in last for a, b in _uncovered(closed, old.next_v)]
            after = [one for one in closed if absolute(one.place, one.relative) != absolute(*is_now)]
        elif was is not None:
            after = [*before, Retired(*was)]
        if after != before:
            changes[label] = [one.to_json() for one in after] or None
    return changes


def _place(state: State, label: str) -> Place | None:
    """Find the folder of a label: its own, or a part of the wider one that took it in."""
    top, _, rest = today(os.fsencode(label), state.absorbed).partition(b"/")
    root = state.roots.get(os.fsdecode(top))
    return None if root is None else (os.path.join(root.place, rest) if rest else root.place, root.relative)


def _uncovered(ranges: Sequence[Retired], end: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of numbers from 1 to `end`, which is not among them, in none of the others."""
    start = 1
    for one in sorted(ranges, key=lambda one: one.first):
        if start < one.first:
            yield start, min(one.first, end)
        start = max(start, one.before)
    if start < end:
        yield start, end
