"""Errors of the system, turned into errors of ours with a next step."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from vstore.disk import inside
from vstore.errors import Damage, DiskTrouble, ReadOnly, VstoreError
from vstore.limits import refuse_limit

_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}
FULL = {errno.ENOSPC, errno.EDQUOT}
# What a disk says that does not give back what was written to it: a bad block, a file system whose checksum fails. And
# what `inside` says of a file that is longer than one of its kind can be.
LOST = {errno.EIO, errno.ENXIO, errno.EBADMSG, errno.ENODATA, getattr(errno, "EUCLEAN", errno.EIO), errno.EFBIG}


@contextlib.contextmanager
def trouble(path: Path) -> Iterator[None]:
    """Turn an error in writing a file into one with a next step. Raises: DiskTrouble, ReadOnly, SystemLimit."""
    try:
        yield
    except OSError as err:
        refuse_limit(err, f"write {path}")
        reason = err.strerror or str(err)
        if err.errno in FULL:
            raise DiskTrouble(
                f"cannot write {path}: {reason}",
                "free some space and run the command again; finished work is not lost",
            ) from err
        if err.errno in _READ_ONLY:
            step = _made_by_root(path) or "make the store writable"
            raise ReadOnly(f"cannot write {path}: {reason}", f"{step}; searching and listing still work") from err
        raise DiskTrouble(f"cannot write {path}: {reason}", "look at the disk, then run the command again") from err


def _made_by_root(path: Path) -> str | None:
    """Say how to get back a store of one's own in which root wrote; None if that is not what happened."""
    store, me = inside.store_of(str(path)), os.geteuid()
    if store is None or not me:
        return None
    try:
        there = path if inside.exists(path) else path.parent
        owners = inside.look_at_any(Path(store)).st_uid, inside.look_at_any(there).st_uid
    except (OSError, Damage):
        return None
    if owners != (me, 0):
        return None
    import shlex

    return f"root made it, as with sudo; give it back to yourself: sudo chown -R {me} {shlex.quote(store)}"


@contextlib.contextmanager
def lost(path: Path) -> Iterator[None]:
    """Turn a disk's refusal to give bytes back into damage of that file. Raises: Damage, SystemLimit."""
    try:
        yield
    except OSError as err:
        refuse_limit(err, f"read {path}")
        if err.errno not in LOST:
            raise
        raise Damage(
            f"{path.parent.name}/{path.name} cannot be read: {err.strerror or err}",
            "look at the disk, then run: vstore check --read-data",
        ) from err


def is_full(err: VstoreError) -> bool:
    """Tell whether an error means a full disk or quota."""
    cause = err.__cause__
    return isinstance(cause, OSError) and cause.errno in FULL
