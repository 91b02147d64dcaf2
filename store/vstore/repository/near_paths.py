"""Paths below a folder for one that does not exist: what its writer may have meant."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from vstore.format.tree import Tree
from vstore.near_files import near_paths as nearest


def near_paths(tree: Tree, label: str, place: bytes | None, path: bytes) -> list[bytes]:
    """Find paths, on disk or in a snapshot, whose names are like those of a path; the most alike first.

    label: of the folder, in the snapshot.
    place: the folder on disk, or None.
    path:  relative to the folder, as are the paths returned.
    """
    return nearest(_Folder(tree, os.fsencode(label), place).names, path.split(b"/"))


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
