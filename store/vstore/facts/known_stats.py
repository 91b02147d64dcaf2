"""The stats of files by which a sync knows that their bytes are those of a picture: they need not be read again."""

from __future__ import annotations

import os
import threading

from vstore.intake.stat_cache import StatCache, facts_of
from vstore.intake.survey import KNOWN
from vstore.pictures.folder import FileStat
from vstore.repository.repository import Repository


class KnownStats:
    """Look-ups of stats that syncs met, most of them in the folder of the look-up before. For several threads."""

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._catalogue = repo.catalogue(write=False)
        self._cache = StatCache(self._catalogue, repo.state.absorbed)
        self._lock = threading.Lock()
        self._folder: bytes | None = None
        self._files: dict[bytes, tuple[FileStat, bytes]] = {}

    def proves(self, path: bytes, key: bytes, now: os.stat_result) -> bool:
        """Tell whether a file is the picture with this key, by all that a stat says. path: stored."""
        folder, _, name = self._repo.today(path).rpartition(b"/")
        with self._lock:
            if folder != self._folder:
                values = facts_of(self._cache.values(folder, proven=True), self._repo.hash.size)
                self._files = {file.name: (file, met) for file, (met, state) in values.items() if state == KNOWN}
                self._folder = folder
            file, met = self._files.get(name, (None, b""))
        if file is None or met != key:
            return False
        # Where a root leaves out the inode or the time of change, as of network disks, the rest proves too little here.
        return tuple(file)[1:] == (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino)

    def close(self) -> None:
        """Close the catalogue."""
        if self._catalogue is not None:
            self._catalogue.close()
