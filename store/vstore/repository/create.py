"""Makes a new store."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from vstore.disk import durable, inside
from vstore.disk.lock import Lock
from vstore.disk.owner import User
from vstore.disk.reserve import write_reserve
from vstore.disk.trouble import trouble
from vstore.embed.model_words import Words
from vstore.errors import Damage, UsageError, VstoreError
from vstore.format.hashing import store_hash
from vstore.format.layout import DTYPES, Layout, record_number
from vstore.quoting import quoted
from vstore.repository.form import Form
from vstore.repository.ownership import refuse_foreign
from vstore.repository.repository import Repository


def create_store(
    folder: Path, hash: str = "xxh3_128", dtype: str = "float16", *, user: User | None = None
) -> Repository:
    """Make an empty store. The name FORMAT appears last: a half-made store is not a store.

    A store without any record, whose maker was killed before the first one, is returned as it is.
    Raises: UsageError if a store already exists, or for an unknown hash or dtype; ForeignStore if the folder is there,
            and another user's; Locked; DiskTrouble, ReadOnly.
    """
    user = user or User()
    layout = inside.layout_of(folder)
    if dtype not in DTYPES:
        raise UsageError(f"unknown store dtype {dtype!r}", f"choose one of: {', '.join(DTYPES)}")
    hash = store_hash(hash).name
    if inside.exists(layout.format):
        _unfinished_store(folder, hash, dtype, user).close()
    else:
        _refuse_other_files(layout)
    with contextlib.suppress(FileNotFoundError):
        refuse_foreign(layout, user)
    durable.make_folder(folder)
    with trouble(folder.parent), contextlib.suppress(PermissionError):  # a parent that may not be listed
        durable.sync_folder(folder.parent)  # the maker may have been killed before it did this
    for path in layout.folders():
        durable.make_folder(path)
    with Lock(layout.locks, "ingest") as lock:
        lock.acquire(0.0, "init")
        if inside.exists(layout.format):
            return _unfinished_store(folder, hash, dtype, user)
        durable.sweep(folder, "ingest")
        write_reserve(layout)
        durable.publish(layout.format, Form(durable.nonce(), hash, dtype).to_bytes(), "ingest")
    return Repository(folder, user=user)


def refuse_existing(folder: Path, words: Words, user: User | None = None) -> None:
    """Refuse a folder that cannot become a store. One whose maker was killed before a record can.

    words:  name a model that can be added to the store instead.
    user:   the user for whom it is made.
    Raises: UsageError, Damage.
    """
    layout = inside.layout_of(folder)
    if not inside.exists(layout.format):
        _refuse_other_files(layout)
    elif Repository(folder, user=user).tip.highest:
        raise UsageError(
            f"a store already exists at {folder}",
            f"use it, adding the model with: {words.command('NAME')}; or name another folder with --store",
        )


def _unfinished_store(folder: Path, hash: str, dtype: str, user: User) -> Repository:
    try:
        repo = Repository(folder, user=user)
    except VstoreError:
        repo = None
    if repo is None or repo.tip.highest:
        raise UsageError(f"a store already exists at {folder}", "use it, or name another folder with --store")
    if (repo.hash.name, repo.dtype) != (hash, dtype):
        raise UsageError(
            f"a store was begun at {folder} with --hash {repo.hash.name} --store-dtype {repo.dtype}",
            "go on with these options, or remove the folder: it is still empty",
        )
    return repo


def _refuse_other_files(layout: Layout) -> None:
    """Refuse a folder with somebody else's files, or a store without its FORMAT."""
    folder = layout.folder
    try:
        names = set(os.listdir(folder))
    except FileNotFoundError:
        if not folder.parent.is_dir():
            from vstore.near_files import make_it_first

            raise UsageError(
                f"there is no folder {folder.parent} to make a store in",
                make_it_first(os.fsencode(folder.parent), f"make it first: mkdir -p {quoted(str(folder.parent))}"),
            ) from None
        return
    except NotADirectoryError:
        raise UsageError(f"{folder} is not a folder", "name a new or an empty one") from None
    own = {path.name for path in (*layout.folders(), layout.catalogue, layout.indexes, layout.reserve)}
    others = sorted(name for name in names - own if not name.startswith(durable.TEMPORARY))
    if others:
        raise UsageError(f"{folder} is not a store, and holds {others[0]!r}", "name a new or an empty folder")
    if any(record_number(name) is not None for name in inside.names_if_any(layout.refs)):
        raise Damage(f"{layout.format} is missing, although the store has records", "restore it from a backup")
