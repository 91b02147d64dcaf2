"""The folder of a converted model: made beside its place and renamed, so that nobody ever finds half of it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.disk import durable
from vstore.embed.hf.source.pickles import ENDINGS
from vstore.errors import DiskTrouble, ReadOnly, UsageError
from vstore.near_files import make_it_first
from vstore.paths import in_home

if TYPE_CHECKING:
    from typing_extensions import Buffer

_COPIED = (".json", ".txt", ".model", ".jinja", ".py", ".vocab", ".bpe", ".md", ".safetensors", "")
_PREFIX = ".tmp-convert-"
_CHUNK = 1 << 22  # bytes that are copied at a time
# Folders of a training run beside the model at its end: other models, and gigabytes.
_OTHERS = re.compile(r"checkpoint-\d+|global_step\d+")
_DEPTH = 2  # parts of a path: files of a model, and of the folders of its parts


def default_top(cache: Path | None) -> Path:
    """Find the user's folder for converted models, and make it. Raises: UsageError, DiskTrouble, ReadOnly."""
    cache = cache or in_home(".cache")
    if cache is None:
        raise UsageError("this user has no folder for caches", "name the folder for the converted model, with --output")
    top = cache / "vstore" / "models"
    make_folder(top)
    return top


def refuse_taken(place: Path) -> None:
    """Raises: UsageError if something is at a place, or its folder is missing."""
    if os.path.lexists(place):
        raise UsageError(f"{place} already exists", "name another folder, or remove it")
    if not place.parent.is_dir():
        raise UsageError(f"there is no folder {place.parent} to write into", make_it_first(os.fsencode(place.parent)))


def require_room(top: Path, size: int) -> None:
    """Raises: DiskTrouble if a folder's disk has less room."""
    free = shutil.disk_usage(top).free
    if free < size:
        raise DiskTrouble(
            f"the converted weights need {size / 1e6:,.0f} MB, and {top} has {free / 1e6:,.0f} MB free",
            "free some space, or name a folder on another disk with --output",
        )


@contextlib.contextmanager
def folder_at(place: Path) -> Iterator[Path]:
    """Make a folder to fill, and give it its name at the end. After an error nothing is left of it.

    What killed processes left beside it is removed. Raises: DiskTrouble, ReadOnly; UsageError if the place was taken.
    """
    for left in place.parent.glob(f"{_PREFIX}*"):
        if not _lives(left.name.removeprefix(_PREFIX).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    made = place.with_name(f"{_PREFIX}{os.getpid()}-{durable.nonce()[:8]}")
    make_folder(made)
    try:
        yield made
        for folder in [made, *(one for one in made.rglob("*") if one.is_dir())]:
            durable.sync_folder(folder)
        refuse_taken(place)
        durable.disk.rename(str(made), str(place))
        durable.sync_folder(place.parent)
    except OSError as err:
        raise DiskTrouble(f"cannot write {place}: {err.strerror or err}", "look at the disk, then try again") from err
    finally:
        shutil.rmtree(made, ignore_errors=True)


def copy_others(folder: Path, made: Path) -> None:
    """Copy a model's other files. Raises: DiskTrouble, ReadOnly."""
    for path in others(folder):
        to = made / path.relative_to(folder)
        make_folder(to.parent)
        with open(path, "rb") as file:
            write(to, iter(lambda file=file: file.read(_CHUNK), b""))  # type: ignore[misc]


def others(folder: Path) -> list[Path]:
    """List a model's files besides pickled weights: configurations, tokenizers, processors, code; sorted."""
    found = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if any(part.startswith(".") for part in inner.parts) or len(inner.parts) > _DEPTH or not path.is_file():
            continue
        if len(inner.parts) > 1 and _OTHERS.fullmatch(inner.parts[0]):
            continue
        if path.suffix in _COPIED and not path.name.endswith((*ENDINGS, ".bin.index.json")):
            found.append(path)
    return found


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises: DiskTrouble, ReadOnly."""
    with _elsewhere():
        for one in reversed([one for one in (folder, *folder.parents) if not one.is_dir()]):
            durable.make_folder(one)


def write(path: Path, parts: Iterable[Buffer]) -> None:
    """Write a whole file. Raises: DiskTrouble, ReadOnly."""
    with _elsewhere():
        durable.write_durably(path, parts, "convert")


def flush(path: Path) -> None:
    """Flush a file that a library wrote. Raises: OSError."""
    fd = durable.disk.open(str(path), os.O_RDONLY)
    try:
        durable.disk.fsync(fd)
    finally:
        durable.disk.close(fd)


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    try:
        yield
    except ReadOnly as err:
        raise ReadOnly(err.message, "name another folder with --output") from err


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except OSError:
        return True  # of another user
    return True
