"""What comes from a stranger: an archive that somebody unpacks. And a proof that a folder was not looked at."""

from __future__ import annotations

import contextlib
import os
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_CALLS = ("stat", "lstat", "readlink", "access", "open", "scandir", "listdir")
_watchers: list[_Watcher] = []


def unpacked(folder: Path, into: Path) -> Path:
    """Pack a folder as an archive and unpack it elsewhere, as tar does. Returns: the new folder."""
    archive = into.with_name(f"{into.name}.tar")
    with tarfile.open(archive, "w") as packed:
        packed.add(folder, "gift")
    with tarfile.open(archive) as packed:
        packed.extractall(into, filter="fully_trusted")
    return into / "gift"


class _Watcher:
    def __init__(self, folder: Path) -> None:
        self._folder = os.fsencode(folder)
        self.looks: list[str] = []

    def see(self, call: str, path: object) -> None:
        if isinstance(path, (str, bytes, os.PathLike)):
            named = os.path.normpath(os.fsencode(path))
            if named == self._folder or named.startswith(self._folder + b"/"):
                self.looks.append(f"{call} {os.fsdecode(named)}")

    def watching(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any = ".", *args: Any, **words: Any) -> Any:
            self.see(name, path)
            return real(path, *args, **words)

        return call


def _audit(event: str, args: tuple[Any, ...]) -> None:
    for watcher in _watchers:
        if event in ("open", "os.listdir", "os.scandir"):
            watcher.see(event, args[0])


sys.addaudithook(_audit)


@contextlib.contextmanager
def not_looked_at(folder: Path) -> Iterator[None]:
    """Fail if anything asks for a folder, or for what is in it, by name: even a stat may reach a network."""
    watcher = _Watcher(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in _CALLS:
            patch.setattr(os, name, watcher.watching(name, getattr(os, name)))
        _watchers.append(watcher)
        try:
            yield
        finally:
            _watchers.remove(watcher)
    assert not watcher.looks, watcher.looks[:5]
