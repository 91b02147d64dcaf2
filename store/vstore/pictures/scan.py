"""What stands in folders: candidate pictures with their stats, packed, at the cost of one stat call each.

The caller compares one bytes object per thousand files with what it remembers, so a walk over folders in which nothing
changed makes no object per file that outlives its folder.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.errors import UsageError

if TYPE_CHECKING:
    from vstore.pictures.patterns import Patterns

    Found = tuple[list["Folder"], list["Trouble"]]
    Share = Callable[[list[bytes]], Callable[[], Found | None]]
    _Chain = list[tuple[int, Patterns]]  # length of the folder's path, and what its patterns say

IGNORE_FILE = ".vstoreignore"
CHUNK = 1000  # files per head
SHARED = 8  # folders that must wait before half of them are given to somebody else
_SKIPPED = frozenset({"@eaDir"})  # thumbnails that Synology's file server leaves beside the pictures
_HEAD = struct.Struct("<IIII")
_ROW = struct.Struct("<qqqQ")
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_LONGEST = 4000  # bytes of a path that one call can take, on every system


class FileStat(NamedTuple):
    """One candidate. Times in ns since 1970; a field that the root's options ignore is 0."""

    name: bytes
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Trouble(NamedTuple):
    """What could not be listed or stat-ed. path is relative to the root; kind is "permission" or "io".

    is_folder: what lies below it, if anything does, is unknown.
    """

    path: bytes
    kind: str
    reason: str
    is_folder: bool


class Folder(NamedTuple):
    """One folder that was listed completely.

    path:    relative to the root, b"" for the root itself.
    heads:   names and stats of the candidates, packed, at most 1,000 in each; there is always one.
    count:   candidates. ignored: files that are none, never opened; hidden and excluded ones are not counted.
    troubles: files that could not be stat-ed.
    """

    path: bytes
    heads: tuple[bytes, ...]
    count: int  # type: ignore[assignment]  # not the method of tuples
    ignored: int
    troubles: tuple[Trouble, ...] = ()

    @property
    def subfolders(self) -> list[bytes]:
        """The names of the folders in it that are descended into, sorted."""
        return subfolders_of(self.heads[0])


def files_of(head: bytes) -> Iterator[FileStat]:
    """Unpack one head, in its order. Nothing for what is no head."""
    if len(head) < _HEAD.size:
        return
    count, _, size, _ = _HEAD.unpack_from(head)
    stats_at = _HEAD.size + size
    if len(head) < stats_at + count * _ROW.size:
        return
    names = head[_HEAD.size : stats_at].split(b"\0")
    rows = _ROW.iter_unpack(head[stats_at : stats_at + count * _ROW.size])
    for name, row in zip(names, rows, strict=False):  # no name at all splits into one empty one
        yield FileStat(name, *row)


def count_of(head: bytes) -> int:
    """How many files a head holds."""
    count: int = _HEAD.unpack_from(head)[0]
    return count


