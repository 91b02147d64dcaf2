"""Digests of model files, remembered by their stats: a base of 15 GB is read once, not at every run."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from vstore.disk.cache import read_cache_json, write_cache
from vstore.disk.file_hash import hash_file

_NAME = "model-files"
_SETTLED_NS = 2_000_000_000  # a stat younger than this when its file was read proves nothing later (git's racy rule)


class Digests:
    """The sha256 of files.

    read: number of files read, as their stats were new.
    """

    def __init__(self, cache: Path | None = None, known: Mapping[str, list[object]] = {}) -> None:  # never changed
        """cache: the store's cache folder, or None before there is a store. known: digests from another process."""
        self._cache = cache
        self._known: dict[str, list[object]] = dict(known)
        self._changed = False
        self.read = 0
        if cache is not None:
            self._known = read_cache_json(cache, _NAME) or {}

    def of(self, path: Path) -> str:
        """Compute or remember the sha256 of a file, in hex. Raises: OSError."""
        name = os.path.realpath(path)
        before = os.stat(name)
        stat = [before.st_size, before.st_mtime_ns, before.st_ctime_ns, before.st_ino]
        known = self._known.get(name)
        if known is not None and known[:4] == stat:
            return str(known[4])
        began = time.time_ns()
        digest: str = hash_file(name, hashlib.sha256()).hexdigest()
        self.read += 1
        self._known.pop(name, None)
        if before.st_ctime_ns < began - _SETTLED_NS:
            self._known[name] = [*stat, digest]
        self._changed = True
        return digest

    @property
    def known(self) -> Mapping[str, list[object]]:
        """The remembered digests: real path -> stat and digest, valid while the stat is the same."""
        return self._known

    def keep(self, cache: Path | None = None) -> None:
        """Write new digests to the store's cache. If that fails, the files are only read again."""
        cache = cache or self._cache
        if cache is not None and self._changed:
            body = json.dumps(self._known, separators=(",", ":")).encode()
            self._changed = not write_cache(cache, _NAME, body)
