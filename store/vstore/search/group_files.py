"""The files of a group of pictures: their existence, their size, and their changes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from vstore.brief import briefly
from vstore.clock import written
from vstore.disk.file_hash import hash_file
from vstore.format.canonical import Json
from vstore.pictures.picture_file import open_regular
from vstore.repository.repository import Repository

_READ = 1 << 20


class FileOf(NamedTuple):
    """Finds the files of stored paths.

    opened: the file that may be looked at, or None.
    known:  the file, if its folder is known, or None.
    """

    opened: Callable[[bytes], bytes | None]
    known: Callable[[bytes], bytes | None]


class Found(NamedTuple):
    """The file of a stored path.

    file:     its device and inode.
    size:     its bytes.
    modified: when it was written last, in nanoseconds since 1970.
    is_link:  the path leads to a file of another path.
    """

    file: tuple[int, int]
    size: int
    modified: int
    is_link: bool = False


@briefly
class GroupFile(NamedTuple):
    """The file of a stored path, as it was found.

    size:     its bytes.
    modified: when it was written last, in nanoseconds since 1970, UTC.
    is_link:  the path leads to a file of another path.
    """

    size: int
    modified: int
    is_link: bool = False

    def to_json(self) -> dict[str, Json]:
        return {"size": self.size, "modified": written(self.modified // 1_000_000_000)}


class GroupFiles:
    """The files of a group, as far as they exist. Two names of one file are one: removing one saves nothing.

    found:    the files that are there, by their stored paths.
    troubles: the trouble with a file, by its stored path.
    """

    def __init__(self, repo: Repository, paths: Sequence[bytes], file_of: FileOf) -> None:
        self._repo = repo
        self._paths = paths
        self._file_of = file_of
        self.found: dict[bytes, Found] = {}
        self.troubles: dict[bytes, str] = {}
        for path in paths:
            self._look(path)

    def _look(self, path: bytes) -> None:
        file = self._file_of.opened(path)
        if file is None:
            known = self._file_of.known(path) is not None
            self.troubles[path] = "you have not named its folder here" if known else "its folder is no longer known"
            return
        try:
            found = os.lstat(file)
            is_link = stat.S_ISLNK(found.st_mode)
            found = os.stat(file) if is_link else found
        except OSError as err:
            self.troubles[path] = err.strerror or str(err)
            return
        self.found[path] = Found((found.st_dev, found.st_ino), found.st_size, found.st_mtime_ns, is_link)

    def verify(self, key: bytes) -> None:
        """Compare the files byte for byte, and the first of them with its key."""
        first: bytes | None = None
        for path in self._paths:
            file = self._file_of.opened(path)
            if file is None or path not in self.found:
                continue
            try:
                # The first one must still have its key, or the others would be compared with a stranger.
                if first is None and hash_file(open_regular(file), self._repo.hash.new()).digest() != key:
                    self._drop(path, "it has changed since")
                elif first is not None and not _are_same(first, file):
                    self._drop(path, "it differs")
                else:
                    first = first or file
            except OSError as err:
                self._drop(path, err.strerror or str(err))

    def _drop(self, path: bytes, why: str) -> None:
        self.troubles[path] = why
        del self.found[path]

    @property
    def files(self) -> dict[bytes, GroupFile]:
        """The size and the time of each file that is there, by stored path."""
        return {path: GroupFile(one.size, one.modified, one.is_link) for path, one in self.found.items()}

    @property
    def size(self) -> int | None:
        """Bytes of the first existing file."""
        return next((self.found[path].size for path in self._paths if path in self.found), None)

    def wasted(self, paths: Iterable[bytes]) -> int:
        """Count the bytes of some of the files without the largest, each file once."""
        sizes = {one.file: one.size for path in paths if (one := self.found.get(path)) is not None}.values()
        return sum(sizes) - max(sizes, default=0)


def _are_same(one: bytes, other: bytes) -> bool:
    with open(open_regular(one), "rb") as a, open(open_regular(other), "rb") as b:
        while True:
            left, right = a.read(_READ), b.read(_READ)
            if left != right:
                return False
            if not left:
                return True
