"""The files that a power cut may leave of a run: every subset of what was not flushed, in the manner of ALICE.

Source: Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014. A file's bytes are safe up to its last
fsync, a folder's names up to the last fsync of the folder; everything since may be there, or not, each by itself.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vstore.disk.durable import Disk

_LEFT_OUT = ("locks", "catalogue")  # what holds no data, and LMDB's own


class Inode:
    """A file: its bytes, and how many of them are flushed. Our files are only ever written at their end."""

    __slots__ = ("data", "number", "synced")

    def __init__(self, number: int, data: bytes = b"", synced: int = 0) -> None:
        self.number = number
        self.data = data
        self.synced = synced


class Event(NamedTuple):
    """One call. what: create write fsync link rename unlink mkdir rmdir syncdir ack."""

    what: str
    path: str = ""
    to: str = ""
    number: int = 0
    data: bytes = b""
    said: Any = None


class RecordingDisk(Disk):
    """A disk that writes down what changes below a folder. Paths are relative to it."""

    def __init__(self, top: Path) -> None:
        self.top = str(top)
        self.events: list[Event] = []
        self._fds: dict[int, tuple[str, int]] = {}
        self._numbers = 0

    def _path(self, path: str) -> str | None:
        if not path.startswith(self.top + "/") and path != self.top:
            return None
        relative = path[len(self.top) + 1 :]
        first = relative.split("/")[0]
        # FORMAT and `reserve` are made under temporary names beside the folders, as is a new catalogue, a folder.
        is_catalogue = first.startswith(".tmp-") and ("/" in relative or os.path.isdir(path))
        return None if first in _LEFT_OUT or is_catalogue else relative

    def ack(self, said: Any) -> None:
        self.events.append(Event("ack", said=said))

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        new = flags & os.O_CREAT and not os.path.lexists(path)
        fd = super().open(path, flags, mode)
        relative = self._path(path)
        if relative is not None:
            if new:
                self._numbers += 1
                self.events.append(Event("create", relative, number=self._numbers))
                self._fds[fd] = ("file", self._numbers)
            elif flags & os.O_DIRECTORY:
                self._fds[fd] = (relative, 0)
        return fd

    def write(self, fd: int, data: Any) -> int:
        size = super().write(fd, data)
        if fd in self._fds:
            written = bytes(memoryview(data).cast("B")[:size])
            self.events.append(Event("write", number=self._fds[fd][1], data=written))
        return size

    def fsync(self, fd: int) -> None:
        super().fsync(fd)
        if fd in self._fds:
            path, number = self._fds[fd]
            self.events.append(Event("fsync", number=number) if number else Event("syncdir", path))

    def close(self, fd: int) -> None:
        self._fds.pop(fd, None)
        super().close(fd)

    def _two(self, what: str, old: str, new: str) -> None:
        before, after = self._path(old), self._path(new)
        getattr(super(), what)(old, new)
        if before is not None and after is not None:
            self.events.append(Event(what, before, after))

    def link(self, old: str, new: str) -> None:
        self._two("link", old, new)

    def rename(self, old: str, new: str) -> None:
        self._two("rename", old, new)

    def unlink(self, path: str) -> None:
        relative = self._path(path)
        super().unlink(path)
        if relative is not None:
            self.events.append(Event("unlink", relative))

    def mkdir(self, path: str) -> None:
        super().mkdir(path)
        relative = self._path(path)
        if relative is not None:
            self.events.append(Event("mkdir", relative))

    def rmdir(self, path: str) -> None:
        super().rmdir(path)
        relative = self._path(path)
        if relative is not None:
            self.events.append(Event("rmdir", relative))


Change = tuple[str, "Inode | None"]  # a name, and what it names; None takes it away


class Model:
    """The tree as it is on disk, and what of it is not flushed.

    names: folder -> name -> inode, flushed. pending: folder -> changes that are not, each a list that holds together.
    """

    def __init__(self, top: Path | None = None) -> None:
        self.inodes: dict[int, Inode] = {}
        self.names: dict[str, dict[str, Inode]] = {"": {}}
        self.folders: dict[str, set[str]] = {"": set()}  # folders whose own names are flushed
        self.pending: dict[str, list[list[Change]]] = {"": []}
        self.now: dict[str, Inode] = {}  # as a process sees it
        if top is not None:
            for at, folders, files in os.walk(top):
                base = os.path.relpath(at, top) if at != str(top) else ""
                folders[:] = [f for f in folders if not (base == "" and f in _LEFT_OUT)]
                self.names.setdefault(base, {})
                self.pending.setdefault(base, [])
                for name in files:
                    data = Path(at, name).read_bytes()
                    inode = Inode(-len(self.now) - 1, data, len(data))
                    path = f"{base}/{name}" if base else name
                    self.names[base][name] = self.now[path] = inode

    def apply(self, event: Event) -> None:
        what = event.what
        if what == "create":
            self.inodes[event.number] = inode = Inode(event.number)
            self._change(event.path, inode)
        elif what == "write":
            self.inodes[event.number].data += event.data
        elif what == "fsync":
            inode = self.inodes[event.number]
            inode.synced = len(inode.data)
        elif what == "syncdir":
            for group in self.pending.get(event.path, []):
                _make(self.names[event.path], group)
            self.pending[event.path] = []
        elif what == "mkdir":
            self.names[event.path] = {}
            self.pending[event.path] = []
        elif what == "link":
            self._change(event.to, self.now[event.path])
        elif what == "unlink":
            self._change(event.path, None)
        elif what == "rename":
            inode = self.now[event.path]
            old, new = os.path.split(event.path), os.path.split(event.to)
            if old[0] == new[0]:
                self.pending[old[0]].append([(old[1], None), (new[1], inode)])
                del self.now[event.path]
                self.now[event.to] = inode
            else:
                self._change(event.to, inode)
                self._change(event.path, None)

    def _change(self, path: str, inode: Inode | None) -> None:
        folder, name = os.path.split(path)
        self.pending[folder].append([(name, inode)])
        if inode is None:
            self.now.pop(path, None)
        else:
            self.now[path] = inode

    def loose(self) -> list[tuple[str, int]]:
        """List what a power cut decides about: folder and number of each change of names that is not flushed."""
        return [(folder, at) for folder, groups in self.pending.items() for at in range(len(groups))]

    def tree(self, kept: set[tuple[str, int]], contents: dict[int, bytes]) -> dict[str, bytes]:
        """Build the tree that is left if only these changes reached the disk. contents: cut ones, by inode."""
        left: dict[str, bytes] = {}
        for folder, flushed in self.names.items():
            names = dict(flushed)
            for at, group in enumerate(self.pending[folder]):
                if (folder, at) in kept:
                    _make(names, group)
            for name, inode in names.items():
                path = f"{folder}/{name}" if folder else name
                left[path] = contents.get(inode.number, inode.data)
        return left

    def unflushed(self) -> list[Inode]:
        return [inode for inode in set(self.now.values()) if inode.synced < len(inode.data)]

    def states(self, chance: random.Random, more: int) -> Iterator[dict[str, bytes]]:
        """List trees that a power cut may leave now: the plain ones, and then `more` random ones."""
        loose = self.loose()
        every = set(loose)
        unflushed = self.unflushed()
        bare = {inode.number: inode.data[: inode.synced] for inode in unflushed}
        yield self.tree(every, {})
        yield self.tree(every, bare)
        yield self.tree(set(), bare)
        for one in loose:
            yield self.tree(every - {one}, {})
            yield self.tree({one}, bare)
        for _ in range(more if loose or unflushed else 0):
            kept = {one for one in loose if chance.random() < 0.5}
            contents = {inode.number: _torn(inode, chance) for inode in unflushed if chance.random() < 0.8}
            yield self.tree(kept, contents)


def _make(names: dict[str, Inode], group: list[Change]) -> None:
    for name, inode in group:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


def _torn(inode: Inode, chance: random.Random) -> bytes:
    """List what may be left of a file: cut anywhere past its flush, or zeros from there on, or up to there."""
    at = chance.randint(inode.synced, len(inode.data))
    kind = chance.randrange(3)
    if kind == 0:
        return inode.data[:at]
    if kind == 1:
        return inode.data[:at] + bytes(len(inode.data) - at)
    return inode.data[: inode.synced] + bytes(at - inode.synced) + inode.data[at:]


def digest(tree: dict[str, bytes]) -> bytes:
    hasher = hashlib.blake2b(digest_size=16)
    for path in sorted(tree):
        hasher.update(path.encode() + b"\0" + len(tree[path]).to_bytes(8, "little"))
        hasher.update(tree[path])
    return hasher.digest()


def lay(tree: dict[str, bytes], top: Path) -> None:
    """Write a tree to a folder."""
    made = {"refs", "segments", "packs", "journal", "cache", "locks", "quarantine"}
    made.update(path.rpartition("/")[0] for path in tree)
    for folder in made:
        os.makedirs(os.path.join(top, folder), exist_ok=True)
    for path, data in tree.items():  # tens of thousands of times: os.path is quicker than pathlib
        with open(os.path.join(top, path), "wb") as file:
            file.write(data)