def heads_of(head: bytes) -> int:
    """How many heads the folder of a head has."""
    total: int = _HEAD.unpack_from(head)[1]
    return max(1, -(-total // CHUNK))


def subfolders_of(head: bytes) -> list[bytes]:
    """The subfolders that the first head of a folder names."""
    if len(head) < _HEAD.size:
        return []
    size: int = _HEAD.unpack_from(head)[3]
    return head[len(head) - size :].split(b"\0") if size else []


class ScanOptions(NamedTuple):
    """What is kept with a root. Globs are gitignore patterns, relative to the root."""

    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    follow_symlinks: bool = False
    one_file_system: bool = False
    ignore_inode: bool = False
    ignore_ctime: bool = False

    @classmethod
    def from_json(cls, value: Any) -> ScanOptions:
        known = {name: value[name] for name in cls._fields if name in value}
        for name in ("exclude", "include"):
            if name in known:
                known[name] = tuple(known[name])
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Every option: the log merges objects, so that one which was left out would stay what it was."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self._asdict().items()}


class Scan:
    """A walk over a root, or the part of it below `under`. Iterate once; `troubles` is whole only after that.

    Folders come depth-first, those of one folder in byte order of their names. One that cannot be listed to its end is
    not yielded: it stands in `troubles`. With `follow_symlinks` no folder is listed under two names: the one that is
    no link counts, else the one met first.
    """

    def __init__(
        self,
        place: bytes,
        options: ScanOptions,
        extensions: frozenset[str],
        under: bytes = b"",
        skip: Collection[tuple[int, int]] = (),
        share: Share | None = None,
    ) -> None:
        """
        extensions: lower case, with the dot. under: relative path of a folder or a file.
        skip:       (device, inode) of folders that are never entered: the store itself.
        share:      takes half of the folders, once there are some, and gives what it found: see `shared_scan`.
        Raises: UsageError for a glob that means nothing.
        """
        self.troubles: list[Trouble] = []
        self._place = place
        self._options = options
        self._under = under
        self._skip = skip
        self._extensions = extensions
        self._tails = frozenset(tail for e in extensions if len(e) in (4, 5) for tail in (e, e.upper()))
        self._rules = _Rules(options)
        self._owners: dict[tuple[int, int], bytes] = {}  # with follow_symlinks: the one path of each folder
        self._share = share
        self._device = -1
        self._root_fd = -1

    def __iter__(self) -> Iterator[Folder]:
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
        finally:
            os.close(self._root_fd)

    def below(self, path: bytes) -> Iterator[Folder]:
        """Walk one folder of the root, and all below it."""
        self._root_fd = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._device = os.fstat(self._root_fd).st_dev
            yield from self._walk(path)
        finally:
            os.close(self._root_fd)

    @property
    def has_rules(self) -> bool:
        """Whether an ignore file was met."""
        return self._rules.met

    def hides(self, path: bytes) -> bool:
        """Whether hidden names, excludes and ignore files, as met in this scan, keep a path from being found.

        path: relative to the root; that of a folder ends in a slash.
        """
        return self._rules.hide(os.fsdecode(path))

    def _own_folders(self) -> dict[tuple[int, int], bytes]:
        """The folders that the walk meets without following a link, so that no link takes their place.

        Where only a part is walked: those of a whole walk, which alone says under which name a folder is listed.
        """
        options = self._options._replace(follow_symlinks=bool(self._under), include=())
        scan = Scan(self._place, options, frozenset(), skip=self._skip)
        for _ in scan:
            pass
        return scan._owners

    def _walk_under(self) -> Iterator[Folder]:
        """Walk the part that was asked for, if a walk over the whole root would come there."""
        names = self._under.split(b"/")
        path = b""
        try:
            for i in range(len(names)):
                path = b"/".join(names[:i])
                fd = self._open(path)
                try:
                    above = os.fstat(fd)
                    if self._keeps_out(above):
                        return
                    self._rules.read(path, fd)
                    found = os.stat(names[i], dir_fd=fd)
                    is_link = stat.S_ISLNK(os.stat(names[i], dir_fd=fd, follow_symlinks=False).st_mode)
                finally:
                    os.close(fd)
        except OSError as err:
            if err.errno not in _GONE:
                self._trouble(self._under, err)
            return
        if stat.S_ISDIR(found.st_mode):
            folder, identity, only = self._under, (found.st_dev, found.st_ino), None
        else:
            folder, identity, only = path, (above.st_dev, above.st_ino), os.fsdecode(names[-1])
        if self.hides(self._under + b"/" if only is None else self._under):
            return
        if self._options.follow_symlinks:
            if self._owners.get(identity) != folder:
                return  # a walk over the whole root lists it under another name
        elif is_link and only is None:
            return
        yield from self._walk(folder, only)

    def _walk(self, top: bytes, only: str | None = None) -> Iterator[Folder]:
        waiting = [top]
        others: tuple[list[bytes], Callable[[], Found | None]] | None = None
        while waiting:
            # Of ignore files a sharer knows nothing, and where there are some it would work for nothing.
            alone = self._share is None or others is not None or only is not None or self.has_rules
            if not alone and len(waiting) >= SHARED:
                assert self._share is not None
                others = waiting[1::2], self._share(waiting[1::2])
                waiting = waiting[0::2]
            path = waiting.pop()
            try:
                fd = self._open(path)
            except OSError as err:
                if err.errno not in _GONE:
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
            found_there = others[1]()
            # Ignore files must be known where `hides` is asked; and whoever shares may fail. Then it is done here.
            if found_there is None or self.has_rules:
                self._share = None
                for path in others[0]:
                    yield from self._walk(path)
            else:
                yield from found_there[0]
                self.troubles += found_there[1]

    def _keeps_out(self, found: os.stat_result) -> bool:
        if (found.st_dev, found.st_ino) in self._skip:
            return True
        return self._options.one_file_system and found.st_dev != self._device

    def _open(self, path: bytes) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        if not self._options.follow_symlinks and path:
            flags |= os.O_NOFOLLOW
        if len(path) <= _LONGEST:
            return os.open(path or b".", flags, dir_fd=self._root_fd)
        fd = os.dup(self._root_fd)  # deeper than one call can name: in stages
        while path:
            cut = len(path) if len(path) <= _LONGEST else path.rindex(b"/", 0, _LONGEST)
            try:
                below = os.open(path[:cut], flags, dir_fd=fd)
            finally:
                os.close(fd)
            fd, path = below, path[cut + 1 :]
        return fd

    def _list(self, fd: int, path: bytes, only: str | None) -> Folder:
        """List one open folder. Raises: OSError if that cannot be done to its end."""
        base = os.fsdecode(path) + "/" if path else ""
        rules = self._rules.over(base)
        odd = _Odd(self, base, rules)
        names: list[str] = []
        rows: list[bytes] = []
        tails, pack = self._tails, _ROW.pack
        with os.scandir(fd) as entries:
            while block := list(islice(entries, CHUNK)):
                if only is not None:
                    block = [e for e in block if e.name == only]
                # Nearly every file of nearly every folder is one of these; `_Odd` would say the same of it, slowly.
                plain = [
                    e
                    for e in block
                    if (e.name[-4:] in tails or e.name[-5:] in tails)
                    and e.name[0] != "."
                    and e.is_file(follow_symlinks=False)
                ]
                if len(plain) < len(block):
                    taken = {e.name for e in plain}
                    odd.take([e for e in block if e.name not in taken])
                    if odd.met_rules:
                        break
                if rules:
                    plain = [e for e in plain if not self._rules.exclude(base + e.name, rules)]
                for entry in plain:
                    try:
                        found = entry.stat(follow_symlinks=False)
                        row = pack(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
                    except OSError as err:
                        odd.missed(entry.name, err)
                        continue
                    except struct.error:
                        row = _row(found)
                    names.append(entry.name)
                    rows.append(row)
        if odd.met_rules:  # they speak of the names before them, too
            self._rules.read(path, fd)
            return self._list(fd, path, only)
        names += odd.names
        rows += odd.rows
        if self._options.ignore_ctime or self._options.ignore_inode:
            rows = [self._without_ignored(row) for row in rows]
        heads = tuple(
            _pack(names[at : at + CHUNK], rows[at : at + CHUNK], len(names), [] if at else self._owned(path, odd))
            for at in range(0, max(1, len(names)), CHUNK)
        )
        return Folder(path, heads, len(names), odd.ignored, tuple(odd.troubles))

    def _without_ignored(self, row: bytes) -> bytes:
        size, mtime, ctime, inode = _ROW.unpack(row)
        return _ROW.pack(
            size, mtime, 0 if self._options.ignore_ctime else ctime, 0 if self._options.ignore_inode else inode
        )

    def _owned(self, path: bytes, odd: _Odd) -> list[bytes]:
        """The subfolders to descend into, sorted: with follow_symlinks, those that have no other name."""
        folders = sorted((os.fsencode(name), identity) for name, identity in odd.folders)
        if not self._options.follow_symlinks:
            return [name for name, _ in folders]
        base = path + b"/" if path else b""
        return [name for name, identity in folders if self._owners.setdefault(identity, base + name) == base + name]

    def _trouble(self, path: bytes, err: OSError) -> None:
        self.troubles.append(_trouble(path, err, True))


class _Odd:
    """Sorts out the entries of one folder that are not plainly pictures."""

    def __init__(self, scan: Scan, base: str, rules: _Chain) -> None:
        self.names: list[str] = []
        self.rows: list[bytes] = []
        self.folders: list[tuple[str, tuple[int, int]]] = []
        self.troubles: list[Trouble] = []
        self.ignored = 0
        self.met_rules = False
        self._scan = scan
        self._base = base
        self._chain = rules

    def take(self, entries: list[os.DirEntry[str]]) -> None:
        scan = self._scan
        for entry in entries:
            if entry.name == IGNORE_FILE and not scan._rules.knows(self._base):
                self.met_rules = True
                return
            try:
                self._take(entry)
            except OSError as err:
                # Its type may be unknown: to a link that may be followed, and on disks that do not tell.
                self.missed(entry.name, err, not entry.is_symlink() or scan._options.follow_symlinks)

    def _take(self, entry: os.DirEntry[str]) -> None:
        options, rules = self._scan._options, self._scan._rules
        path = self._base + entry.name
        hidden = _is_hidden(entry.name)
        if hidden and not rules.include(path):
            return
        is_link = entry.is_symlink()
        is_folder = entry.is_dir(follow_symlinks=options.follow_symlinks)
        if hidden and is_folder:
            return
        if self._chain and rules.exclude(path + "/" if is_folder else path, self._chain):
            return
        if is_folder:
            identity = (0, 0)
            if options.follow_symlinks or options.one_file_system:
                found = entry.stat(follow_symlinks=options.follow_symlinks)
                if self._scan._keeps_out(found):
                    return
                identity = (found.st_dev, found.st_ino)
            self.folders.append((entry.name, identity))
            return
        extension = entry.name[entry.name.rfind(".") :]
        good = extension.lower() in self._scan._extensions or rules.include(path)
        if good and (is_link or entry.is_file(follow_symlinks=False)):
            try:
                found = entry.stat()
            except OSError as err:
                if err.errno not in _GONE:
                    raise
                self.ignored += is_link  # it leads nowhere
                return
            if stat.S_ISREG(found.st_mode):
                self.names.append(entry.name)
                self.rows.append(_row(found))
                return
            if stat.S_ISDIR(found.st_mode):
                return
        self.ignored += 1

    def missed(self, name: str, err: OSError, is_folder: bool = False) -> None:
        if err.errno not in _GONE:
            self.troubles.append(_trouble(os.fsencode(self._base + name), err, is_folder))


class _Rules:
    """Which names are hidden, excluded or included. Paths are relative to the root; those of folders end in a slash."""

    def __init__(self, options: ScanOptions) -> None:
        self._include = _patterns(options.include) if options.include else None
        self._exclude = _patterns(options.exclude) if options.exclude else None
        self._files: dict[str, Patterns | None] = {}

    @property
    def met(self) -> bool:
        """Whether any ignore file says anything."""
        return any(self._files.values())

    def knows(self, base: str) -> bool:
        """Whether the ignore file of a folder was read."""
        return base in self._files

    def read(self, path: bytes, fd: int) -> None:
        """Read the ignore file of an open folder, if it has one.

        Raises: OSError if it cannot be read: what it hides must then be taken for unknown, not for found.
        """
        base = os.fsdecode(path) + "/" if path else ""
        self._files[base] = None
        try:
            file = os.open(IGNORE_FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=fd)
        except FileNotFoundError:
            return
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                from vstore.pictures.patterns import Patterns

                with open(file, "rb", closefd=False) as text:
                    lines = text.read().removeprefix(b"\xef\xbb\xbf")
                self._files[base] = Patterns.from_file(os.fsdecode(lines))
        finally:
            os.close(file)

    def over(self, base: str) -> _Chain:
        """What speaks of the names in a folder: the excludes, then, as in git, the deepest ignore file first."""
        chain: _Chain = [(0, self._exclude)] if self._exclude is not None else []
        above = base
        while any(self._files.values()):
            spec = self._files.get(above)
            if spec is not None:
                chain.append((len(above), spec))
            if not above:
                break
            above = above[: above.rfind("/", 0, -1) + 1]
        return chain

    def exclude(self, path: str, chain: _Chain) -> bool:
        """Whether the first that has an opinion is against a path."""
        for length, patterns in chain:
            verdict = patterns.matches(path[length:])
            if verdict is not None:
                return verdict
        return False

    def include(self, path: str) -> bool:
        """Whether a path is taken in whatever it is called: it, or else a folder that holds it, is named."""
        while self._include is not None and path:
            verdict = self._include.matches(path)
            if verdict is not None:
                return verdict
            path = path[: path.rfind("/", 0, -1) + 1]
        return False

    def hide(self, path: str) -> bool:
        base = ""
        *folders, name = path.split("/")
        for folder in folders:
            if _is_hidden(folder) or self.exclude(f"{base}{folder}/", self.over(base)):
                return True
            base += folder + "/"
        if not name:
            return False
        return (_is_hidden(name) and not self.include(path)) or self.exclude(path, self.over(base))


def _is_hidden(name: str) -> bool:
    return name[:1] == "." or name in _SKIPPED


def _trouble(path: bytes, err: OSError, is_folder: bool) -> Trouble:
    kind = "permission" if err.errno in (errno.EACCES, errno.EPERM) else "io"
    return Trouble(path, kind, err.strerror or str(err), is_folder)


def _row(found: os.stat_result) -> bytes:
    """A packed stat. Disks may hold times after the year 2262, when nanoseconds no longer fit."""
    mtime, ctime = (min(time, (1 << 63) - 1) for time in (found.st_mtime_ns, found.st_ctime_ns))
    return _ROW.pack(found.st_size, mtime, ctime, found.st_ino)


def _pack(names: list[str], rows: list[bytes], total: int, folders: list[bytes]) -> bytes:
    """One head: files in it, files in the folder, bytes of names, bytes of subfolder names; names, stats, subfolders.

    The files of the whole folder stand in each head, so that a folder whose last thousand went away is not taken for
    what it was.
    """
    joined = os.fsencode("\0".join(names))
    below = b"\0".join(folders)
    return _HEAD.pack(len(names), total, len(joined), len(below)) + joined + b"".join(rows) + below


def _patterns(globs: Iterable[str]) -> Patterns:
    from vstore.pictures.patterns import Pattern, Patterns

    patterns = []
    for glob in globs:
        try:
            patterns.append(Pattern.parse(glob))
        except ValueError as err:
            raise UsageError(f"{glob!r} is no pattern that an ignore file could hold: {err}") from err
    return Patterns(patterns)
