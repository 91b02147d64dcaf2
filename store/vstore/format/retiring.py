"""The changes of the folders that labels meant, when labels come, go, or get another folder. Pure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from vstore.format.canonical import Json
from vstore.format.relabelling import today
from vstore.format.retired import Retired
from vstore.format.state import State

Place = tuple[bytes, bool]  # path, and whether it is relative to the folder that holds the store
Absolute = Callable[[bytes, bool], bytes]


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
