"""The names of stored paths before and after a wider folder took their folder in, or their label changed. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from vstore.format.state import State

Absorbed = Mapping[str, str]  # old label -> the prefix that its paths have now


def today(path: bytes, absorbed: Absorbed) -> bytes:
    """Give the present name of a stored path."""
    label, slash, rest = path.partition(b"/")
    while os.fsdecode(label) in absorbed:
        path = os.fsencode(absorbed[os.fsdecode(label)]) + slash + rest
        label, slash, rest = path.partition(b"/")
    return path


class Labels(NamedTuple):
    """The present names of the labels of one snapshot.

    moved: label -> the prefix that its paths have today, where it is another.
    """

    moved: Mapping[str, str] = {}  # never changed

    def today(self, path: bytes) -> bytes:
        """Give the present name of a path of the snapshot."""
        label, slash, rest = path.partition(b"/")
        prefix = self.moved.get(os.fsdecode(label))
        return path if prefix is None else os.fsencode(prefix) + slash + rest

    def then(self, path: bytes) -> list[bytes]:
        """List the names that a path of today may have in the snapshot."""
        names = [] if os.fsdecode(path.partition(b"/")[0]) in self.moved else [path]
        for label, prefix in self.moved.items():
            start = os.fsencode(prefix)
            if path == start or path.startswith(start + b"/"):
                names.append(os.fsencode(label) + path[len(start) :])
        return names


def labels_in(state: State, number: int | None) -> Labels:
    """Find the present names of the labels of a snapshot.

    number: of the snapshot; None means that no label meant another folder then.
    """
    absorbed = state.absorbed
    moved = {label: os.fsdecode(today(os.fsencode(label), absorbed)) for label in absorbed}
    if number is not None:
        for label, folders in state.retired.items():
            then = next((one for one in folders if one.first <= number < one.before), None)
            if then is not None:  # whatever took the label in since: that was another folder
                moved[label] = then.label(label)
    return Labels(moved)


def doubtful_labels(state: State) -> Labels:
    """Find the labels that mean one folder in all snapshots; of no other is known what a path of any of them means."""
    doubtful = {label: folders[0].label(label) for label, folders in state.retired.items() if folders[0].before}
    return Labels({**labels_in(state, None).moved, **doubtful})


def yesterday(path: bytes, absorbed: Absorbed) -> list[bytes]:
    """List the earlier names that a stored path may have had, the latest first."""
    names = []
    for label, prefix in absorbed.items():
        start = os.fsencode(prefix)
        if path == start or path.startswith(start + b"/"):
            older = os.fsencode(label) + path[len(start) :]
            names += [older, *yesterday(older, absorbed)]
    return names
