"""A disk of odd manners, over a folder: mounted by FUSE for as long as this runs. Needs root, `fusepy` and libfuse 2.

    python benchmarks/odd_disk.py FOLDER PLACE [--fold-case] [--inodes FIRST]

--fold-case finds names in any letter case, and keeps the case in which they were made, as the disks of Macs and Windows
do. --inodes counts the numbers of files up from FIRST as they are met, so that another FIRST at the next mount gives
each file another number, as some network disks do; FIRST may be larger than 2^53.
"""

from __future__ import annotations

import argparse
import errno
import os
from pathlib import Path
from typing import Any

from fuse import FUSE, FuseOSError, Operations

_STAT = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size")
_SPACE = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail", "f_namemax")


class OddDisk(Operations):  # type: ignore[misc]
    """A folder as a disk."""

    def __init__(self, folder: Path, *, fold_case: bool, first: int) -> None:
        self._folder = os.fspath(folder)
        self._fold_case = fold_case
        self._next = first
        self._inodes: dict[int, int] = {}

    def _at(self, path: str) -> str:
        """Find the path in the folder: of names that differ in letter case, the one that is there."""
        at = self._folder
        for name in filter(None, path.split("/")):
            if self._fold_case and not os.path.lexists(os.path.join(at, name)) and os.path.isdir(at):
                wanted = name.casefold()
                name = next((other for other in os.listdir(at) if other.casefold() == wanted), name)
            at = os.path.join(at, name)
        return at

    def _new(self, path: str) -> str:
        """Give the path of a name to be made: its folder is found in any letter case, the name is kept."""
        return os.path.join(self._at(os.path.dirname(path)), os.path.basename(path))

    def _stat(self, found: os.stat_result) -> dict[str, Any]:
        if found.st_ino not in self._inodes:
            self._inodes[found.st_ino] = self._next
            self._next += 1
        times = {f"st_{kind}time": getattr(found, f"st_{kind}time_ns") for kind in "amc"}
        return {name: getattr(found, name) for name in _STAT} | times | {"st_ino": self._inodes[found.st_ino]}

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        return self._stat(os.lstat(self._at(path)))

    def access(self, path: str, mode: int) -> None:
        if not os.access(self._at(path), mode):
            raise FuseOSError(errno.EACCES)

    def readdir(self, path: str, fh: int) -> list[Any]:
        at = self._at(path)
        return [".", "..", *((name, self._stat(os.lstat(os.path.join(at, name))), 0) for name in os.listdir(at))]

    def statfs(self, path: str) -> dict[str, Any]:
        found = os.statvfs(self._at(path))
        return {name: getattr(found, name) for name in _SPACE}

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags & ~os.O_NOFOLLOW)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return os.open(self._new(path), os.O_RDWR | os.O_CREAT, mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        os.truncate(self._at(path), length)

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        os.fsync(fh)

    def release(self, path: str, fh: int) -> None:
        os.close(fh)

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._new(path), mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(self._at(path))

    def unlink(self, path: str) -> None:
        os.unlink(self._at(path))

    def rename(self, old: str, new: str) -> None:
        source, target = self._at(old), self._at(new)
        same = os.path.lexists(target) and os.path.samefile(source, target)
        os.rename(source, self._new(new) if same or not os.path.lexists(target) else target)

    def link(self, target: str, source: str) -> None:
        os.link(self._at(source), self._new(target))

    def symlink(self, target: str, source: str) -> None:
        os.symlink(source, self._new(target))

    def readlink(self, path: str) -> str:
        return os.readlink(self._at(path))

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._at(path), mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.lchown(self._at(path), uid, gid)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        os.utime(self._at(path), ns=times, follow_symlinks=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("place", type=Path)
    parser.add_argument("--fold-case", action="store_true")
    parser.add_argument("--inodes", type=int, default=(1 << 53) + 1, metavar="FIRST")
    args = parser.parse_args()
    disk = OddDisk(args.folder.resolve(), fold_case=args.fold_case, first=args.inodes)
    disk.use_ns = True  # times in ns
    # Nothing is remembered of names: one that was looked up in another letter case would stay behind a rename.
    FUSE(disk, str(args.place), foreground=True, use_ino=True, attr_timeout=0, entry_timeout=0, negative_timeout=0)


if __name__ == "__main__":
    main()
