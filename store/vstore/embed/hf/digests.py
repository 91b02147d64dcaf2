"""Digests of model files and their tensors, remembered by stats: a base of 15 GB is read once, not at every run."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Container, Mapping
from pathlib import Path
from typing import NamedTuple

from vstore.disk import inside
from vstore.disk.cache import read_cache_json, write_cache
from vstore.disk.file_hash import hash_file
from vstore.embed.hf.tensors import FileDigests, file_digests

_NAME, _TENSORS = "model-files", "model-tensors"
_ASKED = 1  # sixth item of what is remembered of a file, since consent is asked for
_SETTLED_NS = 2_000_000_000  # a stat younger than this when its file was read proves nothing later (git's racy rule)


class Remembered(NamedTuple):
    """Digests for another process, valid while the stats of the files are the same.

    files:   real path -> stat, sha256.
    tensors: real path -> stat, digests of its tensors.
    """

    files: Mapping[str, list[object]]
    tensors: Mapping[str, list[object]]


class Digests:
    """The sha256 of files.

    read: number of files read, as their stats were new.
    """

    def __init__(self, cache: Path | None = None, known: Remembered | None = None) -> None:
        """cache: the store's cache folder, or None before there is a store. known: digests from another process."""
        self._cache = cache
        self._known: dict[str, list[object]] = dict(known.files) if known else {}
        # Some hundred names a model: read only where files are not those of a recipe.
        self._tensors: dict[str, list[object]] | None = dict(known.tensors) if known else None
        self._fresh: dict[str, list[object]] = {}
        self._changed = False
        self._seen: set[str] = set()
        self.read = 0
        if cache is not None:
            self._known = read_cache_json(cache, _NAME) or {}

    def of(self, path: Path) -> str:
        """Compute or remember the sha256 of a file, in hex. Raises: OSError."""
        known = self._known.get(os.path.realpath(path))
        found = str(known[4]) if known is not None and known[:4] == _stat(path) else self._computed(path).sha256
        self._seen.add(found)
        return found

    def tensors(self, path: Path) -> Mapping[str, list[object]] | None:
        """Compute or remember the tensors of a weight file: name -> dtype, shape, sha256 in hex.

        Returns: None for a file that is no valid safetensors file. Raises: OSError.
        """
        if self._tensors is None:
            self._tensors = (read_cache_json(self._cache, _TENSORS) if self._cache is not None else None) or {}
        name = os.path.realpath(path)
        for remembered in (self._fresh, self._tensors):
            known = remembered.get(name)
            if known is not None and known[:4] == _stat(path):
                return known[4]  # type: ignore[return-value]
        return self._computed(path).tensors

    def _computed(self, path: Path) -> FileDigests:
        """Read a file, and remember its digests if its stat will prove them."""
        name, stat = os.path.realpath(path), _stat(path)
        began = time.time_ns()
        if path.suffix == ".safetensors":  # a file of the hub's cache has no suffix under its real name
            found = file_digests(name)
        else:
            found = FileDigests(hash_file(name, hashlib.sha256()).hexdigest(), None)
        self.read += 1
        for remembered in (self._known, self._fresh, self._tensors or {}):
            remembered.pop(name, None)
        if stat[2] < began - _SETTLED_NS:
            self._known[name] = [*stat, found.sha256, _ASKED]
            if found.tensors is not None:
                self._fresh[name] = [*stat, found.tensors]
        self._changed = True
        return found

    def of_before(self) -> dict[str, str]:
        """List the files that a version of vstore which asked for no consent read at this machine for this store.

        A stranger cannot write this down: the time of change of a file is made by the disk that it lies on.
        Returns: real path -> sha256; files that have changed since, or that others may change, are left out.
        """
        mine = {os.geteuid(), 0}
        if self._cache is None or not inside.exists(self._cache / _NAME):
            return {}
        if inside.look(self._cache / _NAME).st_uid not in mine:
            return {}
        old = {name: known for name, known in self._known.items() if len(known) == 5 and _is_of(Path(name), mine)}
        return {name: str(known[4]) for name, known in old.items() if known[:4] == _stat(Path(name))}

    @property
    def seen(self) -> str:
        """The sha256 over the digests of all files asked for, in hex: another one means other files."""
        return hashlib.sha256("".join(sorted(self._seen)).encode()).hexdigest()

    @property
    def known(self) -> Remembered:
        """The remembered digests."""
        return Remembered(self._known, {**(self._tensors or {}), **self._fresh})

    def keep(self, cache: Path | None = None) -> None:
        """Write new digests to the store's cache. If that fails, the files are only read again."""
        cache = cache or self._cache
        if cache is None or not self._changed:
            return
        kept = write_cache(cache, _NAME, json.dumps(self._known, separators=(",", ":")).encode())
        if self._fresh:
            tensors = {**(read_cache_json(cache, _TENSORS) or {}), **self._fresh}
            here = {name: value for name, value in tensors.items() if os.path.exists(name)}
            kept = write_cache(cache, _TENSORS, json.dumps(here, separators=(",", ":")).encode()) and kept
        self._changed = not kept


def _is_of(path: Path, users: Container[int]) -> bool:
    """Tell whether a file is there and belongs to one of these users."""
    try:
        return os.stat(path).st_uid in users
    except OSError:
        return False


def _stat(path: Path) -> list[int]:
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
