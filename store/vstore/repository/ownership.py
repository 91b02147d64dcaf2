"""A store of another user: nothing is written into it, and what a reader remembers of it is kept elsewhere."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from vstore.disk.owner import Foreign, User, foreign, name_of
from vstore.errors import DiskTrouble, ForeignStore, ReadOnly
from vstore.format.layout import Layout

NO_CACHE = Path(os.devnull, "cache")  # nothing can be read or written below a file


def refuse_foreign(layout: Layout, user: User) -> None:
    """Refuse to write into a store of another user. Raises: ForeignStore, OSError, Damage."""
    found = foreign(layout, user)
    if found is None:
        return
    from vstore.quoting import quoted  # few stores are another user's

    real = str(found.folder)
    what = f"the store {real}" if found.inner is None else f"the folder {found.inner}/ of the store {real}"
    step = f"if you trust all who can write there: vstore trust {quoted(real)}; or, for one command alone, add --trust"
    if not found.writable:
        step = "its owner can run the command, or let you write there first"
    raise ForeignStore(
        f"{what} belongs to {name_of(found.whose)}, and you are {name_of(os.geteuid())}; nothing was written into it, "
        "and it can still be searched and listed",
        step,
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
    from vstore.disk import user_cache  # few stores are another user's

    folder = top / "vstore" / "stores" / _name(found, store_id)
    with contextlib.suppress(OSError, DiskTrouble, ReadOnly):
        if user_cache.make(folder):
            return folder
    return NO_CACHE


def _name(found: Foreign, store_id: str) -> str:
    """Name the caches of a store. Whoever has a store can copy its id, but not its place and its owner."""
    import hashlib  # only for the store of another user

    about = f"{found.owner} {store_id} {found.folder}"
    return hashlib.sha256(os.fsencode(about)).hexdigest()[:32]
