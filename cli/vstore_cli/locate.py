"""Which store a command is about."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vstore.errors import NoStore, UsageError
from vstore.layout import FOLDER

if TYPE_CHECKING:
    from vstore.store import Store

_NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.rclone", "davfs")


def named_folder() -> Path | None:
    """The folder that --store or VSTORE_DIR names, or None."""
    ctx = click.get_current_context(silent=True)
    named = (ctx.find_object(dict) or {}).get("store") if ctx is not None else None
    named = named or os.environ.get("VSTORE_DIR")
    if not named:
        return None
    folder = Path(named)
    return folder / FOLDER if (folder / FOLDER / "FORMAT").exists() else folder


def find_store(paths: Sequence[str] = ()) -> Path | None:
    """The store of a command: as named, else the nearest upwards from here, else from the paths it is about."""
    named = named_folder()
    if named is not None:
        return named
    for start in (os.curdir, *paths):
        real = Path(os.path.realpath(start))
        for folder in (real, *real.parents):
            if (folder / FOLDER / "FORMAT").exists():
                return folder / FOLDER
    return None


def open_store(paths: Sequence[str] = ()) -> Store:
    """Open the store of a command, and say so where it answers from an older record. Raises: NoStore."""
    from vstore.store import Store

    folder = find_store(paths)
    if folder is None:
        raise NoStore(
            "there is no store here, nor in any folder above",
            "make one with: vstore sync FOLDER, or name one with --store DIR or VSTORE_DIR",
        )
    store = Store(folder)
    if store.complaint is not None:
        click.echo(f"Warning: {store.complaint}; this answers from what was true before. Run: vstore repair", err=True)
    return store


def new_folder() -> Path:
    """Where a new store goes: as named, else .vstore here. Raises: UsageError on a network filesystem."""
    folder = named_folder() or Path(FOLDER)
    kind = _filesystem(folder)
    if kind is not None and kind.startswith(_NETWORK):
        raise UsageError(
            f"{folder} would lie on a network filesystem ({kind}), whose locks and flushes cannot be relied on",
            "name a local folder with --store DIR; only the store must be local, the pictures may be anywhere",
        )
    return folder


def _filesystem(folder: Path) -> str | None:
    """The type of the filesystem that holds a folder, as Linux names it; None where it does not say."""
    real = os.path.realpath(folder)
    best, kind = "", None
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                fields, _, rest = line.partition(" - ")
                at = fields.split()[4].replace("\\040", " ")
                if len(at) >= len(best) and (real == at or real.startswith(at.rstrip("/") + "/")):
                    best, kind = at, rest.split()[0]
    except OSError:
        return None
    return kind
