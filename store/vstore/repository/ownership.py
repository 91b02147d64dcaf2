"""A store of another user: nothing is written into it, and what a reader remembers of it is kept elsewhere."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from pathlib import Path

from vstore.disk import durable
from vstore.disk.owner import Foreign, User, foreign, name_of
from vstore.embed.model_words import quoted
from vstore.errors import DiskTrouble, ForeignStore, ReadOnly
from vstore.format.layout import Layout

NO_CACHE = Path(os.devnull, "cache")  # nothing can be read or written below a file
MOST_FILES = 2000  # of one store's caches: only their owner's gc removes those of old states
_UNUSED = 90 * 86400  # seconds after which the caches of a store go


def refuse_foreign(layout: Layout, user: User) -> None:
    """Refuse to write into a store of another user. Raises: ForeignStore, OSError, Damage."""
    found = foreign(layout, user)
    if found is None:
        return
    real = str(found.folder)
    what = f"the store {real}" if found.inner is None else f"the folder {found.inner}/ of the store {real}"
    raise ForeignStore(
        f"{what} belongs to {name_of(found.whose)}, and you are {name_of(os.geteuid())}; nothing was written into it, "
        "and it can still be searched and listed",
        f"if you trust all who can write there: vstore trust {quoted(real)}; or, for one command alone, add --trust",
    )


def caches_for(layout: Layout, store_id: str, user: User) -> Path | None:
    """Choose the folder for the caches of a store: its own (None), or that of the user if it is another user's.

    Raises: OSError, Damage.
    """
    found = foreign(layout, user)
    if found is None:
        return None
    top = user.cache_folder()
    if top is None:
        return NO_CACHE
    folder = top / "vstore" / "stores" / _name(found, store_id)
    with contextlib.suppress(OSError, DiskTrouble, ReadOnly):
        if _make(folder):
            return folder
    return NO_CACHE


def _name(found: Foreign, store_id: str) -> str:
    """Name the caches of a store. Whoever has a store can copy its id, but not its place and its owner."""
    about = f"{found.owner} {store_id} {found.folder}"
    return hashlib.sha256(os.fsencode(about)).hexdigest()[:32]


def _make(folder: Path) -> bool:
    """Make a folder for caches. Returns: False if others may change what lies there. Raises: OSError, DiskTrouble."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        for one in reversed([one for one in (folder, *folder.parents) if not one.is_dir()]):
            one.mkdir(0o700, exist_ok=True)
        _remove_unused(folder.parent)
        names = []
    if not (_is_private(folder.parent) and _is_private(folder)):
        return False
    if len(names) > MOST_FILES:
        for name in names:
            durable.remove_tree(folder / name)
    return True


def _is_private(folder: Path) -> bool:
    """Tell whether a folder belongs to this user, and to nobody else. Raises: OSError."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _remove_unused(folder: Path) -> None:
    """Remove the caches of stores for which none was written for long. Raises: OSError, DiskTrouble, ReadOnly."""
    since = time.time() - _UNUSED
    if _is_private(folder):
        for name in os.listdir(folder):
            if (folder / name).lstat().st_mtime < since:
                durable.remove_tree(folder / name)
