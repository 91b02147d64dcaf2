"""The pictures that a sync would lose: no file has their key any more, and nothing is at their path."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property

from vstore.format.delta import Change
from vstore.format.pages import Alias
from vstore.format.tree import Tree
from vstore.intake.survey import Survey
from vstore.quick_tuple import NamedTuple
from vstore.sync.disks import Spots
from vstore.sync.occurrences import after, occurrences, touched
from vstore.sync.week import Fullest, count_under, gone_since

Lost = dict[bytes, bytes]  # key -> one of its paths before


class Before(NamedTuple):
    """The folders as they were known before a sync. Labels are bytes.

    tree:      the aliases of the current snapshot.
    fullest:   finds the fullest snapshot of a folder in the last days.
    spots:     gives the remembered places of a folder's subfolders.
    spots_now: looks at some of these, and at the mount points.
    kept_for:  gives the pictures that are to stay instead of some, as the user decided.
    file_of:   finds the file of a path in a folder that this sync does not look at; None if it may not be looked at.
    """

    tree: Tree
    fullest: Callable[[bytes], Fullest | None]
    spots: Callable[[bytes], Spots]
    spots_now: Callable[[bytes, list[bytes]], Spots]
    kept_for: Callable[[Collection[bytes]], dict[bytes, set[bytes]]] = lambda keys: {}
    file_of: Callable[[bytes], bytes | None] = lambda path: None


class Emptied(NamedTuple):
    """A subfolder that loses all pictures.

    folder:   its stored path.
    lost:     the lost pictures, each with a path.
    is_empty: it holds no other pictures now.
    """

    folder: bytes
    lost: list[Alias]
    is_empty: bool


class Losses:
    """The losses of a sync.

    changes: of the sync.
    before:  what is known from before it.
    """

    def __init__(self, changes: list[Change], survey: Survey, before: Before, key_size: int | None) -> None:
        """key_size: bytes of a key; None if the keys of new files are not known yet: no removed picture is named."""
        self.changes = changes
        self.before = before
        self._survey = survey
        self._size = key_size
        self._places = {os.fsencode(target.root.label): target.place for target in survey.targets}

    @cached_property
    def by_label(self) -> dict[bytes, Lost]:
        """Find the lost pictures of each folder."""
        removed = [change for change in self.changes if change[1] is not None and change[2] is None]
        lost = lost_keys(removed, self._survey, self._named(touched(removed)))
        there = {label: {k: p for k, p in keys.items() if not self._exists(p)} for label, keys in lost.items()}
        there = {label: self._undecided(keys) for label, keys in there.items()}
        return {label: keys for label, keys in there.items() if keys}

    def emptied(self, label: bytes, least: int) -> list[Emptied]:
        """List the subfolders of a folder that lose all pictures, more than `least`; outer ones first."""
        return emptied(self.before.tree, self.changes, self.by_label.get(label, {}), least)

    def since(self, earlier: Tree, label: bytes) -> Lost:
        """Find the pictures of a folder that it had in an earlier snapshot, and would have lost after this sync."""
        gone = gone_since(earlier, self.before.tree, label, self.changes)
        named = self._named(set(gone.values()))
        lost: Lost = {}
        for path, key in gone.items():
            if named[key] <= 0 and key not in lost and not self._survey.hides(path) and not self._exists(path):
                lost[key] = path
        return self._undecided(lost)

    def _undecided(self, lost: Lost) -> Lost:
        """Leave out pictures that the user decided not to keep, while one that is to stay for them is there.

        Without a key of the new files that cannot be told: none is left out.
        """
        if not lost or self._size is None:
            return lost
        kept = self.before.kept_for(lost)
        there = self._there({one for some in kept.values() for one in some})
        return {key: p for key, p in lost.items() if there.isdisjoint(kept.get(key, ()))}

    def _there(self, keys: set[bytes]) -> set[bytes]:
        """Find those of some keys that a path has after the sync at which something is now, in whatever folder."""
        assert self._size is not None
        found = {new for path, _, new in self.changes if new in keys and self._exists(path)}
        changed = {path for path, _, _ in self.changes}
        tree, wanted = self.before.tree, keys - found
        for leaf, column in zip(tree.leaves, tree.key_columns(), strict=True) if wanted else ():
            if wanted.isdisjoint(column[at : at + self._size] for at in range(0, len(column), self._size)):
                continue
            found.update(
                key for path, key in tree.aliases(leaf) if key in wanted and path not in changed and self._exists(path)
            )
        return found

    def file_of(self, path: bytes) -> bytes:
        """Find the absolute path of a lost picture; of another folder it stays what it is."""
        return self._survey.file_of(path)

    def _named(self, keys: set[bytes]) -> Counter[bytes]:
        """Count how many paths name each key after the sync."""
        if self._size is None:
            return Counter()
        return after(occurrences(self.before.tree, keys, self._size), self.changes)

    def _exists(self, path: bytes) -> bool:
        """Tell whether there is still something at a path, though the scan did not take it."""
        label, _, rest = path.partition(b"/")
        place = self._places.get(label)
        file = self.before.file_of(path) if place is None else os.path.join(place, rest)
        return file is not None and os.path.lexists(file)


def lost_keys(changes: Iterable[Change], survey: Survey, named: Counter[bytes]) -> dict[bytes, Lost]:
    """Find the pictures about to lose their last path, by label.

    named: how many paths name each key afterwards.
    A picture hidden by a new exclude is not a loss: the user asked for it.
    """
    lost: dict[bytes, Lost] = {}
    for path, old, new in changes:
        if old is not None and new is None and named[old] <= 0 and not survey.hides(path):
            lost.setdefault(path.partition(b"/")[0], {}).setdefault(old, path)
    return lost


def emptied(tree: Tree, changes: Iterable[Change], lost: Lost, least: int) -> list[Emptied]:
    """List the subfolders none of whose paths keeps its picture, outer ones first.

    tree:  the aliases before the changes.
    lost:  the lost pictures of their root.
    least: subfolders that lose no more pictures are left out.
    """
    losing: Counter[bytes] = Counter()
    for path in lost.values():
        losing.update(_above(path))
    named = {folder for folder, count in losing.items() if count > least}
    if not named:
        return []
    changed: Counter[bytes] = Counter()
    filled: set[bytes] = set()
    for path, old, new in changes:
        above = named.intersection(_above(path))
        if old is not None:
            changed.update(above)
        if new is not None:
            filled |= above
    whole = sorted(folder for folder in named if changed[folder] == count_under(tree, folder))
    paths = sorted((path, key) for key, path in lost.items())
    return [Emptied(folder, _below(paths, folder), folder not in filled) for folder in whole]


def _below(paths: list[Alias], folder: bytes) -> list[Alias]:
    """Cut what lies in a folder out of sorted paths."""
    return paths[bisect_left(paths, (folder + b"/",)) : bisect_left(paths, (folder + b"0",))]


def _above(path: bytes) -> Iterator[bytes]:
    """Yield the folders of a path below its root."""
    at = path.find(b"/", path.find(b"/") + 1)
    while at >= 0:
        yield path[:at]
        at = path.find(b"/", at + 1)
