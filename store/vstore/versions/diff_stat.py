"""Counts the differences of two snapshots by folder; a folder that is new, or gone, as a whole. Pure."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from vstore.format.canonical import Json, named


class FolderDiff(NamedTuple):
    """The differences in one folder.

    folder:  its stored path.
    whole:   it is new or gone: everything below it is counted here. Else only the pictures directly in it are.
    added:   paths of new pictures.
    removed: paths that are gone.
    changed: paths with another picture.
    renamed: paths that pictures got here, and lost anywhere.
    copied:  new paths of pictures with another path.
    """

    folder: bytes
    whole: bool
    added: int
    removed: int
    changed: int
    renamed: int
    copied: int

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        del value["folder"]
        return {**named("folder", self.folder), **value}


KINDS = FolderDiff._fields[2:]


def by_folder(paths: Iterable[tuple[str, bytes]], is_whole: Callable[[bytes], bool]) -> list[FolderDiff]:
    """Count differences by folder, in the order of the folders.

    paths:    kind and path of each difference.
    is_whole: tells whether only one of the snapshots has pictures below a folder.
    """
    direct: dict[bytes, Counter[str]] = {}
    for kind, path in paths:
        direct.setdefault(os.path.dirname(path), Counter())[kind] += 1
    known: dict[bytes, bool] = {}

    def top_of(folder: bytes) -> bytes | None:
        """Find the uppermost folder above one, or it itself, that is new or gone."""
        names = folder.split(b"/")
        for depth in range(1, len(names) + 1):
            above = b"/".join(names[:depth])
            if above not in known:
                known[above] = is_whole(above)
            if known[above]:
                return above
        return None

    folded: dict[tuple[bytes, bool], Counter[str]] = {}
    for folder, counts in direct.items():
        top = top_of(folder)
        folded.setdefault((folder if top is None else top, top is not None), Counter()).update(counts)
    return list(_rows(folded))


def _rows(folded: dict[tuple[bytes, bool], Counter[str]]) -> Iterator[FolderDiff]:
    for (folder, whole), counts in sorted(folded.items(), key=lambda item: item[0][0] + b"/"):
        yield FolderDiff(folder, whole, *(counts[kind] for kind in KINDS))
