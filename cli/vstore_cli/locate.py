"""Which store a command is about."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vstore.errors import NoStore, UsageError
from vstore.format.layout import FOLDER
from vstore_cli.output import shown

if TYPE_CHECKING:
    from vstore.store import Store

MOUNTS = "/proc/self/mountinfo"
_NETWORK = (
    "nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "davfs", "ncpfs",
    "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.juicefs", "fuse.davfs",
)  # fmt: skip


def named_folder() -> Path | None:
    """The folder that --store or VSTORE_DIR names, or None."""
    ctx = click.get_current_context(silent=True)
    named = (ctx.find_object(dict) or {}).get("store") if ctx is not None else None
    named = named or os.environ.get("VSTORE_DIR")
    if not named:
        return None
    folder = Path(named)
    return folder / FOLDER if is_store(folder / FOLDER) else folder


def is_store(folder: Path) -> bool:
    return (folder / "FORMAT").exists()


def find_store(paths: Sequence[str] = ()) -> Path | None:
    """The store of a command: as named, else the nearest upwards from here, else from the paths it is about."""
    named = named_folder()
    if named is not None:
        return named
    for start in (os.curdir, *paths):
        for folder in _upwards(start):
            return folder
    return None


def _upwards(start: str) -> Iterator[Path]:
    """The stores in a folder and in those above it, the nearest first."""
    real = Path(os.path.realpath(start))
    for folder in (real, *real.parents):
        if is_store(folder / FOLDER):
            yield folder / FOLDER


def open_store(paths: Sequence[str] = (), *, damaged: bool = False) -> Store:
    """Open the store of a command, and say so where it answers from an older record.

    damaged: open it although files that the log names are missing, to say what is.
    Raises: NoStore, Damage.
    """
    from vstore.store import Store

    folder = find_store(paths)
    if folder is None:
        raise NoStore(
            "there is no store here, nor in any folder above",
            "make one with: vstore sync FOLDER, or name one with --store DIR or VSTORE_DIR",
        )
    store = Store(folder, damaged=damaged)
    if store.complaint is not None:
        click.echo(
            f"Warning: {shown(store.complaint)}; this answers from what was true before. Run: vstore repair", err=True
        )
    return store


def open_to_change(paths: Sequence[str] = ()) -> Store:
    """Open the store of a command that changes it. Raises: NoStore; UsageError on a network filesystem."""
    store = open_store(paths)
    refuse_network(store.folder)
    return store


def new_folder() -> Path:
    """Where a new store goes: as named, else .vstore here.

    Raises: UsageError on a network filesystem, or where a store upwards from here has this folder's pictures already.
    """
    folder = named_folder()
    if folder is None:
        _refuse_second()
        folder = Path(FOLDER)
    refuse_network(folder)
    return folder


def _refuse_second() -> None:
    """A second store for pictures that one has already would be a slip: whoever wants it names its place."""
    from vstore.repository.repository import Repository

    here = os.path.realpath(os.fsencode(os.curdir))
    for folder in _upwards(os.curdir):
        if folder.parent == Path(os.fsdecode(here)):
            return  # this very folder holds a store, which is another mistake
        repo = Repository(folder)
        try:
            for root in repo.state.roots.values():
                place = os.path.realpath(repo.place(root))
                if here == place or here.startswith(place.rstrip(b"/") + b"/"):
                    raise UsageError(
                        f"the pictures here are in the store {folder} already, as {root.label!r}",
                        "use that one (vstore sync), or say where a second one goes: --store DIR",
                    )
        finally:
            repo.close()


def refuse_network(folder: Path) -> None:
    """Raises: UsageError where a store lies, or would lie, on a network filesystem, unless VSTORE_NETWORK=1 says that
    it may."""
    kind = _filesystem(folder)
    if kind is not None and kind.startswith(_NETWORK) and os.environ.get("VSTORE_NETWORK") != "1":
        raise UsageError(
            f"the store {folder} is on a network filesystem ({kind}), whose locks and flushes cannot be relied on",
            "put it on a local disk (--store DIR); only the store must be local, the pictures may be anywhere; "
            "VSTORE_NETWORK=1 takes the risk of a store that two machines damage between them",
        )


def _filesystem(folder: Path) -> str | None:
    """The type of the filesystem that holds a folder, as Linux names it; None where it does not say."""
    real = os.path.realpath(folder)
    best, kind = "", None
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                fields, _, rest = line.partition(" - ")
                at = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields.split()[4])
                if len(at) >= len(best) and (real == at or real.startswith(at.rstrip("/") + "/")):
                    best, kind = at, rest.split()[0]
    except OSError:
        return None
    return kind
