"""The files that the newest sync met and could not read: they are in no snapshot, and the catalogue has them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vstore.browse.failure import failure_of
from vstore.format.tree import Tree
from vstore.intake.stat_cache import StatCache, facts_of, subfolders_in
from vstore.intake.survey import FAILED, GONE, KNOWN, LOOSE, TOO_LARGE, TROUBLE
from vstore.repository.places import is_below
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.catalogue import Catalogue

_DEEPEST = 256  # folders in one another; a forged catalogue may say more
_UNREAD = "the newest sync could not read it, for a reason that is not kept; the next one tries again, and says why"
_LARGE = "it is larger than the limit; raise it with --max-file-size"


class Unread(NamedTuple):
    """A file that could not be read.

    path:   its stored path.
    key:    the hash of its bytes; None if not even these could be read.
    kind:   of the failure, as a sync names it; `unread` if only the file was in the way, and the reason is not kept.
    reason: one line for people.
    """

    path: bytes
    key: bytes | None
    kind: str
    reason: str


def unread_files(repo: Repository, space: str, tree: Tree, prefixes: Sequence[bytes] | None) -> Iterator[Unread]:
    """Yield the files that the newest sync met and could not read, folder by folder.

    space:    whose model may have failed.
    tree:     of the current snapshot: what it holds is read by now.
    prefixes: only those below these stored paths; None means all.
    """
    catalogue = repo.catalogue(write=False)
    if catalogue is None:
        return
    with catalogue:
        for label in sorted(map(os.fsencode, repo.state.roots)):
            for one in _Walk(repo, catalogue, space, tree).below(label):
                if prefixes is None or any(is_below(one.path, prefix) for prefix in prefixes):
                    yield one


class _Walk:
    """A walk through what the catalogue remembers of folders. It looks at no disk of pictures."""

    def __init__(self, repo: Repository, catalogue: Catalogue, space: str, tree: Tree) -> None:
        self._catalogue = catalogue
        self._space = space
        self._tree = tree
        self._key_size = repo.hash.size
        self._stats = StatCache(catalogue, repo.state.absorbed)

    def below(self, folder: bytes) -> Iterator[Unread]:
        if folder.count(b"/") > _DEEPEST:
            return
        values = self._stats.values(folder, proven=False)
        yield from sorted(self._in(folder, values))
        for name in sorted(subfolders_in(values)):
            yield from self.below(folder + b"/" + name)

    def _in(self, folder: bytes, values: Sequence[bytes | None]) -> Iterator[Unread]:
        for file, (key, state) in facts_of(values, self._key_size).items():
            if state not in (KNOWN, GONE):
                path = folder + b"/" + file.name
                found = self._why(path, key, state)
                if found is not None:
                    yield found

    def _why(self, path: bytes, key: bytes, state: int) -> Unread | None:
        if state == TOO_LARGE:
            return Unread(path, None, "too_large", _LARGE)
        if state == TROUBLE:
            return None if self._tree.get(path) is not None else Unread(path, None, "unread", _UNREAD)
        found = failure_of(self._catalogue, self._space, key) if state in (FAILED, LOOSE) else None
        if found is None or self._tree.get(path) == key:
            return None
        return Unread(path, key, *found)
