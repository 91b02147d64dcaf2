"""The LMDB environment of a catalogue: opened once per process, sealed after each transaction, judged before use.

liblmdb follows the pages of a file wherever they point: one flipped bit in a page can crash the process, a cut file is
SIGBUS. So an environment is used only if its file is, byte for byte, what the last transaction left: `seal` holds its
checksum. Another one, as a killed run may leave it, is at most read, and only if every page of it is sound.

Whoever makes a file can compute its checksum. So `place` says which file it was that this disk had after the last
transaction, by numbers that nobody can choose. In any other, every page is looked at first: without liblmdb.
"""

from __future__ import annotations

import contextlib
import os
import threading
from enum import Enum
from pathlib import Path
from typing import Any

import xxhash

from vstore.disk import durable, inside
from vstore.disk.file_hash import hash_file

MAP_SIZE = 64 << 30  # address space, not disk; halved until the machine grants it
READERS = 126
LOCK_SIZE = 8192  # of the lock file for so many readers
LONGEST_PLACE = 100  # bytes
_SUM = 8
_DATA, _LOCK, _SEAL, _PLACE = "data.mdb", "lock.mdb", "seal", "place"


class Shared:
    """An open environment, one per process and folder: LMDB refuses to be opened twice.

    exact: the file is what the last transaction left, so a fact that it lacks was never in it.
    noted: device and inode of the file as its own note has them.
    users: its open catalogues.
    """

    open: dict[tuple[int, int], Shared] = {}  # noqa: RUF012  # one table for the process is the point
    lock = threading.Lock()

    def __init__(self, env: Any, identity: tuple[int, int], *, exact: bool, noted: tuple[int, int]) -> None:
        self.env = env
        self.identity = identity
        self.exact = exact
        self.noted = noted
        self.users = 0
        self.pid = os.getpid()


def _forked() -> None:
    """Replace the lock in a child of a fork: a thread that is not there may hold it."""
    Shared.lock = threading.Lock()


os.register_at_fork(after_in_child=_forked)


def identity(folder: Path) -> tuple[int, int]:
    """Read device and inode of the data file. Raises: OSError."""
    found = inside.look(folder / _DATA)
    return found.st_dev, found.st_ino


def is_alone(folder: Path) -> bool:
    """Tell whether the files that LMDB changes in place have no second name, outside the store or in a copy of it.

    Raises: OSError, Damage.
    """
    return all(inside.look(folder / name).st_nlink == 1 for name in inside.names(folder) if name in (_DATA, _LOCK))


def is_inherited(folder: Path) -> bool:
    """Tell whether a parent process had the environment open when this process was forked."""
    try:
        shared = Shared.open.get(identity(folder))
    except OSError:
        return False
    return shared is not None and shared.pid != os.getpid()


def open_environment(folder: Path, write: bool) -> Any:
    """Open an environment. Raises: lmdb.Error, OSError."""
    import lmdb

    if write:
        durable.allocate(folder / _LOCK, LOCK_SIZE)  # LMDB maps it, and would leave it one large hole
    size = MAP_SIZE
    while True:
        try:
            return lmdb.open(
                os.fsencode(folder), map_size=size, readonly=not write, lock=write, max_readers=READERS, lib_version=0
            )
        except (lmdb.Error, MemoryError):
            size //= 2
            if size < 1 << 20:
                raise


def is_sealed(folder: Path) -> bool:
    """Tell whether the file is as the last transaction left it."""
    try:
        return _fits_the_map(folder) and durable.read(folder / _SEAL, _SUM) == _sum(folder)
    except OSError:
        return False


def _fits_the_map(folder: Path) -> bool:
    """Tell whether LMDB could have written the file: a larger one is not read for its checksum."""
    return inside.look(folder / _DATA).st_size <= MAP_SIZE


def put_seal(folder: Path) -> None:
    """Note the checksum and the place of the file. No flush, and no error: stale ones cost a look at every page."""
    with contextlib.suppress(OSError):
        durable.write_unflushed(folder / _SEAL, [_sum(folder)])
        put_place(folder)


def put_place(folder: Path) -> None:
    """Note which file this is. No flush, and no error."""
    with contextlib.suppress(OSError):
        durable.write_unflushed(folder / _PLACE, [" ".join(map(str, _place(folder))).encode()])


class Place(Enum):
    """The answer of `place` about the file.

    OWN:       this disk wrote it last.
    REMOUNTED: it is the same but for the number of its disk, which is another one at each mount of many disks.
    COPY:      it was copied.
    UNKNOWN:   none of these is known.
    """

    OWN = 1
    REMOUNTED = 2
    COPY = 3
    UNKNOWN = 4


def place_of(folder: Path) -> Place:
    """Read what `place` says of the file. Raises: OSError if there is no file."""
    here, noted = _place(folder), _noted(folder)
    if noted is None:
        return Place.UNKNOWN
    if noted == here:
        return Place.OWN
    if noted[1:] == here[1:]:
        return Place.REMOUNTED
    return Place.COPY if noted[:2] != here[:2] else Place.UNKNOWN


def noted_identity(folder: Path) -> tuple[int, int] | None:
    """Read device and inode that the file had after the last transaction, by `place`; None if it does not say so."""
    noted = _noted(folder)
    return noted[:2] if noted is not None else None


def _noted(folder: Path) -> tuple[int, int, int, int] | None:
    try:
        device, inode, size, ctime = map(int, durable.read(folder / _PLACE, LONGEST_PLACE).split())
    except (OSError, ValueError):
        return None
    return device, inode, size, ctime


def _place(folder: Path) -> tuple[int, int, int, int]:
    """Read device, inode, size and ctime in ns: no archive brings an inode and a ctime with it."""
    found = inside.look(folder / _DATA)
    return found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns


def _sum(folder: Path) -> bytes:
    """Compute the checksum of the data file: 3 ms for 100,000 pictures."""
    file = inside.open_file(str(folder / _DATA), os.O_RDONLY)
    seal: bytes = hash_file(file, xxhash.xxh3_64()).intdigest().to_bytes(_SUM, "little")
    return seal


def is_sound(folder: Path) -> bool:
    """Tell whether liblmdb can follow every page; 100 times slower than the checksum."""
    from lmdb.verify import VerifyError, verify

    try:
        return _fits_the_map(folder) and not verify(os.fspath(folder))  # type: ignore[no-untyped-call]
    except VerifyError:
        return False


def is_cut(env: Any, folder: Path) -> bool:
    """Tell whether the file ends before its last page. The verifier checks only the first page of a long value."""
    needed: int = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    return inside.look(folder / _DATA).st_size < needed


def make_environment(folder: Path) -> Any:
    """Make an environment in a new folder. Raises: DiskTrouble, lmdb.Error, OSError."""
    durable.make_folder(folder)
    return open_environment(folder, True)
