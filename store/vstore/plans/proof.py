"""Proof that a file holds the bytes that its key names, now."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from vstore.disk import durable
from vstore.disk.file_hash import hash_file
from vstore.pictures.trash import TRASH
from vstore.plans.way import Unfit, look_at_file, open_file, opened, refusing, seen, split

CHANGED = "it has changed since"
OTHER_BYTES = "it has the key of the file that stays for it, and other bytes"
_BLOCK = 1 << 20


def proved(folder: int, name: bytes, key: bytes, new: Callable[[], Any]) -> os.stat_result:
    """Read a file, and make sure that it has its key, and its name, before and after.

    new:     makes a hasher.
    Returns: its stat. Raises: Unfit.
    """
    fd = open_file(folder, name)
    before = os.fstat(fd)
    with refusing("read it"):
        digest = hash_file(fd, new()).digest()  # closes it
    found = look_at_file(folder, name)
    if digest != key or found is None or seen(found) != seen(before):
        raise Unfit(CHANGED)
    return found


class Keeper:
    """A file that stays, for which others may go. It is read once, and looked at before each of them goes.

    path: below the folder.
    key:  the hash of its bytes.
    """

    def __init__(self, folder: int, path: bytes, key: bytes, new: Callable[[], Any]) -> None:
        """folder: open for as long as this is used. new: makes a hasher."""
        self.path = path
        self.key = key
        self._folder = folder
        self._new = new
        self._seen: tuple[int, ...] = ()

    def stands(self) -> os.stat_result:
        """Make sure that it is there, with its bytes. Returns: its stat. Raises: Unfit."""
        *names, name = split(self.path)
        if TRASH in (*names, name):
            raise Unfit("it lies in the trash")
        with opened(self._folder, names) as folder:
            found = look_at_file(folder, name)
            if found is None or seen(found) != self._seen:
                found = proved(folder, name, self.key, self._new)
                self._seen = seen(found)
            return found

    def open(self) -> int:
        """Open it, to be read. Raises: Unfit."""
        *names, name = split(self.path)
        with opened(self._folder, names) as folder:
            return open_file(folder, name)

    def link(self, to: int, new: bytes) -> None:
        """Give it another name, which nobody has. to: an open folder. Raises: Unfit."""
        *names, name = split(self.path)
        with opened(self._folder, names) as folder, refusing("make a hard link in its place"):
            durable.disk.link_at(folder, name, to, new)


def standing(keepers: Sequence[Keeper]) -> list[tuple[Keeper, os.stat_result]]:
    """Find those that are there with their bytes, with their stats. Raises: Unfit if none is."""
    found, reasons = [], []
    for keeper in keepers:
        try:
            found.append((keeper, keeper.stands()))
        except Unfit as unfit:
            reasons.append(f"{os.fsdecode(keeper.path)}: {unfit.reason}")
    if not found:
        why = f" ({'; '.join(reasons[:3])})" if reasons else ""
        raise Unfit(f"no file that is to stay for it is there with its bytes{why}")
    return found


def refuse_other_bytes(folder: int, name: bytes, keeper: Keeper) -> None:
    """Compare a file with one of the same key, byte for byte: a stranger may have made two for one key. Raises: Unfit.

    They are compared before the stats of both are: what changes meanwhile is seen there.
    """
    refuse_unlike(open_file(folder, name), keeper.open(), OTHER_BYTES)


def refuse_unlike(one: int, other: int, reason: str) -> None:
    """Compare two open files, byte for byte, and close them. Raises: Unfit, with this reason."""
    with open(one, "rb") as a, open(other, "rb") as b, refusing("read it"):
        while True:
            left, right = a.read(_BLOCK), b.read(_BLOCK)
            if left != right:
                raise Unfit(reason)
            if not left:
                return
