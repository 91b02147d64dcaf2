"""One listed folder: the names and stats of its files, packed into heads of at most a thousand.

A head is one bytes object, so that one comparison compares a thousand files with remembered ones.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter

from vstore.limits import refuse_limit
from vstore.pictures.passed_over import NONE, PassedOver
from vstore.quick_tuple import NamedTuple

CHUNK = 1000  # files per head
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # errors of a path where nothing is
_HEAD = struct.Struct("<IIII")
_ROW = struct.Struct("<qqqQ")
_FIELDS = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
_LATEST = (1 << 63) - 1  # the last moment in nanoseconds that a row holds: in the year 2262
pack_row = _ROW.pack  # size, mtime_ns, ctime_ns, inode; struct.error where a time does not fit


class FileStat(NamedTuple):
    """One candidate. Times in ns since 1970; a field ignored by the root's options is 0."""

    name: bytes
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Trouble(NamedTuple):
    """A path not listed, or not stat-ed, because of an error.

    path:      relative to the root.
    kind:      "permission" or "io", or one of `passed_over.AWAY`: it is there, and not read.
    reason:    the words of the operating system.
    is_folder: it is, or may be, a folder: its content is unknown.
    """

    path: bytes
    kind: str
    reason: str
    is_folder: bool

    @classmethod
    def of(cls, path: bytes, err: OSError, *, is_folder: bool) -> Trouble:
        """Raises: SystemLimit, which tells nothing of this path."""
        refuse_limit(err, f"look at {os.fsdecode(path) or 'a folder of pictures'}")
        kind = "permission" if err.errno in (errno.EACCES, errno.EPERM) else "io"
        return cls(path, kind, err.strerror or str(err), is_folder)


class Folder(NamedTuple):
    """One completely listed folder.

    path:     relative to the root, b"" for the root itself.
    heads:    names and stats of the candidates, packed, at most 1,000 in each; there is always one.
    count:    candidates.
    ignored:  other files, never opened; hidden and excluded ones are not counted.
    troubles: files not stat-ed because of an error.
    passed:   what was passed over in it, by kind; paths are relative to the root.
    """

    path: bytes
    heads: tuple[bytes, ...]
    count: int  # type: ignore[assignment]  # not the method of tuples
    ignored: int
    troubles: tuple[Trouble, ...] = ()
    passed: PassedOver = NONE

    @property
    def subfolders(self) -> list[bytes]:
        """The names of the subfolders to scan, sorted."""
        return subfolders_of(self.heads[0])


def files_of(head: bytes) -> Iterator[FileStat]:
    """Unpack one head, in its order. Other bytes give nothing."""
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


def names_in(head: bytes) -> bytes:
    """Cut the names out of one head, those of files and of subfolders."""
    _, _, size, below = _HEAD.unpack_from(head)
    return head[_HEAD.size : _HEAD.size + size] + b"\0" + head[len(head) - below :]


def sizes_of(head: bytes) -> list[int]:
    """Unpack the bytes of the files of one head, in its order, as the scan saw them."""
    if len(head) < _HEAD.size:
        return []
    count, _, names, _ = _HEAD.unpack_from(head)
    stats_at = _HEAD.size + names
    # All at once: `files_of` would take a thirtieth of the time of hashing a small file.
    values = array("q", head[stats_at : stats_at + count * _ROW.size])
    if sys.byteorder == "big":
        values.byteswap()
    return values[:: _ROW.size // values.itemsize].tolist()


def count_of(head: bytes) -> int:
    """Count the files in a head."""
    count: int = _HEAD.unpack_from(head)[0]
    return count


def heads_of(head: bytes) -> int:
    """Count the heads of a head's folder."""
    total: int = _HEAD.unpack_from(head)[1]
    return max(1, -(-total // CHUNK))


def subfolders_of(head: bytes) -> list[bytes]:
    """List the subfolders in the first head of a folder."""
    if len(head) < _HEAD.size:
        return []
    size: int = _HEAD.unpack_from(head)[3]
    return head[len(head) - size :].split(b"\0") if size else []


def row_of(found: os.stat_result) -> bytes:
    """Pack a stat. Times after the year 2262 (some disks hold such) become the largest that fits."""
    mtime, ctime = min(found.st_mtime_ns, _LATEST), min(found.st_ctime_ns, _LATEST)
    return pack_row(found.st_size, mtime, ctime, found.st_ino)


def pack_rows(found: Iterable[os.stat_result]) -> bytes:
    """Pack stats, one row after the other. Raises: OverflowError where one does not fit: `row_of` clips it."""
    values = array("q", list(chain.from_iterable(map(_FIELDS, found))))
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def without(rows: bytes | bytearray, *, ctime: bool, inode: bool) -> bytearray:
    """Set the fields of rows ignored by the options of a root to 0."""
    left = bytearray()
    for size, mtime, its_ctime, its_inode in _ROW.iter_unpack(rows):
        left += pack_row(size, mtime, 0 if ctime else its_ctime, 0 if inode else its_inode)
    return left


def packed(names: Sequence[str], rows: bytes | bytearray, subfolders: Sequence[bytes]) -> tuple[bytes, ...]:
    """Pack a folder into heads: files in the head, files in the folder, bytes of names, bytes of subfolder names;
    names, stats, subfolders.

    Each head holds the number of files in the whole folder: a folder without its last thousand differs in all heads.
    Only the first head holds the subfolders.
    """
    return tuple(
        _head(
            names[at : at + CHUNK],
            rows[at * _ROW.size : (at + CHUNK) * _ROW.size],
            len(names),
            () if at else subfolders,
        )
        for at in range(0, max(1, len(names)), CHUNK)
    )


def _head(names: Sequence[str], rows: bytes | bytearray, total: int, subfolders: Sequence[bytes]) -> bytes:
    joined = os.fsencode("\0".join(names))
    below = b"\0".join(subfolders)
    return _HEAD.pack(len(names), total, len(joined), len(below)) + joined + rows + below
