"""Walks folders for candidate pictures, at the cost of one stat call each.

A walk over folders in which nothing changed makes no object per file that outlives its folder: see `folder`.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Collection, Generator, Iterator
from typing import TYPE_CHECKING

from vstore.pictures import passed_over
from vstore.pictures.folder import GONE, Folder, Trouble, packed
from vstore.pictures.listing import Lister
from vstore.pictures.passed_over import PassedOver
from vstore.pictures.rules import Rules
from vstore.pictures.scan_options import ScanOptions
from vstore.stop import refuse_stopped

if TYPE_CHECKING:
    from vstore.pictures.links import Fence
    from vstore.pictures.other_process import Other
    from vstore.pictures.pattern_faults import Fault
    from vstore.pictures.pattern_watch import Watch

SHARED = 2  # folders that must wait before another process is started
_LONGEST = 4000  # bytes of a path that one call can take, on every system


class Scan:
    """A walk over a root, or over a part of it. Iterate once; `troubles` is complete only after that.

    `passed` holds the folders above the part, or the part itself, that are left out: then nothing is walked. `hidden`
    is the path of one that is hidden or excluded instead, if there is one.

    Folders come depth-first, those of one folder in byte order of their names. A folder that cannot be listed to its
    end is not yielded: it is in `troubles`. With `follow_symlinks`, a folder with several names is listed under the
    one that is not a link, else under the one met first. A scan that was `shared` yields each folder after the one
    above it, and else in no order.
    """

    def __init__(
        self,
        place: bytes,
        options: ScanOptions,
        extensions: frozenset[str],
        *,
        under: bytes = b"",
        skip: Collection[tuple[int, int]] = (),
        share: Callable[[], Other] | None = None,
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
        share:      starts another process that lists some of the folders: see `shared_scan`.
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

    def begin(self) -> None:
        """Prepare to list one folder after another with `one`, instead of iterating. Raises: OSError."""
        self._root_fd = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._device = os.fstat(self._root_fd).st_dev

    @property
    def shared(self) -> bool:
        """True if another process was started to list some of the folders."""
        return self._other is not None

    def met_rules_in(self, path: bytes) -> bool:
        """Tell whether a listed folder has an ignore file."""
        return self._rules.knows(os.fsdecode(path) + "/" if path else "")

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
        waiting = [top]  # for any process
        own: list[bytes] = []  # for this one
        while True:
            refuse_stopped(self._stop)
            if self._other is not None or self._is_shareable(waiting, only):
                yield from self._with_other(waiting, own)
            if not waiting and not own:
                if self._other is None or not self._other.wait():
                    return
                continue
            folder = self.one((own or waiting).pop(), only)
            if folder is not None:
                yield folder
                if only is None:
                    self._go_on_below(folder, waiting, own)

    def _is_shareable(self, waiting: list[bytes], only: str | None) -> bool:
        """Tell whether to start another process now. It knows no ignore files."""
        return self._share is not None and len(waiting) >= SHARED and only is None and not self.has_rules

    def _with_other(self, waiting: list[bytes], own: list[bytes]) -> Iterator[Folder]:
        """Yield what the other process found since, and give it more to do."""
        if self._other is None:
            assert self._share is not None
            self._other = self._share()
        found = self._other.found()
        self.troubles += found.troubles
        own += found.left
        for folder in found.folders:
            yield folder
            self._go_on_below(folder, waiting, own)
        self._other.give(waiting)

    def _go_on_below(self, folder: Folder, waiting: list[bytes], own: list[bytes]) -> None:
        """Let the subfolders of a folder wait; those below an ignore file for this process, which alone knows it."""
        base = folder.path + b"/" if folder.path else b""
        alone = self._other is not None and self._rules.stand_over(os.fsdecode(base))
        below = own if alone else waiting
        below += [base + name for name in reversed(folder.subfolders)]

    def one(self, path: bytes, only: str | None = None) -> Folder | None:
        """List one folder. Returns: None if that is not to be entered, is gone, or is among the troubles now."""
        try:
            fd = self._open(path)
        except OSError as err:
            if err.errno not in GONE:
                self._trouble(path, err)
            return None
        try:
            found = os.fstat(fd)
            if self._keeps_out(found):
                return None
            self._owners.setdefault((found.st_dev, found.st_ino), path)
            return self._list(fd, path, only)
        except OSError as err:
            self._trouble(path, err)
            return None
        finally:
            os.close(fd)

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
