"""The trash folder of one plan in one folder of pictures: `.vstore-trash/<plan id>`, with its record of moves."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from vstore.disk import durable
from vstore.disk.trouble import trouble
from vstore.errors import Locked, UsageError
from vstore.limits import refuse_limit
from vstore.pictures.trash import TRASH
from vstore.plans import moves
from vstore.plans.moves import Head, Move, Record
from vstore.plans.way import Unfit, opened, split

MODES = (
    0o777,
    0o700,
)  # of the folder of all trash, and of that of a plan: what goes there may come out of a private one
_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC


class TrashFolder:
    """A trash folder, which no other process uses meanwhile. A context manager.

    root:  descriptor of the folder of pictures.
    place: its path.
    below: path of the trash folder below it.
    store: device and inode of the store, out of which nothing is moved.
    """

    def __init__(
        self, place: bytes, plan: bytes, head: Head | None = None, store: tuple[int, int] | None = None
    ) -> None:
        """
        place:  of the folder of pictures; the last name may be a link.
        plan:   the name of the trash folder.
        head:   the first line of its record, for one that is written to: it is made once something is to be moved.
        Raises: UsageError if the folder of pictures cannot be opened.
        """
        self.place = place
        self.below = TRASH + b"/" + plan
        self.store = store
        self._head = head
        self._file = -1
        self._touched: set[bytes] = set()
        self._filled: set[bytes] = set()
        self._path = Path(os.fsdecode(os.path.join(place, self.below, moves.NAME)))
        try:
            self.root = os.open(place, os.O_RDONLY | _FOLDER)
        except OSError as err:
            refuse_limit(err, f"open {os.fsdecode(place)}")
            raise UsageError(f"cannot open {os.fsdecode(place)}: {err.strerror}", "look at the folder") from err

    def read(self) -> Record:
        """Open the record of moves, and lock it. Raises: UsageError if there is none, or it is a link; Locked."""
        try:
            with opened(self.root, split(self.below)) as folder:
                self._file = durable.disk.open_at(folder, moves.NAME, os.O_RDONLY)
        except (OSError, Unfit) as err:
            if isinstance(err, OSError):
                refuse_limit(err, f"read {self._path}")
            why = err.reason if isinstance(err, Unfit) else err.strerror
            raise UsageError(f"cannot read {self._path}: {why}", "name a folder FOLDER/.vstore-trash/PLAN") from err
        self._lock()
        return self._parsed()

    def prepare(self) -> None:
        """Make the folder and its record, if this was not done yet, so that they outlive a power cut; and lock it.

        Raises: Unfit if a link is in the way; Locked; UsageError, DiskTrouble, ReadOnly.
        """
        if self._file >= 0:
            return
        assert self._head is not None
        with opened(self.root, split(self.below), make=MODES) as folder, trouble(self._path):
            file = durable.disk.open_at(folder, moves.NAME, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        self._file = file
        try:
            self._lock()
            self._begin(self._parsed(), self._head)
        except BaseException:
            self._close_file()
            raise

    def _parsed(self) -> Record:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise UsageError(f"{self._path} is no regular file", "look at it")
        with open(self._file, "rb", closefd=False) as file:
            file.seek(0)
            try:
                return moves.parsed(file.read(moves.LONGEST + 1))
            except ValueError as err:
                raise UsageError(f"{self._path} cannot be used: {err}", "look at it") from err

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            if err.errno in (errno.EAGAIN, errno.EACCES):
                raise Locked(
                    f"another process is moving files to or from {self._path.parent}",
                    "run the command again when it is done",
                ) from None
            # A disk without locks: nobody else is kept out, and no move replaces a file.

    def _begin(self, record: Record, head: Head) -> None:
        """Make sure that a new record is found again after a power cut, before anything is moved."""
        if record.is_cut:
            self._append(b"\n")
        if not record.has_head:
            self._append(head.to_line())
        with trouble(self._path):
            durable.disk.fsync(self._file)
        for below in (self.below, TRASH, b""):
            self._flush(below)

    def note(self, move: Move) -> None:
        """Write down a move that is about to be done, and flush it. Raises: DiskTrouble, ReadOnly."""
        self._append(move.to_line())
        with trouble(self._path):
            durable.disk.fsync(self._file)

    def _append(self, data: bytes) -> None:
        with trouble(self._path):
            view = memoryview(data)
            while view:
                view = view[durable.disk.write(self._file, view) :]

    def remember(self, *folders: bytes) -> None:
        """Remember folders, by their paths below the root, whose names changed: `flush` flushes them."""
        self._touched.update(folders)

    def remember_filled(self, names: Sequence[bytes]) -> None:
        """Remember a folder that gets a file, and all above it, which may be new."""
        self._filled.update(b"/".join(names[:count]) for count in range(len(names) + 1))

    def flush(self) -> None:
        """Flush the names in all folders that were remembered, those that got files first.

        Raises: DiskTrouble, ReadOnly.
        """
        for below in (*sorted(self._filled), *sorted(self._touched - self._filled)):
            with contextlib.suppress(Unfit):  # its user took it away meanwhile
                self._flush(below)
        self._touched.clear()
        self._filled.clear()

    def _flush(self, below: bytes) -> None:
        with opened(self.root, split(below) if below else []) as folder, trouble(self._path):
            durable.disk.fsync(folder)

    def files(self) -> Iterator[bytes]:
        """Yield the paths, below the root, of all that lies in the trash folder and is no folder."""
        waiting = [self.below]
        while waiting:
            at = waiting.pop()
            with contextlib.suppress(Unfit, OSError), opened(self.root, split(at)) as folder, os.scandir(folder) as all:
                for entry in all:
                    path = at + b"/" + os.fsencode(entry.name)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(path)
                    elif path != self.below + b"/" + moves.NAME:
                        yield path

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def close(self) -> None:
        self._close_file()
        if self.root >= 0:
            os.close(self.root)
            self.root = -1

    def __enter__(self) -> TrashFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
