"""What stands in folders: candidate pictures with their stats, packed, at the cost of one stat call each.

The caller compares one bytes object per thousand files with what it remembers, so a walk over folders in which nothing
changed makes no object per file that outlives its folder.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import struct
from array import array
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import subprocess

    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".vstoreignore"
CHUNK = 1000  # files per head
HELP_FROM = 20_000  # files from which on a second process, which takes 30 ms to start, is worth it
_ENOUGH_TO_SHARE = 8  # folders that wait, for there to be something to share
_SKIPPED = frozenset({"@eaDir"})  # thumbnails that Synology's file server leaves beside the pictures
_HEAD = struct.Struct("<IIII")
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class FileStat(NamedTuple):
    """One candidate. Times in ns since 1970; a field that the root's options ignore is 0."""

    name: bytes
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Trouble(NamedTuple):
    """What could not be listed or stat-ed. path is relative to the root; kind is "permission" or "io"."""

    path: bytes
    kind: str
    reason: str
    is_folder: bool


class Folder(NamedTuple):
    """One folder that was listed completely.

    path:    relative to the root, b"" for the root itself.
    heads:   names and stats of the candidates, packed, at most 1,000 in each; there is always one.
    count:   candidates. ignored: other files, never opened. troubles: files that could not be stat-ed.
    """

    path: bytes
    heads: tuple[bytes, ...]
    count: int
    ignored: int
    troubles: tuple[Trouble, ...] = ()

    @property
    def subfolders(self) -> list[bytes]:
        """The names of the folders in it that are descended into."""
        return subfolders_of(self.heads[0])


def files_of(head: bytes) -> Iterator[FileStat]:
    """Unpack one head, in its order. Nothing for what is no head."""
    if len(head) < _HEAD.size:
        return
    count, _, size, _ = _HEAD.unpack_from(head)
    stats_at = _HEAD.size + size
    if not count or len(head) < stats_at + count * 32:
        return
    names = head[_HEAD.size : stats_at].split(b"\0")
    stats = array("q")
    stats.frombytes(head[stats_at : stats_at + count * 32])
    for i, name in enumerate(names[:count]):
        yield FileStat(name, stats[4 * i], stats[4 * i + 1], stats[4 * i + 2], stats[4 * i + 3])


def count_of(head: bytes) -> int:
    """How many files a head holds."""
    count: int = _HEAD.unpack_from(head)[0]
    return count


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
        """Only what is not the default."""
        value: dict[str, Any] = {}
        for name in self._fields:
            option = getattr(self, name)
            if option:
                value[name] = list(option) if isinstance(option, tuple) else option
        return value


