"""Proof that a file holds the bytes that its key names, now."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from vstore.disk.file_hash import hash_file
from vstore.plans.way import Unfit, look_at_file, open_file, opened, refusing, seen, split

CHANGED = "it has changed since"


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
    """

    def __init__(self, folder: int, path: bytes, key: bytes, new: Callable[[], Any]) -> None:
        """folder: open for as long as this is used. key: of its bytes. new: makes a hasher."""
        self.path = path
        self._folder = folder
        self._key = key
        self._new = new
        self._seen: tuple[int, ...] = ()

    def stands(self) -> os.stat_result:
        """Make sure that it is there, with its bytes. Returns: its stat. Raises: Unfit."""
        *names, name = split(self.path)
        with opened(self._folder, names) as folder:
            found = look_at_file(folder, name)
            if found is None or seen(found) != self._seen:
                found = proved(folder, name, self._key, self._new)
                self._seen = seen(found)
            return found


def standing(keepers: Sequence[Keeper]) -> list[os.stat_result]:
    """Give the stats of those that are there with their bytes. Raises: Unfit if none is."""
    found, reasons = [], []
    for keeper in keepers:
        try:
            found.append(keeper.stands())
        except Unfit as unfit:
            reasons.append(f"{os.fsdecode(keeper.path)}: {unfit.reason}")
    if not found:
        why = f" ({'; '.join(reasons[:3])})" if reasons else ""
        raise Unfit(f"no file that is to stay for it is there with its bytes{why}")
    return found
