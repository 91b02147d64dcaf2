"""Folders of tiny drawn pictures, and a store of them with a fake embedder."""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vstore.disk.durable import Disk
from vstore.format.entries import FileRef
from vstore.format.tree import Tree
from vstore.pictures.decoding import prepare
from vstore.repair.report import RepairReport
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore.sync.report import SyncReport
from vstore.testing import FakeEmbedder

TOP = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(str(TOP / name) for name in ("store", "cli", "tests"))}
_minutes = itertools.count(1)


@functools.cache
def drawn(seed: int) -> bytes:
    """Draw a PNG of 30 x 20 pixels; each seed gives another one."""
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def plain(colour: tuple[int, int, int]) -> bytes:
    """Make a PNG of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (30, 20), colour).save(out, "PNG")
    return out.getvalue()


def put(folder: Path, files: Mapping[str, int | bytes]) -> None:
    """Write pictures by seed, or files by content: relative path -> seed or bytes.

    Each gets its own mtime: where clocks tick slowly, two quick writes would otherwise look like one.
    """
    for name, what in files.items():
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(drawn(what) if isinstance(what, int) else what)
        at = (1_500_000_000 + 60 * next(_minutes)) * 10**9
        os.utime(path, ns=(at, at))


def digests(folder: Path, without: Sequence[str] = ("catalogue", "locks", "cache")) -> dict[str, str]:
    """Hash every file of a store folder that holds data."""
    found = {}
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not (Path(at) == folder and name in without)]
        for name in names:
            path = Path(at, name)
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def stats_of(folder: Path) -> dict[str, tuple[int, ...]]:
    """Stat every file of a store folder, except for locks, which say who holds them."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.parent.name != "locks" and path.name != "lock.mdb":
            stat = path.lstat()
            found[str(path.relative_to(folder))] = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return found


class World:
    """A folder of pictures, `pictures`, and a store of them beside it.

    fake:   the embedder; its counts say how much was embedded.
    loaded: how often the model was loaded.
    """

    def __init__(self, top: Path, fake: FakeEmbedder | None = None, folder: str = "pictures") -> None:
        self.top = top
        self.fake = fake or FakeEmbedder()
        self.loaded = 0
        self.pictures = top / folder
        self.pictures.mkdir(parents=True)
        self.folder = top / ".vstore"
        Store.init(self.folder, recipe=self.fake.recipe)
        self.store = self.another()

    def another(self) -> Store:
        """Open the store once more, with the same embedder."""
        return Store(self.folder, load_embedder=self.load)

    def load(self, recipe: Mapping[str, Any]) -> FakeEmbedder:
        self.loaded += 1
        return self.fake

    def put(self, files: Mapping[str, int | bytes]) -> None:
        put(self.pictures, files)

    def sync(self, *paths: Any, **options: Any) -> SyncReport:
        return self.store.sync(paths or [self.pictures], **options)

    def all(self, **options: Any) -> SyncReport:
        """Sync all known folders."""
        return self.store.sync((), **options)

    @property
    def repo(self) -> Repository:
        return Repository(self.folder)

    def status(self, **options: Any) -> SyncReport:
        """Ask what a sync of all known folders would do."""
        return self.store.sync((), dry_run=True, **options)

    def tree(self, snapshot: str = "current") -> Tree:
        repo = self.repo
        return repo.tree(repo.snapshot(snapshot))

    def aliases(self, snapshot: str = "current") -> dict[str, str]:
        """List the aliases of a snapshot: stored path -> key in hex."""
        return {os.fsdecode(path): key.hex() for path, key in self.tree(snapshot)}

    def paths(self, snapshot: str = "current") -> list[str]:
        return list(self.aliases(snapshot))

    def key(self, what: int | bytes) -> str:
        """Compute the key of a drawn picture."""
        return self.repo.hash.digest(drawn(what) if isinstance(what, int) else what).hex()

    def keys(self) -> list[str]:
        """List the key of every row of every segment, in order."""
        repo = self.repo
        found = []
        for space in repo.state.spaces:
            for ref in repo.state.segments(space):
                found += [key.hex() for key in repo.segment(ref).key_list()]
        return found


class FakeOs:
    """The os module as the scan and the reader see it. Some names cannot be opened or looked at; stats may be altered.

    errors:     name -> the error of opening it.
    unstatable: name -> the error of its stat; the disk does not tell either that it is a folder.
    alter:      makes another stat of a stat; it gets the name that a folder lists, or b"" of an open file.
    between:    called each time a file was read, before its second stat.
    order:      names are listed by this key; in the order of the disk where it is None.
    """

    def __init__(self) -> None:
        self.errors: dict[str, int] = {}
        self.unstatable: dict[str, int] = {}
        self.alter: Callable[[str, os.stat_result], Any] = lambda name, found: found
        self.between: Callable[[], None] = lambda: None
        self.order: Callable[[str], Any] | None = None

    def open(self, path: Any, flags: int, **options: Any) -> int:
        fail(self.errors, path)
        return os.open(path, flags, **options)

    def scandir(self, fd: int) -> Any:
        return _Entries(self, os.scandir(fd))

    def fstat(self, fd: int) -> Any:
        return self.alter("", os.fstat(fd))

    def stat(self, path: Any, **options: Any) -> Any:
        return self.alter("", os.stat(path, **options))

    def pread(self, fd: int, size: int, at: int) -> bytes:
        data = os.pread(fd, size, at)
        self.between()
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def fail(errors: Mapping[str, int], path: Any) -> None:
    error = errors.get(os.path.basename(os.fsdecode(path)))
    if error is not None:
        raise OSError(error, os.strerror(error))


