"""The way in which a whole list moved: one change of the start of its paths. Pure.

A name alone is no identity: cameras count from 1 again, so a picture that is gone has namesakes elsewhere. What tells
the picture from a namesake is the rest of the list: if one change of prefix leads from the listed paths to files, it
leads from each of them to its file, or the file is gone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, TypeAlias

Names: TypeAlias = "tuple[bytes, ...]"  # the names of a path, from the top

MOST = 64  # ways that are looked at
LEAST = 2  # paths that agree on a way: one alone agrees with nobody


class Way(NamedTuple):
    """A change of the start of paths: what the list has below `old` lies below `new`.

    old: names, as `spelling.loose` gives them.
    new: names under the root, as they are.
    """

    old: Names
    new: Names

    def place(self, names: Names, folded: Names) -> Names | None:
        """Find the place of a listed path; None if it is not below `old`. folded: the names in loose form."""
        if len(names) <= len(self.old) or folded[: len(self.old)] != self.old:
            return None
        return (*self.new, *names[len(self.old) :])


class Pair(NamedTuple):
    """A listed path and a file that may be its picture.

    listed: the names of the path, in loose form.
    file:   the names of the file.
    folded: the names of the file, in loose form.
    """

    listed: Names
    file: Names
    folded: Names

    def way(self) -> Way:
        """Find the change between the two: what is left of each without their common end."""
        shared = 0
        while shared < min(len(self.listed), len(self.file)) and self.listed[-1 - shared] == self.folded[-1 - shared]:
            shared += 1
        return Way(self.listed[: len(self.listed) - shared], self.file[: len(self.file) - shared])


def common_ways(pairs: Iterable[Pair], listed: Collection[Names], is_file: Callable[[Names], bool]) -> tuple[Way, ...]:
    """Find the way in which a list moved; several if all that moved lies in several places; none if it is not clear.

    Each pair speaks for its way. A way is that of the list if
    - two paths or more agree on it;
    - no way that two paths agree on speaks of a wider part of the list (its `old` is a beginning of the other's):
      folders that kept their names say more than one that has another. Nor does a single path in one of its folders;
    - it leads to files for more than half of the paths of those listed folders where it leads to any: a few namesakes
      in another folder are not the pictures of a folder that is gone;
    - the ways that it has to compete with (of the same part of the list, or of another one) lead fewer of the other
      paths to files, and no more than half of its own;
    - no other leads all paths to files that it does, and those of a further folder: where a folder lies in one of its
      own name, the longest common end is not the file's.

    pairs:   each path with the files that have the longest common end with it.
    listed:  all paths, in loose form, each once.
    is_file: tells whether there is a file with these names.
    """
    led: defaultdict[Way, set[Names]] = defaultdict(set)
    for pair in pairs:
        led[pair.way()].add(pair.listed)
    agreed = {way: paths for way, paths in led.items() if len(paths) >= LEAST}
    if not agreed:
        return ()
    best = max(agreed, key=lambda way: (len(agreed[way]), way))
    while wider := [way for way in agreed if _is_wider(way, best)]:
        best = max(wider, key=lambda way: (len(agreed[way]), way))
    paths = agreed[best]
    equal = [way for way in agreed if way.old == best.old and agreed[way] == paths]
    competing = [way for way in agreed if way not in equal and (way.old == best.old or not _begins(way.old, best.old))]
    theirs: set[Names] = set().union(*(agreed[way] for way in competing))
    folders = {path[:-1] for path in paths}
    if any(path[:-1] in folders for way in led if _is_wider(way, best) for path in led[way]):
        return ()
    of_folder = Counter(path[:-1] for path in listed)
    beside = sum(of_folder[folder] for folder in folders)
    if 2 * len(paths) <= beside or len(theirs - paths) >= len(paths) or 2 * len(theirs & paths) > len(paths):
        return ()
    leads = _led(best, listed, is_file)
    reached = {path[:-1] for path in leads}
    for way in sorted(agreed, key=lambda way: len(agreed[way]), reverse=True)[:MOST]:
        further = set() if way in equal else _led(way, listed, is_file)
        if leads < further and any(path[:-1] not in reached for path in further):
            return ()
    return tuple(sorted(equal))


def _led(way: Way, listed: Collection[Names], is_file: Callable[[Names], bool]) -> set[Names]:
    """Find the paths that a way leads to files."""
    return {path for path in listed if (place := way.place(path, path)) is not None and is_file(place)}


def _is_wider(way: Way, other: Way) -> bool:
    return way.old != other.old and _begins(other.old, way.old)


def _begins(names: Names, beginning: Names) -> bool:
    return names[: len(beginning)] == beginning
