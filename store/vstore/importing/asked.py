"""The paths that an entry of a list may mean, and the files that they lead to. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from vstore.importing.files import Files, Found
from vstore.importing.spelling import loose, readings
from vstore.importing.ways import Names, Pair, Way


class Reading(NamedTuple):
    """One path that an entry may mean.

    path:   the path.
    names:  its names, without those that climb.
    folded: the same in loose form.
    """

    path: bytes
    names: Names
    folded: Names


def readings_of(path: bytes, escaped: bool) -> list[Reading]:
    """List the paths that an entry may mean; none if no file can have them."""
    found = []
    for one in readings(path, escaped=escaped):
        if one and b"\0" not in one:
            names = tuple(name for name in os.path.normpath(one).split(b"/") if name not in (b"", b".", b".."))
            found.append(Reading(one, names, tuple(map(loose, names))))
    return found


def below(path: bytes, place: bytes) -> bytes:
    """Find the part of a path below a folder, in any spelling; empty if it is not below it."""
    if path.startswith(place):
        return path[len(place) :]
    names, depth = path.split(b"/"), place.count(b"/")
    is_below = loose(b"/".join(names[:depth]) + b"/") == loose(place)
    return b"/".join(names[depth:]) if is_below else b""


def nearest(files: Files, some: Sequence[Reading]) -> tuple[Reading | None, tuple[int, tuple[bytes, ...]]]:
    """Find the files with the longest common end, for the first reading that has any."""
    for reading in some:
        found = files.longest_end(reading.folded)
        if found[0]:
            return reading, found
    return None, (0, ())


def placed(files: Files, some: Sequence[Reading], ways: Sequence[Way]) -> Found:
    """Find the files where an entry is, if its list moved in these ways."""
    best: list[Found] = []
    for reading in some:
        for way in ways:
            place = way.place(reading.names, reading.folded)
            found = files.at(b"/".join(place)) if place else Found()
            if found.files:
                best.append(found)
    least = min((found.off for found in best), default=0)
    chosen = dict.fromkeys(file for found in best if found.off == least for file in found.files)
    return Found(tuple(chosen), least)


def pair_of(folded: Names, file: bytes) -> Pair:
    names = tuple(file.split(b"/"))
    return Pair(folded, names, tuple(map(loose, names)))