class _Entries:
    def __init__(self, fake: FakeOs, entries: Any) -> None:
        self._fake = fake
        self._entries = entries

    def __enter__(self) -> Any:
        entries = self._entries.__enter__()
        if (order := self._fake.order) is not None:
            entries = sorted(entries, key=lambda entry: order(entry.name))
        return (_Entry(self._fake, entry) for entry in entries)

    def __exit__(self, *error: Any) -> None:
        self._entries.__exit__(*error)


class _Entry:
    """An entry of a folder on a disk that is not quite well."""

    def __init__(self, fake: FakeOs, entry: os.DirEntry[str]) -> None:
        self._fake = fake
        self._entry = entry
        self.name = entry.name

    def stat(self, **options: Any) -> Any:
        fail(self._fake.unstatable, self.name)
        return self._fake.alter(self.name, self._entry.stat(**options))

    def is_dir(self, **options: Any) -> bool:
        if self._entry.is_dir(**options):
            fail(self._fake.unstatable, self.name)
        return self._entry.is_dir(**options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)


class ClosedOs:
    """The os module as one module sees it. The files in `closed`, by device and inode, cannot be opened."""

    def __init__(self, closed: set[tuple[int, int]]) -> None:
        self._closed = closed

    def open(self, path: Any, flags: int, *, dir_fd: int | None = None) -> int:
        fd = os.open(path, flags, dir_fd=dir_fd)
        found = os.fstat(fd)
        if (found.st_dev, found.st_ino) in self._closed:
            os.close(fd)
            raise PermissionError(13, "Permission denied")
        return fd

    def lstat(self, path: bytes) -> os.stat_result:
        self._pass_through(os.path.dirname(path))
        return os.lstat(path)

    def stat(self, path: bytes, **options: Any) -> os.stat_result:
        if not options:
            self._pass_through(os.path.dirname(path))
        return os.stat(path, **options)

    def _pass_through(self, folder: bytes) -> None:
        while self._closed and folder not in (b"/", b""):
            if os.path.isdir(folder):
                found = os.stat(folder)
                if (found.st_dev, found.st_ino) in self._closed:
                    raise PermissionError(13, "Permission denied")
            folder = os.path.dirname(folder)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


class Unflushed(Disk):
    """A disk that does not wait for flushes: no power is cut while a test runs."""

    def fsync(self, fd: int) -> None:
        pass


class Reads:
    """The files that the reader opens, and the pictures that it decodes, counted by path.

    at_opening: what to do just before the file of this name is opened for the nth time.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened: list[str] = []
        self.decoded = 0
        self.at_opening: dict[tuple[str, int], Callable[[], None]] = {}
        monkeypatch.setattr("vstore.intake.reader.os", _Os(self))
        monkeypatch.setattr("vstore.pictures.decoding.prepare", self._prepare)

    def _prepare(self, data: bytes, preparation: Any) -> Any:
        self.decoded += 1
        return prepare(data, preparation)

    def clear(self) -> None:
        self.opened.clear()
        self.at_opening.clear()
        self.decoded = 0


class _Os:
    """The os module as one module sees it; each opening of a file is noted."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    def open(self, path: bytes, flags: int) -> int:
        opened = self._reads.opened
        opened.append(os.fsdecode(path))
        if self._reads.at_opening:
            name, times = os.path.basename(os.fsdecode(path)), opened.count(os.fsdecode(path))
            self._reads.at_opening.get((name, times), lambda: None)()
        return os.open(path, flags)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def trust_young_stats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust files at once, as if they had been written long ago: a ctime cannot be set."""
    monkeypatch.setattr("vstore.intake.reader.SETTLED_NS", 0)


def classes(report: SyncReport) -> dict[str, int]:
    """List the counts of a report that are not 0."""
    names = ("unchanged", "changed", "renamed", "copied", "known", "new", "removed", "carried")
    found = {name: getattr(report, name) for name in names}
    found["failed"] = len(report.failed)
    return {name: count for name, count in found.items() if count}


def during(fake: FakeEmbedder, act: Callable[[], None], batch: int = 1) -> None:
    """Do something once, while the given batch is being embedded."""
    plain_embed = fake.embed_images

    def embed_images(pictures: Sequence[Image.Image]) -> Any:
        rows = plain_embed(pictures)
        if fake.calls == batch:
            act()
        return rows

    fake.embed_images = embed_images  # type: ignore[method-assign]


WITHOUT_PRIVILEGES = """
import ctypes, os, struct, sys
if not os.getuid():
    # Permissions mean nothing to root; without capabilities they do.
    assert ctypes.CDLL(None).capset(struct.pack("Ii", 0x20080522, 0), bytes(24)) == 0
from pathlib import Path
from support.folders import World, classes, put, trust_young_stats
"""


def without_privileges(script: str, folder: Path) -> str:
    """Run Python as a user to whom permissions apply. It finds `folder` in `sys.argv[1]`.

    Returns: what it printed.
    """
    command = [sys.executable, "-c", WITHOUT_PRIVILEGES + script, str(folder)]
    try:
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    finally:
        for path in folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)  # so that it can be removed
    assert done.returncode == 0, done.stderr
    return done.stdout


def packs_by_age(repo: Repository) -> list[FileRef]:
    """List the packs of the log, the oldest first."""
    return sorted(repo.state.packs, key=lambda ref: (repo.layout.packs / ref.name).stat().st_mtime_ns)


def newest_pack(repo: Repository) -> FileRef:
    return packs_by_age(repo)[-1]


def repaired(world: World, **options: Any) -> RepairReport:
    return Store.repair(world.folder, load_embedder=world.load, **options)


def all_aliases(world: World) -> dict[str, dict[str, str]]:
    return {snapshot.name: world.aliases(snapshot.name) for snapshot in list(world.repo.listing.kept())}
