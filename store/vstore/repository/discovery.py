"""Finds stores on disk, without opening them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from vstore.errors import DiskTrouble
from vstore.format.layout import FOLDER, Layout
from vstore.paths import AnyPath


def is_store(folder: Path) -> bool:
    """Tell whether a folder is a store.

    Raises: DiskTrouble if it is there and may not be entered: it may be one, and no other is taken instead.
    """
    # What it is will be seen when it is opened: a link, say, is refused then.
    try:
        os.lstat(Layout(folder).format)
    except PermissionError as err:
        if os.path.lexists(folder):
            raise DiskTrouble(
                f"cannot look into {folder}: {err.strerror}",
                "look at its permissions; its owner can change them; or name another store with --store DIR",
            ) from err
        return False
    except (OSError, ValueError):
        return False
    return True


def near_stores(folder: Path) -> list[bytes]:
    """Find stores whose paths are like that of a folder that is none; or the folders that hold them."""
    from vstore.near_files import near_files  # few names of stores are mistyped

    found = []
    for path in near_files(os.fsencode(folder)):
        near = Path(os.fsdecode(path))
        with contextlib.suppress(DiskTrouble):
            if is_store(near) or is_store(near / FOLDER):
                found.append(path)
    return found


def find_store(start: AnyPath) -> Path | None:
    """Find the nearest `.vstore` in a folder, or in those above it. Raises: DiskTrouble."""
    real = Path(os.path.realpath(os.fsdecode(start)))
    return next((folder / FOLDER for folder in (real, *real.parents) if is_store(folder / FOLDER)), None)
