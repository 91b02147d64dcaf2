"""The folders of a store that a plan is about: the files of stored paths, found along no link."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType

from vstore.errors import UsageError
from vstore.format.entries import Root
from vstore.plans.trash_folder import TrashFolder
from vstore.plans.way import Gone, Unfit, look_at_file, opened, split
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.places import identity
from vstore.repository.repository import Repository


class Places:
    """The folders of a store, each opened when a path in it is first met. A context manager."""

    def __init__(self, repo: Repository, opener: Callable[[Root], TrashFolder]) -> None:
        """opener: opens the folder of a root. Raises: UsageError if that fails."""
        self._repo = repo
        self._opener = opener
        self._known = KnownFolders(repo)
        self._file_of = self._known.file_finder(None)
        self._open: dict[bytes, TrashFolder | Unfit] = {}

    def find(self, path: bytes) -> tuple[TrashFolder, bytes]:
        """Find the folder of a stored path, and the path below it. Raises: Unfit."""
        label, _, rest = path.partition(b"/")
        if label not in self._open:
            self._open[label] = self._opened(label)
        found = self._open[label]
        if isinstance(found, Unfit):
            raise Unfit(found.reason)
        return found, rest

    def look(self, path: bytes) -> os.stat_result:
        """Look at the file of a stored path. Raises: Gone if it is not there; Unfit if it is none that is moved."""
        trash, rest = self.find(path)
        *above, name = split(rest)
        with opened(trash.root, above, barred=trash.store) as folder:
            found = look_at_file(folder, name)
        if found is None:
            raise Gone("it is gone")
        return found

    def target_of_link(self, path: bytes) -> tuple[int, int] | None:
        """Give device and inode of the file that a link at a stored path leads to; None if that is none.

        A link out of the folder that holds the store is not followed, unless its user named its folder.
        """
        file = self._file_of(path)
        return identity(file) if file is not None and os.path.islink(file) else None

    def _opened(self, label: bytes) -> TrashFolder | Unfit:
        root = self._repo.state.roots.get(os.fsdecode(label))
        if root is None:
            return Unfit("it is in no folder of the store")
        if not self._known.is_known(root):
            return Unfit("you have not named its folder at this machine: see vstore sync")
        try:
            return self._opener(root)
        except UsageError as err:
            return Unfit(err.message)

    @property
    def opened(self) -> list[TrashFolder]:
        """The folders that were opened."""
        return [one for one in self._open.values() if isinstance(one, TrashFolder)]

    def __enter__(self) -> Places:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self.opened:
            one.close()


def store_identity(repo: Repository) -> tuple[int, int] | None:
    """Give device and inode of the folder of the store: nothing in it is a picture."""
    return identity(os.fsencode(repo.layout.folder))
