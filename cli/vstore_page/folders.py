"""The folders of a snapshot: those that a client may name. Any other name is no question to the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from vstore_page.kept import Kept

if TYPE_CHECKING:
    from vstore import View

_KEPT = 3  # snapshots


class Folder(NamedTuple):
    """A folder of a snapshot.

    path:   its stored path.
    images: pictures in it, or below it.
    """

    path: bytes
    images: int


class Folders:
    """The folders of the snapshots that were asked for last. Usable from several threads."""

    def __init__(self) -> None:
        self._of: Kept[str, dict[str, Folder]] = Kept(_KEPT)

    def of(self, view: View) -> dict[str, Folder]:
        """List the folders of a snapshot by their names, in order. What is not UTF-8 in a name cannot be shown."""
        return self._of.of(view.snapshot, lambda: _folders(paths for _, paths in view.items()))


def _folders(pictures: Iterable[tuple[bytes, ...]]) -> dict[str, Folder]:
    """Count the pictures in and below each folder. pictures: their paths; one with several counts once in each."""
    alike = Counter(frozenset(path.rpartition(b"/")[0] for path in paths) for paths in pictures)
    counts: Counter[bytes] = Counter()
    for folders, images in alike.items():
        for folder in {above for one in folders for above in _and_above(one)}:
            counts[folder] += images
    return {path.decode("utf-8", "replace"): Folder(path, counts[path]) for path in sorted(counts)}


def _and_above(folder: bytes) -> Iterable[bytes]:
    while folder:
        yield folder
        folder = folder.rpartition(b"/")[0]
