"""The files under a root, found by their paths and by the ends of their paths, in any spelling. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from vstore.importing.spelling import composed, loose
from vstore.importing.ways import Names


class File(NamedTuple):
    """One candidate under the root.

    size:     in bytes.
    mtime_ns: since 1970.
    """

    size: int
    mtime_ns: int


class Found(NamedTuple):
    """The files of one path.

    files: one; several if they differ only in their spelling; none.
    off:   0 as the path is spelt, 1 in another Unicode form, 2 in another letter case.
    """

    files: tuple[bytes, ...] = ()
    off: int = 0


class Files:
    """The files under a root. A spelling nearer to the asked one wins."""

    def __init__(self, files: Mapping[bytes, File], names: Collection[bytes]) -> None:
        """Index the files. names: the last names that will be asked for, in loose form."""
        self.stats = files
        self._composed: defaultdict[bytes, list[bytes]] = defaultdict(list)
        self._loose: defaultdict[bytes, list[bytes]] = defaultdict(list)
        self._ends: defaultdict[bytes, list[bytes]] = defaultdict(list)
        wanted = frozenset(names)
        for path in sorted(files):
            form = loose(path)
            self._composed[composed(path)].append(path)
            self._loose[form].append(path)
            if form.rpartition(b"/")[2] in wanted:
                for end in _ends(form):
                    self._ends[end].append(path)

    def at(self, path: bytes) -> Found:
        """Find the file with a path relative to the root."""
        if path in self.stats:
            return Found((path,))
        same = self._composed.get(composed(path))
        if same:
            return Found(tuple(same), 1)
        return Found(tuple(self._loose.get(loose(path), ())), 2)

    def longest_end(self, folded: Names) -> tuple[int, tuple[bytes, ...]]:
        """Find the files that share most names with the end of a path, in loose form.

        Returns: the number of these names, and the files; 0 and none if no file has its name.
        """
        best: tuple[int, tuple[bytes, ...]] = (0, ())
        end = b""
        for shared, name in enumerate(reversed(folded), 1):
            end = b"/".join((name, end)) if end else name
            files = self._ends.get(end)
            if not files:
                break
            best = (shared, tuple(files))
        return best

    def namesakes(self, name: bytes) -> tuple[bytes, ...]:
        """List the files with a name, in loose form."""
        return tuple(self._ends.get(name, ()))


def _ends(path: bytes) -> Iterable[bytes]:
    at = len(path)
    while (at := path.rfind(b"/", 0, at)) >= 0:
        yield path[at + 1 :]
    yield path
