"""The store of a command: finds it, opens it, or chooses the place of a new one."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vstore import NoStore, UsageError
from vstore_cli.output import say, shown, tell

if TYPE_CHECKING:
    from vstore import Store, UserWords

MOUNTS = "/proc/self/mountinfo"
_NETWORK = (
    "nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "davfs", "ncpfs",
    "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.juicefs", "fuse.davfs",
)  # fmt: skip


def config() -> str | None:
    """Find the user's folder for configurations, as XDG_CONFIG_HOME says. Returns: None for ~/.config."""
    named = os.environ.get("XDG_CONFIG_HOME")
    return named if named and os.path.isabs(named) else None  # its specification ignores others


def config_file() -> str | None:
    """Find the place of the user's file of options; None for a user without a home."""
    folder = config()
    if folder is None:
        home = os.path.expanduser("~")
        folder = os.path.join(home, ".config") if os.path.isabs(home) else None
    return None if folder is None else os.path.join(folder, "vstore", "config.toml")


def cache() -> str | None:
    """Find the user's folder for caches, as XDG_CACHE_HOME says. Returns: None for ~/.cache."""
    named = os.environ.get("XDG_CACHE_HOME")
    return named if named and os.path.isabs(named) else None


def user_words(folder: Path) -> UserWords:
    """Say for whom the store in a folder is opened, from the command line and the environment. Raises: UsageError."""
    ctx = click.get_current_context(silent=True)
    trusts = (ctx.find_object(dict) or {}).get("trust", False) if ctx is not None else False
    return {
        "config": config(),
        "cache": cache(),
        "trust": trusts or _is_trusted(folder),
        "sudo_uid": sudo_uid(),
        "usual": (ctx.find_object(dict) or {}).get("usual") if ctx is not None else None,
    }


def sudo_uid() -> int | None:
    """Find the user who became root by sudo."""
    sudo = os.environ.get("SUDO_UID", "")
    return int(sudo) if re.fullmatch("[0-9]{1,10}", sudo) else None


def _is_trusted(folder: Path) -> bool:
    """Tell whether VSTORE_TRUST names a store, or the folder that holds it. Raises: UsageError."""
    named = os.environ.get("VSTORE_TRUST", "")
    if named in ("", "*", "1"):
        return bool(named)
    real = os.path.realpath(folder)
    for path in filter(None, named.split(os.pathsep)):
        if not os.path.isabs(path):
            raise UsageError(
                f"VSTORE_TRUST names {path!r}, which is no absolute path",
                f"name the folders of stores, separated by {os.pathsep!r}; * trusts every store",
            )
        if real == os.path.realpath(store_at(path)):
            return True
    return False


def store_at(path: str) -> Path:
    """Find the folder of a store by its path, or by that of the folder that holds it."""
    from vstore import Store

    folder = Path(path)
    return folder / Store.FOLDER if Store.exists(folder / Store.FOLDER) else folder


def named_folder() -> Path | None:
    """Find the folder named by --store or VSTORE_DIR. Returns: None if neither does."""
    ctx = click.get_current_context(silent=True)
    named = (ctx.find_object(dict) or {}).get("store") if ctx is not None else None
    named = named or os.environ.get("VSTORE_DIR")
    return store_at(named) if named else None


def find_store(paths: Sequence[str] = ()) -> Path | None:
    """Find the store of a command: as named, else the nearest in or above this folder, else in or above its paths."""
    from vstore import Store

    named = named_folder()
    if named is not None:
        return _used(named)
    near = Store.find(os.curdir)
    ctx = click.get_current_context(silent=True)
    if near is not None:
        if ctx is not None:
            ctx.ensure_object(dict)["above"] = near.parent != Path(os.path.realpath(os.curdir))
        return _used(near)
    found = next((folder for folder in map(Store.find, paths) if folder is not None), None)
    if found is not None and ctx is not None:
        ctx.ensure_object(dict)["found"] = found  # a command without these paths would not find it
    return None if found is None else _used(found)


def _used(folder: Path) -> Path:
    """Note the store of a command for its JSON document (`output.echo_json`). Returns: the folder as it was given."""
    ctx = click.get_current_context(silent=True)
    if ctx is not None:
        ctx.ensure_object(dict)["used"] = os.path.abspath(folder)
    return folder


