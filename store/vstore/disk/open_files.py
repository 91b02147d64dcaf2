"""Files that stay open between reads: a bounded number in the whole process, whatever its stores hold."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from vstore.disk.file import File

MOST = 64  # macOS gives a process 256 descriptors, and pictures, segments and sockets need theirs


class OpenFiles:
    """Open files by their owners. A file that is being read is out of the table, so that no thread closes it."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._files: dict[object, File] = {}  # the one that was read last stands last
        self.renew_lock()

    def renew_lock(self) -> None:
        """Replace the lock in a child of a fork: a thread that is not there may hold it."""
        self._lock = threading.RLock()  # the collector may close an owner's file while this thread holds it

    @contextlib.contextmanager
    def of(self, owner: object, path: Path) -> Iterator[File]:
        """Give the file of an owner, open while it is read. Raises: Damage, FileNotFoundError."""
        with self._lock:
            file = self._files.pop(owner, None)
        if file is None:
            file = File(path)
        try:
            yield file
        except BaseException:
            file.close()
            raise
        self._keep(owner, file)

    def _keep(self, owner: object, file: File) -> None:
        with self._lock:
            surplus = [other] if (other := self._files.pop(owner, None)) is not None else []  # another thread's
            self._files[owner] = file
            if len(self._files) > self._most:
                surplus.append(self._files.pop(next(iter(self._files))))
        for one in surplus:
            one.close()

    def close(self, owner: object) -> None:
        """Close the file of an owner, if it is open."""
        with self._lock:
            file = self._files.pop(owner, None)
        if file is not None:
            file.close()


open_files = OpenFiles()
os.register_at_fork(after_in_child=open_files.renew_lock)
