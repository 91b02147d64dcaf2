"""Walks folders for candidate pictures, at the cost of one stat call each.

A walk over folders in which nothing changed makes no object per file that outlives its folder: see `folder`.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Collection, Generator, Iterator
from typing import TYPE_CHECKING, Protocol

from vstore.pictures import passed_over
from vstore.pictures.folder import GONE, Folder, Trouble, packed
from vstore.pictures.listing import Lister
from vstore.pictures.passed_over import PassedOver
from vstore.pictures.rules import Rules
from vstore.pictures.scan_options import ScanOptions
from vstore.stop import refuse_stopped

if TYPE_CHECKING:
    from vstore.pictures.links import Fence
    from vstore.pictures.pattern_faults import Fault
    from vstore.pictures.pattern_watch import Watch

    Found = tuple[list[Folder], list[Trouble]]

    class Other(Protocol):
        """Another process that walks folders."""

        def found(self) -> Found | None:
            """Wait for it. Returns: None if it failed. Raises: Interrupted."""
            ...

        def end(self) -> None:
            """End it, if nobody waited for it."""
            ...

    Share = Callable[[list[bytes]], Other]

SHARED = 8  # folders that must wait before half of them are given to another process
_LONGEST = 4000  # bytes of a path that one call can take, on every system


class Scan:
    """A walk over a root, or over a part of it. Iterate once; `troubles` is complete only after that.

    `passed` holds the folders above the part, or the part itself, that are left out: then nothing is walked. `hidden`
    is the path of one that is hidden or excluded instead, if there is one.

    Folders come depth-first, those of one folder in byte order of their names. A folder that cannot be listed to its
    end is not yielded: it is in `troubles`. With `follow_symlinks`, a folder with several names is listed under the
    one that is not a link, else under the one met first.
    """

    def __init__(
        self,
        place: bytes,
        options: ScanOptions,
        extensions: frozenset[str],
        *,
        under: bytes = b"",
        skip: Collection[tuple[int, int]] = (),
        share: Share | None = None,
        watch: Watch | None = None,
        fence: Fence | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """
        place:      real path of the root.
        extensions: of candidates, lower case, with the dot.
        under:      relative path of the folder or file to walk; b"" for the whole root.
        skip:       (device, inode) of folders that are never entered: the store itself.
        watch:      sees every name that is met.
        share:      walks half of the folders in another process: see `shared_scan`.
        fence:      links must not lead out of it.
        stop:       set by another thread, ends the walk: iterating raises Interrupted.
        Raises: UsageError for an invalid pattern.
        """
        self.troubles: list[Trouble] = []
        self.passed: PassedOver = {}
        self.hidden = b""
        self._place = place
        self._options = options
        self._under = under
        self._skip = skip
        self._fence = fence
        self._rules = Rules(options, place, fence)
        self._lister = Lister(options, self._rules, extensions, self._keeps_out, watch or None, fence)
        self._owners: dict[tuple[int, int], bytes] = {}  # with follow_symlinks: the one path of each folder
        self._share = share
        self._other: Other | None = None
        self._stop = stop
        self._device = -1
        self._root_fd = -1

    def __iter__(self) -> Generator[Folder, None, None]:
        try:
            self._root_fd = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as err:
            self._trouble(b"", err)
            return
        try:
            self._device = os.fstat(self._root_fd).st_dev
            if self._options.follow_symlinks:
                self._owners = self._own_folders()
            yield from self._walk_under() if self._under else self._walk(b"")
            self._rules.finish(os.fsdecode(self._under) + "/" if self._under else "")
        finally:
            os.close(self._root_fd)
            if self._other is not None:
                self._other.end()

    def below(self, path: bytes) -> Iterator[Folder]:
        """Walk one folder of the root and all below it."""
        self._root_fd = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._device = os.fstat(self._root_fd).st_dev
            yield from self._walk(path)
        finally:
            os.close(self._root_fd)

    @property
    def has_rules(self) -> bool:
        """True if an ignore file with a pattern was met."""
        return self._rules.met

    def hides(self, path: bytes) -> bool:
        """Tell whether hidden names, excludes and the ignore files met in this scan hide a path.

        path: relative to the root; that of a folder ends in a slash.
        """
        return self._rules.hide(os.fsdecode(path))

    def takes(self, path: bytes) -> bool:
        """Tell whether a file of this path is a candidate, as far as its name tells. path: relative to the root."""
        return self._lister.takes(os.fsdecode(path)) and not self.hides(path)

    @property
    def faults(self) -> list[tuple[bytes, str, Fault]]:
        """The lines of the ignore files met that can match nothing: path of the file, line, and the reason.

        Those that match nothing for their letter case are known only after the walk.
        """
        return self._rules.faults

    @property
    def why_hidden(self) -> str:
        """The reason why the path `hidden` is not looked at."""
        return "its name begins with a dot" if os.path.basename(self.hidden).startswith(b".") else "an exclude hides it"

    def leaves_out(self, path: bytes) -> bool:
        """Tell whether a path lies in a folder that is left out by default."""
        return self._rules.left_out_above(os.fsdecode(path)) is not None

    def _passes_over(self, folder: bytes) -> bool:
        """Tell whether a folder is hidden, and note it if it is left out by default."""
        if not self.hides(folder + b"/"):
            return False
        found = self._rules.left_out_above(os.fsdecode(folder) + "/")
        if found is not None:
            passed_over.note(self.passed, found.kind, found.name, folder)
        else:
            self.hidden = folder
        return True

    def _own_folders(self) -> dict[tuple[int, int], bytes]:
        """Find the folders that the walk meets without following a link, so that no link takes their place.

        For a part of a root, walk all of it: only then is it known under which name a folder is listed.
        """
        options = self._options._replace(follow_symlinks=bool(self._under), include=())
        scan = Scan(self._place, options, frozenset(), skip=self._skip, fence=self._fence, stop=self._stop)
        for _ in scan:
            pass
        return scan._owners

    def _walk_under(self) -> Iterator[Folder]:
        """Walk the part below `under`, if a walk over the whole root would reach it."""
        names = self._under.split(b"/")
        path = b""
        try:
            for i in range(len(names)):
                path = b"/".join(names[:i])
                if path and self._passes_over(path):
                    return  # never entered, so nobody asks whether it can be
                fd = self._open(path)
                try:
                    above = os.fstat(fd)
                    if self._keeps_out(above):
                        return
                    self._rules.read(path, fd)
                    named = os.stat(names[i], dir_fd=fd, follow_symlinks=False)
                    is_link = stat.S_ISLNK(named.st_mode)
                    found = _target(names[i], fd, named, is_last=i + 1 == len(names))
                finally:
                    os.close(fd)
        except OSError as err:
            if err.errno not in GONE:
                self._trouble(self._under, err)
            return
        if stat.S_ISDIR(found.st_mode):
            folder, identity, only = self._under, (found.st_dev, found.st_ino), None
        else:
            folder, identity, only = path, (above.st_dev, above.st_ino), os.fsdecode(names[-1])
        if only is not None and self.hides(self._under):
            self.hidden = self._under
            return
        if only is None and self._passes_over(self._under):
            return
        if self._options.follow_symlinks:
            if self._owners.get(identity) != folder:
                return  # a walk over the whole root lists it under another name
        elif is_link and only is None:
            return
        yield from self._walk(folder, only)

    def _walk(self, top: bytes, only: str | None = None) -> Iterator[Folder]:
        waiting = [top]
        others: list[bytes] | None = None
        while waiting:
            refuse_stopped(self._stop)
            # The other process knows no ignore files: where there are some, its work would be lost.
            alone = self._share is None or others is not None or only is not None or self.has_rules
            if not alone and len(waiting) >= SHARED:
                assert self._share is not None
                others = waiting[1::2]
                self._other = self._share(others)
                waiting = waiting[0::2]
            path = waiting.pop()
            try:
                fd = self._open(path)
            except OSError as err:
                if err.errno not in GONE:
                    self._trouble(path, err)
                continue
            try:
                found = os.fstat(fd)
                if self._keeps_out(found):
                    continue
                self._owners.setdefault((found.st_dev, found.st_ino), path)
                folder = self._list(fd, path, only)
            except OSError as err:
                self._trouble(path, err)
                continue
            finally:
                os.close(fd)
            yield folder
            if only is None:
                base = path + b"/" if path else b""
                waiting += [base + name for name in reversed(folder.subfolders)]
        if others is not None:
            assert self._other is not None
            found_there = self._other.found()
            # `hides` must know all ignore files, and the other process may fail: then this one walks its folders.
            if found_there is None or self.has_rules:
                self._share = None
                for path in others:
                    yield from self._walk(path)
            else:
                yield from found_there[0]
                self.troubles += found_there[1]

    def _keeps_out(self, found: os.stat_result) -> str | None:
        """Tell why a folder is never entered: it is the store, or on another disk; None if it is."""
        if (found.st_dev, found.st_ino) in self._skip:
            return "store"
        return passed_over.DISK if self._options.one_file_system and found.st_dev != self._device else None

    def _open(self, path: bytes) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        if not self._options.follow_symlinks and path:
            flags |= os.O_NOFOLLOW
        if len(path) <= _LONGEST:
            return os.open(path or b".", flags, dir_fd=self._root_fd)
        fd = os.dup(self._root_fd)  # longer than one call can take: in stages
        while path:
            cut = len(path) if len(path) <= _LONGEST else path.rindex(b"/", 0, _LONGEST)
            try:
                below = os.open(path[:cut], flags, dir_fd=fd)
            finally:
                os.close(fd)
            fd, path = below, path[cut + 1 :]
        return fd

    def _list(self, fd: int, path: bytes, only: str | None) -> Folder:
        found = self._lister.list(fd, path, only)
        heads = packed(found.names, found.rows, self._owned(path, found.folders))
        ignored = passed_over.times(found.passed, passed_over.FILES) if found.passed else 0
        return Folder(path, heads, len(found.names), ignored, troubles=found.troubles, passed=found.passed)

    def _owned(self, path: bytes, folders: list[tuple[str, tuple[int, int]]]) -> list[bytes]:
        """Choose the subfolders to descend into, sorted: with follow_symlinks, those that have no other name."""
        named = sorted((os.fsencode(name), identity) for name, identity in folders)
        if not self._options.follow_symlinks:
            return [name for name, _ in named]
        base = path + b"/" if path else b""
        return [name for name, identity in named if self._owners.setdefault(identity, base + name) == base + name]

    def _trouble(self, path: bytes, err: OSError) -> None:
        self.troubles.append(Trouble.of(path, err, is_folder=True))


def _target(name: bytes, fd: int, named: os.stat_result, *, is_last: bool) -> os.stat_result:
    """Stat an entry. The last one of a path may be a link that leads nowhere: then it is the link. Raises: OSError."""
    try:
        return os.stat(name, dir_fd=fd)
    except FileNotFoundError:
        if is_last:
            return named
        raise