def say_store(folder: Path) -> None:
    """Say which store is changed, unless it is .vstore in this folder: it may be a forgotten one further up.

    Nothing is said with -q, or with --json, whose document names the store; nor of a dry run, which changes nothing,
    nor of a store that is yet to be made.
    """
    from vstore import Store

    ctx = click.get_current_context(silent=True)
    if ctx is None or any(ctx.params.get(name) for name in ("quiet", "as_json", "dry_run")):
        return
    if not Store.exists(folder):
        return
    if os.path.realpath(folder) != os.path.realpath(Store.FOLDER):
        tell(f"Store: {shown(os.path.abspath(folder))}", err=True)


def no_store() -> NoStore:
    """Make the error for a missing store."""
    return NoStore(
        "there is no store here, nor in any folder above",
        "make one with: vstore sync FOLDER (vstore status FOLDER shows what that would do), or name one with --store "
        "DIR or VSTORE_DIR",
    )


def open_store(paths: Sequence[str] = (), *, damaged: bool = False, keep_model: bool = False) -> Store:
    """Open the store of a command, and warn if it answers from an older record.

    damaged:    open it despite missing files, for a check.
    keep_model: let the model of a search stay loaded for the next ones.
    Raises: NoStore, Damage.
    """
    from vstore import Store

    folder = find_store(paths)
    if folder is None:
        raise no_store()
    store = Store(folder, damaged=damaged, keep_model=keep_model, **user_words(folder))
    if store.complaint is not None:
        say(f"Warning: {shown(store.complaint)}; this output shows the state before. Run: vstore repair", err=True)
    return store


def open_to_change(paths: Sequence[str] = ()) -> Store:
    """Open the store of a changing command, and say which one it is. Raises: NoStore; UsageError on a network disk."""
    store = open_store(paths)
    refuse_network(store.folder)
    say_store(store.folder)
    return store


def new_folder() -> Path:
    """Choose the place of a new store: as named, else .vstore here.

    Raises: UsageError on a network filesystem, or if a store in a folder above has the pictures of this folder.
    """
    from vstore import Store

    folder = named_folder()
    if folder is None:
        _refuse_second()
        folder = Path(Store.FOLDER)
    refuse_network(folder)
    return _used(folder)


@contextlib.contextmanager
def saying_that_no_store_was_made(folder: Path) -> Iterator[None]:
    """Say so where a model fails: the next sync without its options would make a store of another model."""
    from vstore import MissingPackage, ModelError, Store

    try:
        yield
    except (ModelError, MissingPackage) as err:
        if not Store.exists(folder):
            err.message = f"{err.message.rstrip('. ')}. No store was made"
        raise


def _refuse_second() -> None:
    """Refuse a second store for pictures that have one: a slip, unless its place is named."""
    from vstore import Store

    here = Path(os.path.realpath(os.curdir))
    folder = Store.find(here)
    while folder is not None and folder.parent != here:  # that this folder holds a store is another mistake
        with Store(folder, **user_words(folder)) as store:
            label = store.label_of(here)
        if label is not None:
            raise UsageError(
                f"the pictures here are already in the store {folder}, as {label!r}",
                "use that one (vstore sync), or name the place of a second one: --store DIR",
            )
        folder = Store.find(folder.parent.parent) if folder.parent != folder.parent.parent else None


def refuse_network(folder: Path) -> None:
    """Refuse a store on a network filesystem, unless VSTORE_NETWORK=1 allows it. Raises: UsageError."""
    kind = _filesystem(folder)
    if kind is not None and kind.startswith(_NETWORK) and os.environ.get("VSTORE_NETWORK") != "1":
        raise UsageError(
            f"the store {folder} is on a network filesystem ({kind}), where locks and flushes are not reliable",
            "put it on a local disk (--store DIR); only the store must be local, the pictures may be anywhere; "
            "VSTORE_NETWORK=1 accepts the risk that two machines damage the store",
        )


def _filesystem(folder: Path) -> str | None:
    """Look up the type of a folder's filesystem. Returns: None if the system does not list it."""
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
