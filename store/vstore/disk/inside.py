"""The way to what lies in a store: step by step below its folder, along no link.

A store may come from a stranger, and a link in it would lead reads, writes and removals to files of the user's. So each
folder on the way is opened relative to the one before, and what stands at the end must be a regular file or a folder: a
named pipe would never answer, a device never end. Only the store's own folder may be a link, as the user chooses it.
A path that leads into no store is taken as it is.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from types import TracebackType

from vstore.errors import Damage
from vstore.format.layout import Layout

_STEP = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
_END = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# What the system says of a link, and of what cannot be opened as a file or as a folder.
_ODD = {errno.ELOOP, errno.EMLINK, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP}
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFREG: "a file where a folder belongs",
    stat.S_IFDIR: "a folder where a file belongs",
}

_stores: set[str] = set()  # the folders of all stores that this process has had to do with


def layout_of(folder: Path, caches: Path | None = None) -> Layout:
    """Give the layout of a store. From now on, no path below its folder is followed along a link.

    caches: a folder for caches elsewhere.
    """
    top = Path(os.path.abspath(folder))  # a relative one would be another after the next `chdir`
    _stores.add(str(top))
    return Layout(top, caches)


def store_of(path: str) -> str | None:
    """Find the folder of the store that a path leads into."""
    split = _split(path)
    return None if split is None else split[0]


def open_file(path: str, flags: int, mode: int = 0o666) -> int:
    """Open a file, or with O_DIRECTORY a folder. Raises: OSError; Damage if it is a link, a pipe, a device."""
    with _Place(path) as place:
        if not place.inside:
            return os.open(path, flags | os.O_CLOEXEC, mode)
        try:
            fd = os.open(place.name, flags | _END, mode, dir_fd=place.folder)
        except OSError as err:
            if err.errno in _ODD and not _fits(found := _kind(place.folder, place.name), flags):
                raise _odd(path, found) from err
            raise
    found = stat.S_IFMT(os.fstat(fd).st_mode)
    if not _fits(found, flags):
        os.close(fd)
        raise _odd(path, found)
    return fd


def read(path: str, longest: int) -> bytes:
    """Read a whole file.

    longest: its bytes at most: a stranger's file may have any size, and cost its maker nothing.
    Raises:  OSError, with EFBIG for a longer one; Damage.
    """
    with open(open_file(path, os.O_RDONLY), "rb", buffering=0) as file:
        size, data = os.fstat(file.fileno()).st_size, b""
        if size <= longest:
            while len(data) <= longest and (more := file.read(max(size - len(data), 0) + 1)):
                data += more  # once, unless it grows meanwhile
            size = len(data)
    if size > longest:
        raise OSError(errno.EFBIG, f"it has {size:,} bytes, and such a file has {longest:,} at most", path)
    return data


def names(path: Path) -> list[str]:
    """List the names in a folder. Raises: FileNotFoundError, OSError, Damage."""
    fd = open_file(str(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        return os.listdir(fd)
    finally:
        os.close(fd)


def names_if_any(path: Path) -> list[str]:
    """List the names in a folder; none if it is missing: a copy of a store may lack what was empty. Raises: Damage."""
    try:
        return names(path)
    except FileNotFoundError:
        return []


def look(path: Path) -> os.stat_result:
    """Look at a file or a folder. Raises: FileNotFoundError, OSError; Damage if it is neither."""
    found = look_at_any(path)
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise _odd(str(path), stat.S_IFMT(found.st_mode))
    return found


def look_at_any(path: Path) -> os.stat_result:
    """Look at what stands under a name: a link, too, is looked at and not followed, unless it is to the store.

    Raises: OSError, Damage.
    """
    with _Place(str(path)) as place:
        return os.stat(place.name, dir_fd=place.folder, follow_symlinks=place.name in _stores)


def exists(path: Path) -> bool:
    """Tell whether a name is taken, by whatever."""
    try:
        look_at_any(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def is_folder(path: Path) -> bool:
    """Tell whether a folder exists. Raises: Damage for a link, a pipe, a device."""
    try:
        return stat.S_ISDIR(look(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def link(old: str, new: str) -> None:
    with _Place(old) as source, _Place(new) as target:
        os.link(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)


def rename(old: str, new: str) -> None:
    with _Place(old) as source, _Place(new) as target:
        os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)


def unlink(path: str) -> None:
    with _Place(path) as place:
        os.unlink(place.name, dir_fd=place.folder)


def mkdir(path: str) -> None:
    with _Place(path) as place:
        os.mkdir(place.name, dir_fd=place.folder)


def rmdir(path: str) -> None:
    with _Place(path) as place:
        os.rmdir(place.name, dir_fd=place.folder)


def _split(path: str) -> tuple[str, list[str]] | None:
    """Split a path into the folder of its store and the names below that; None if it leads into no store."""
    top = path
    below: list[str] = []
    while "/" in top:
        top, _, name = top.rpartition("/")
        below.append(name)
        if top in _stores:
            return top, below[::-1]
    return None


class _Place:
    """A name in the open folder that holds it. A context manager, which closes the folder.

    folder: the descriptor of the folder; None where the name is the path itself.
    name:   the name.
    inside: it lies in a store: then it is no link that may be followed.
    """

    __slots__ = ("_path", "folder", "inside", "name")

    def __init__(self, path: str) -> None:
        """Raises: OSError; Damage if a folder on the way is none."""
        self._path = self.name = path
        self.folder: int | None = None
        split = _split(path)
        self.inside = split is not None
        if split is None:
            return
        top, below = split
        # The store's own folder may be a link, so that the way to what lies right in it is no matter.
        at = top
        for name in below[:-1]:
            at = f"{at}/{name}"
            self._step(at if self.folder is None else name, at)
            self.name = below[-1]

    def _step(self, name: str, at: str) -> None:
        """Open the next folder on the way. at: its path, for the error."""
        before = self.folder
        try:
            self.folder = os.open(name, _STEP, dir_fd=before)
        except OSError as err:
            if err.errno in _ODD and not _fits(found := _kind(before, name), os.O_DIRECTORY):
                raise _odd(at, found) from err
            err.filename = self._path
            raise
        finally:
            if before is not None:
                os.close(before)

    def __enter__(self) -> _Place:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        if isinstance(error, OSError) and self.folder is not None:
            error.filename = self._path  # and not the name alone: it tells whose file is missing

    def _close(self) -> None:
        if self.folder is not None:
            os.close(self.folder)


def _kind(folder: int | None, name: str) -> int:
    """Look up the kind of what stands under a name; 0 if it is gone."""
    try:
        return stat.S_IFMT(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return 0


def _fits(kind: int, flags: int) -> bool:
    return kind in (0, stat.S_IFDIR if flags & os.O_DIRECTORY else stat.S_IFREG)


def _odd(path: str, kind: int) -> Damage:
    return Damage(
        f"{path} is {_KINDS.get(kind, 'no regular file')}: a store holds only its own files and folders, "
        "and no link leaves it; nothing was read or written through it",
        "look at it and remove it, then run: vstore repair",
    )