class Scan:
    """A walk over a root, or the part of it below `under`. Iterate once; `troubles` is whole only after that."""

    def __init__(
        self,
        place: bytes,
        options: ScanOptions,
        extensions: frozenset[str],
        under: bytes = b"",
        skip: Collection[tuple[int, int]] = (),
        expect: int = 0,
    ) -> None:
        """
        extensions: lower case, with the dot. under: relative path of a folder or a file.
        skip:       (device, inode) of folders that are never entered: the store itself.
        expect:     about how many files there are; a second process helps with many. Folders then come in any order.
        """
        self._helped = expect >= HELP_FROM and not options.follow_symlinks and (os.cpu_count() or 1) > 1
        self.troubles: list[Trouble] = []
        self._place = place
        self._options = options
        self._under = under
        self._skip = skip
        self._wanted: dict[str, bool] = {ext: True for ext in extensions}
        self._quick = frozenset(e for ext in extensions if len(ext) == 4 for e in (ext, ext.upper()))
        self._extensions = extensions
        self._include = _spec(list(options.include)) if options.include else None
        self._rules: dict[str, GitIgnoreSpec] = {}
        self._excludes = _spec(list(options.exclude)) if options.exclude else None
        self._seen: set[tuple[int, int]] = set()
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
            if not self._under:
                yield from self._walk(b"")
            elif self._reach():
                yield from self._walk_under()
        finally:
            os.close(self._root_fd)

    def walk_below(self, path: bytes) -> Iterator[Folder]:
        """Walk one folder of the root and all below it."""
        if self._root_fd < 0:
            self._root_fd = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._device = os.fstat(self._root_fd).st_dev
        return self._walk(path)

    @property
    def has_rules(self) -> bool:
        """Whether an ignore file was met."""
        return bool(self._rules)

    def hides(self, path: bytes) -> bool:
        """Whether hidden names, excludes and ignore files, as met in this scan, keep a relative path from being found."""
        parts = os.fsdecode(path).split("/")
        for i, name in enumerate(parts):
            is_folder = i + 1 < len(parts)
            if self._is_hidden(name) and not (not is_folder and self._includes("/".join(parts))):
                return True
            if self._is_excluded("/".join(parts[: i + 1]), is_folder):
                return True
        return False

    def _reach(self) -> bool:
        """Load the ignore files on the way to `under`, and say whether the rules let it be found."""
        parts = self._under.split(b"/")
        for i in range(len(parts)):
            self._load_rules(b"/".join(parts[:i]))
        return not self.hides(self._under)

    def _walk_under(self) -> Iterator[Folder]:
        try:
            found = os.stat(self._under, dir_fd=self._root_fd, follow_symlinks=False)
        except OSError as err:
            if err.errno not in _GONE:
                self._trouble(self._under, err)
            return
        if stat.S_ISDIR(found.st_mode):
            yield from self._walk(self._under)
            return
        parent, _, name = self._under.rpartition(b"/")
        yield from self._walk(parent, only=os.fsdecode(name))

    def _walk(self, top: bytes, only: str | None = None) -> Iterator[Folder]:
        waiting = [top]
        helper: ScanHelper | None = None
        while waiting:
            if self._helped and only is None and len(waiting) >= _ENOUGH_TO_SHARE:
                self._helped = False
                helper = ScanHelper.start(self._place, self._options, self._extensions, self._skip, waiting[1::2])
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
                identity = (found.st_dev, found.st_ino)
                if identity in self._skip or (self._options.one_file_system and found.st_dev != self._device):
                    continue
                if self._options.follow_symlinks:
                    if identity in self._seen:
                        continue
                    self._seen.add(identity)
                folder = self._list(fd, path, only)
            except OSError as err:
                self._trouble(path, err)
                continue
            finally:
                os.close(fd)
            yield folder
            if only is None:
                base = path + b"/" if path else b""
                waiting += [base + name for name in sorted(folder.subfolders, reverse=True)]
        if helper is not None:
            found = helper.result() if not self._rules else None
            if found is None:
                for share in helper.share:  # it could not, or ignore files made it a matter of order: do it here
                    yield from self._walk(share)
            else:
                yield from found[0]
                self.troubles += found[1]

    def _open(self, path: bytes) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        if not self._options.follow_symlinks and path:
            flags |= os.O_NOFOLLOW
        try:
            return os.open(path or b".", flags, dir_fd=self._root_fd)
        except OSError as err:
            if err.errno != errno.ENAMETOOLONG:
                raise
        fd = os.dup(self._root_fd)  # deeper than one call can name: step by step
        for name in path.split(b"/"):
            try:
                below = os.open(name, flags, dir_fd=fd)
            finally:
                os.close(fd)
            fd = below
        return fd

    def _list(self, fd: int, path: bytes, only: str | None) -> Folder:
        base = os.fsdecode(path) + "/" if path else ""
        ruled = self._excludes is not None or bool(self._rules)
        names: list[str] = []
        stats: list[int] = []
        folders: list[str] = []
        troubles: list[Trouble] = []
        ignored = 0
        wanted, extensions, quick = self._wanted, self._extensions, self._quick
        plain = not ruled and only is None
        with os.scandir(fd) as entries:
            for entry in entries:
                name = entry.name
                if plain and name[-4:] in quick and name[0] != "." and entry.is_file(follow_symlinks=False):
                    # Nearly every file of nearly every folder: what follows says the same of it, more slowly.
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except OSError as err:
                        if err.errno not in _GONE:
                            reason = err.strerror or str(err)
                            troubles.append(Trouble(os.fsencode(base + name), _kind(err), reason, False))
                        continue
                    names.append(name)
                    stats += (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
                    continue
                if name[0] == "." or name in _SKIPPED:
                    if name == IGNORE_FILE and base not in self._rules and self._load_rules(path, fd):
                        return self._list(fd, path, only)  # it speaks of the names before it, too
                    if self._include is None or not self._includes(base + name):
                        continue
                if only is not None and name != only:
                    continue
                extension = name[name.rfind(".") :]
                good = wanted.get(extension)
                if good is None:
                    good = wanted[extension] = extension.lower() in extensions
                if entry.is_dir(follow_symlinks=False):
                    if name[0] != "." and not (ruled and self._is_excluded(base + name, True)):
                        folders.append(name)
                    continue
                if not good and self._include is not None:
                    good = self._includes(base + name)
                try:
                    if entry.is_file(follow_symlinks=False):
                        if not good:
                            ignored += 1
                            continue
                        if ruled and self._is_excluded(base + name, False):
                            continue
                        found = entry.stat(follow_symlinks=False)
                    elif entry.is_symlink():
                        found = entry.stat()
                        if stat.S_ISDIR(found.st_mode):
                            if self._options.follow_symlinks and not (ruled and self._is_excluded(base + name, True)):
                                folders.append(name)
                            continue
                        if not good or not stat.S_ISREG(found.st_mode):
                            ignored += 1
                            continue
                        if ruled and self._is_excluded(base + name, False):
                            continue
                    else:
                        ignored += 1
                        continue
                except OSError as err:
                    if err.errno not in _GONE:
                        kind = _kind(err)
                        troubles.append(Trouble(os.fsencode(base + name), kind, err.strerror or str(err), False))
                    continue
                names.append(name)
                stats += (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        if self._options.ignore_ctime:
            stats[2::4] = [0] * len(names)
        if self._options.ignore_inode:
            stats[3::4] = [0] * len(names)
        heads = tuple(
            _pack(names[at : at + CHUNK], stats[4 * at : 4 * (at + CHUNK)], len(names), [] if at else sorted(folders))
            for at in range(0, max(1, len(names)), CHUNK)
        )
        return Folder(path, heads, len(names), ignored, tuple(troubles))

    def _is_hidden(self, name: str) -> bool:
        return name[:1] == "." or name in _SKIPPED

    def _includes(self, path: str) -> bool:
        return self._include is not None and self._include.match_file(path)

    def _is_excluded(self, path: str, is_folder: bool) -> bool:
        asked = path + "/" if is_folder else path
        if self._excludes is not None and self._excludes.match_file(asked):
            return True
        # As in git: of the files that speak of a path, the deepest has the last word.
        for base in sorted((b for b in self._rules if path.startswith(b)), key=len, reverse=True):
            verdict = self._rules[base].check_file(asked[len(base) :]).include
            if verdict is not None:
                return verdict
        return False

    def _load_rules(self, path: bytes, fd: int | None = None) -> bool:
        """Read a folder's ignore file. False if it cannot be read, or says nothing."""
        base = os.fsdecode(path) + "/" if path else ""
        try:
            folder = self._open(path) if fd is None else os.dup(fd)
            try:
                file = os.open(IGNORE_FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
            finally:
                os.close(folder)
            with open(file, encoding="utf-8", errors="surrogateescape") as text:
                lines = text.read(1 << 20).splitlines()
        except OSError as err:
            if err.errno not in _GONE:
                self.troubles.append(Trouble(os.fsencode(base + IGNORE_FILE), _kind(err), err.strerror or "", False))
            return False
        self._rules[base] = _spec(lines)
        return True

    def _trouble(self, path: bytes, err: OSError) -> None:
        self.troubles.append(Trouble(path, _kind(err), err.strerror or str(err), True))


class ScanHelper:
    """Another process that walks a share of the folders: two processes stat twice as fast as two threads."""

    def __init__(self, process: subprocess.Popen[bytes], share: list[bytes]) -> None:
        self._process = process
        self.share = share

    @classmethod
    def start(
        cls,
        place: bytes,
        options: ScanOptions,
        extensions: frozenset[str],
        skip: Collection[tuple[int, int]],
        share: list[bytes],
    ) -> ScanHelper | None:
        """Start one. None where no process can be had."""
        import marshal
        import subprocess
        import sys

        import vstore

        top = os.path.dirname(os.path.dirname(os.path.abspath(vstore.__file__)))
        code = f"import sys; sys.path.insert(0, {top!r}); from vstore.scan import help_scan; help_scan()"
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            assert process.stdin is not None
            work = (place, json.dumps(options.to_json()), sorted(extensions), sorted(skip), share)
            process.stdin.write(marshal.dumps(work))
            process.stdin.close()
        except OSError:
            return None
        return cls(process, share)

    def result(self) -> tuple[list[Folder], list[Trouble]] | None:
        """What it found. None if it failed, for whatever reason."""
        import marshal

        assert self._process.stdout is not None
        with self._process.stdout as out:
            data = out.read()
        if self._process.wait() != 0:
            return None
        try:
            folders, troubles = marshal.loads(data)
        except (EOFError, ValueError, TypeError):
            return None
        return [
            Folder(path, heads, count, ignored, tuple(Trouble(*trouble) for trouble in below))
            for path, heads, count, ignored, below in folders
        ], [Trouble(*trouble) for trouble in troubles]


def help_scan() -> None:
    """Walk the share that stdin names and write what was found to stdout. The other end of `ScanHelper`."""
    import marshal
    import sys

    place, options, extensions, skip, share = marshal.loads(sys.stdin.buffer.read())
    scan = Scan(place, ScanOptions.from_json(json.loads(options)), frozenset(extensions), b"", frozenset(skip))
    folders = [
        (f.path, f.heads, f.count, f.ignored, tuple(map(tuple, f.troubles)))
        for path in share
        for f in scan.walk_below(path)
    ]
    if scan.has_rules:
        sys.exit(1)  # what an ignore file says must be known where the walk is asked for
    sys.stdout.buffer.write(marshal.dumps((folders, [tuple(trouble) for trouble in scan.troubles])))
    sys.stdout.buffer.flush()
    os._exit(0)


def _kind(err: OSError) -> str:
    return "permission" if err.errno in (errno.EACCES, errno.EPERM) else "io"


def _pack(names: list[str], stats: list[int], total: int, folders: list[str]) -> bytes:
    """One head: files in it, files in the folder, bytes of names, bytes of subfolder names; names, stats, subfolders.

    The files of the whole folder stand in each head, so that a folder whose last thousand went away is not taken for
    what it was.
    """
    joined = os.fsencode("\0".join(names))
    below = os.fsencode("\0".join(folders))
    try:
        packed = array("q", stats).tobytes()
    except OverflowError:  # an inode number over 63 bits
        packed = array(
            "q", [n if -(1 << 63) <= n < 1 << 63 else (n & (1 << 64) - 1) - (1 << 64) for n in stats]
        ).tobytes()
    return _HEAD.pack(len(names), total, len(joined), len(below)) + joined + packed + below


def _spec(patterns: list[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(patterns)
