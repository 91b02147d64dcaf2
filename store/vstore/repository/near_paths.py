"""Paths below a folder for one that does not exist: what its writer may have meant."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from itertools import islice

from vstore.format.tree import Tree
from vstore.pictures.spelling import composed

_MOST = 5000  # names of a folder that are compared
_NEAR = 3  # names that are proposed for one
_ALIKE = 0.7  # of difflib; `animal` is 0.92 to `animals`, `2024` 0.75 to `2042`, `town` 0.67 to `garden town`


def near_paths(tree: Tree, label: str, place: bytes | None, path: bytes) -> list[bytes]:
    """Find paths, on disk or in a snapshot, whose names are like those of a path; the most alike first.

    label: of the folder, in the snapshot.
    place: the folder on disk, or None.
    path:  relative to the folder, as are the paths returned.
    """
    return _near(_Folder(tree, os.fsencode(label), place), b"", path.split(b"/"))[:_NEAR]


class _Folder:
    """A synced folder, on disk and in a snapshot."""

    def __init__(self, tree: Tree, label: bytes, place: bytes | None) -> None:
        self._tree = tree
        self._label = label
        self._place = place

    def names(self, path: bytes) -> Iterator[bytes]:
        """Yield the names in a folder below it; hidden ones on disk are left out."""
        stored = self._label + b"/" + path if path else self._label
        yield from self._tree.folders_in(stored)
        for alias, _ in self._tree.directly_in(stored):
            yield alias[len(stored) + 1 :]
        if self._place is not None:
            with contextlib.suppress(OSError), os.scandir(os.path.join(self._place, path)) as entries:
                yield from (entry.name for entry in entries if not entry.name.startswith(b"."))


def _near(folder: _Folder, done: bytes, names: Sequence[bytes]) -> list[bytes]:
    """Find the paths that names mean below a path. Where only the first of them mean one, that is found."""
    if not names:
        return [done]
    name, *rest = names
    there = set(islice(folder.names(done), _MOST))
    if name in there:
        return _near(folder, os.path.join(done, name), rest)
    from difflib import get_close_matches

    plain = {_plain(one): one for one in sorted(there)}
    found = get_close_matches(_plain(name), plain, n=_NEAR, cutoff=_ALIKE)
    near = [os.path.join(done, plain[one]) for one in found]
    return [path for one in near for path in _near(folder, one, rest)] or near


def _plain(name: bytes) -> str:
    return composed(os.fsdecode(name)).casefold()
