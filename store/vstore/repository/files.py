"""The files of stored paths, as a report tells them: stored paths mean something to the store alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache

from vstore.brief import briefly
from vstore.format.canonical import Json, named_file, named_path
from vstore.format.entries import Snapshot
from vstore.format.relabelling import Labels
from vstore.quick_tuple import NamedTuple
from vstore.repository.repository import Repository


@briefly
class Files(NamedTuple):
    """The files of the stored paths of one answer.

    places:  label -> absolute path of its folder.
    moved:   label in these paths -> prefix of its paths today, where that is another.
    unnamed: labels of folders that the user has not named at this machine: nobody should look there.
    """

    places: Mapping[bytes, bytes] = {}  # never changed
    moved: Mapping[str, str] = {}
    unnamed: tuple[bytes, ...] = ()

    def file_of(self, path: bytes) -> bytes | None:
        """Find the absolute path of a stored path. Returns: None if its folder is no longer known."""
        label, _, rest = Labels(self.moved).today(path).partition(b"/")
        place = self.places.get(label)
        return None if place is None else os.path.join(place, rest) if rest else place

    def is_there(self, path: bytes) -> bool:
        """Tell whether a stored path has a file today; True where that must not be looked at."""
        file = self.file_of(path)
        if file is None:
            return False
        return self.is_unnamed(path) or os.path.lexists(file)

    def is_unnamed(self, path: bytes) -> bool:
        """Tell whether a stored path lies in a folder where nobody should look."""
        return bool(self.unnamed) and Labels(self.moved).today(path).partition(b"/")[0] in self.unnamed

    def named(self, path: bytes) -> dict[str, Json]:
        """Write a stored path and its file, for a JSON document."""
        return {**named_path(path), **named_file(self.file_of(path))}


UNKNOWN = Files()


def files_of(repo: Repository, labels: Labels) -> Files:
    """Note where the folders of a store are. labels: the present names of the labels of the paths."""
    places = {os.fsencode(label): repo.place(root) for label, root in repo.state.roots.items()}
    return Files(places, labels.moved, _unnamed(repo))


def finder_to_look(repo: Repository, snapshot: Snapshot | None) -> Callable[[bytes], bytes | None]:
    """Give a function that finds the file of a path of a snapshot; None where nobody may look: see `KnownFolders`."""
    from vstore.pictures.links import stays_below

    base, file_of = repo.base, repo.file_finder(snapshot)

    @cache
    def of_known_folders() -> Callable[[bytes], bytes | None]:
        from vstore.repository.acquaintance import KnownFolders  # what is below the store's folder needs fewer modules

        return KnownFolders(repo).file_finder(snapshot)

    def to_look_at(path: bytes) -> bytes | None:
        file = file_of(path)
        return file if file is None or stays_below(base, file) else of_known_folders()(path)

    return to_look_at


def _unnamed(repo: Repository) -> tuple[bytes, ...]:
    """List the labels of the folders that may not be looked at."""
    from vstore.pictures.links import stays_below

    base = repo.base
    elsewhere = [root for root in repo.state.roots.values() if not stays_below(base, repo.place(root))]
    if not elsewhere:  # where most stores have their folders; what is below needs fewer modules
        return ()
    from vstore.repository.acquaintance import KnownFolders

    folders = KnownFolders(repo)
    return tuple(os.fsencode(root.label) for root in elsewhere if not folders.is_known(root))
