"""Chooses a sample of a snapshot's pictures, and reads their files and their stored vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vstore.format.entries import Snapshot
from vstore.format.tree import paths_by_key
from vstore.repository.repository import Repository
from vstore.repository.stored_rows import stored_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.generic]


class SampledPicture(NamedTuple):
    """A picture of a sample.

    key:  the hash of its bytes.
    path: its stored path.
    file: its place today.
    row:  its stored vector, (dim,) in the store's dtype.
    """

    key: bytes
    path: bytes
    file: bytes
    row: Array


def sample_pictures(repo: Repository, snapshot: Snapshot, count: int) -> tuple[list[SampledPicture], int]:
    """Choose pictures whose file exists and is unchanged. Chosen by the snapshot's id: every call agrees.

    Returns: the pictures, and how many were passed over.
    Raises:  Damage, FileNotFoundError.
    """
    paths = paths_by_key(repo.tree(snapshot))
    salt = bytes.fromhex(snapshot.id)
    found: list[tuple[bytes, bytes, bytes]] = []
    unread = 0
    for key in sorted(paths, key=lambda key: repo.hash.digest(salt + key)):
        readable = next((pair for path in paths[key] if (pair := _readable(repo, key, path)) is not None), None)
        if readable is None:
            unread += 1
            continue
        found.append((key, *readable))
        if len(found) == count:
            break
    rows = stored_rows(repo, snapshot.space, {key for key, _, _ in found})
    return [SampledPicture(key, path, file, rows[key]) for key, path, file in found], unread


def read_unchanged(repo: Repository, key: bytes, file: bytes) -> bytes | None:
    """Read a picture; None if it cannot be read, or is no longer the picture with this key."""
    try:
        with open(file, "rb") as opened:
            data = opened.read()
    except OSError:
        return None
    return data if repo.hash.digest(data) == key else None


def _readable(repo: Repository, key: bytes, path: bytes) -> tuple[bytes, bytes] | None:
    file = repo.file_of(path)
    if file is None or read_unchanged(repo, key, file) is None:
        return None
    return path, file
