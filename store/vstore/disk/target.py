"""The files and folders that an export makes for the user: none is ever seen half done."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from vstore.disk import durable
from vstore.disk.trouble import FULL, trouble
from vstore.errors import UsageError
from vstore.near_files import make_it_first


def make(out: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file or a folder beside its place, and rename it: nobody ever finds half an export.

    After any error nothing is left, so that the same command can be run again.
    Raises: UsageError if `out` exists, or its folder does not; DiskTrouble.
    """
    look(out)
    made = out.with_name(f".{out.name[:100]}.{durable.nonce()[:8]}")
    try:
        try:
            write(made)
        except OSError as err:
            if err.errno not in FULL:
                raise  # of what is read: an object that was collected meanwhile, for one
            with trouble(out):
                raise
        with trouble(out):
            _flush(made)
            os.rename(made, out)
            made = out
            durable.sync_folder(out.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            if made.is_dir():
                shutil.rmtree(made)
            else:
                os.unlink(made)
        raise


def look(out: Path) -> None:
    """Refuse a place that cannot be written. Raises: UsageError."""
    if os.path.lexists(out):
        raise UsageError(f"{out} already exists", "name another one, or remove it")
    if not out.parent.is_dir():  # told apart here from an object that is missing
        raise UsageError(f"there is no folder {out.parent} to write into", make_it_first(os.fsencode(out.parent)))


def _flush(made: Path) -> None:
    for path in [made, *made.rglob("*")] if made.is_dir() else [made]:
        if not path.is_symlink():
            fd = durable.disk.open(str(path), os.O_RDONLY)
            try:
                durable.disk.fsync(fd)
            finally:
                durable.disk.close(fd)


def create(path: Path) -> IO[bytes]:
    """Make a file."""
    return path.open("xb")


def nameless(folder: Path) -> IO[bytes]:
    """Make a file without a name, which is gone once it is closed."""
    return tempfile.TemporaryFile(dir=folder)


def folder(path: Path) -> None:
    os.mkdir(path)


def link(file: bytes, name: bytes) -> None:
    os.symlink(file, name)
