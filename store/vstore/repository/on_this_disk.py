"""Proof that a store was synced here before: what its catalogue remembers of the files at a place.

Stores made before users were asked (see `disk.named_places`) go on without a question by it. A stranger cannot forge
it. Whoever makes an archive can write anything into a catalogue, but must know there:

- device and inode of the file of the catalogue itself, on the disk where it will be unpacked: `Catalogue.open` gives no
  other one;
- size, mtime, ctime and inode of pictures at the place. No program can choose a ctime, and only one that may look
  into the folder can read it.

Only pictures outside of the folder that holds the store count. Those in it are synced without a question, so that they
prove nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from vstore.disk import inside
from vstore.format.relabelling import yesterday
from vstore.pictures.folder import FileStat, files_of, pack_row, row_of, subfolders_of, without
from vstore.pictures.links import stays_below
from vstore.pictures.remembered import head_of

if TYPE_CHECKING:
    from vstore.disk.catalogue import Catalogue
    from vstore.repository.repository import Repository

_FILES = 32  # that are compared
_LOOKED_AT = 10_000  # among which they are looked for
_FOLDERS = 1000


def was_synced_here(repo: Repository, label: bytes, place: bytes) -> bool:
    """Tell whether this user synced a folder here before: half of some of its files or more are those remembered.

    place: its absolute path.
    """
    if not _is_ours(repo):
        return False
    catalogue = repo.catalogue(write=False)
    if catalogue is None:
        return False
    with catalogue:
        files = islice(_remembered(repo, catalogue, label), _LOOKED_AT)
        met = [(os.path.join(place, folder, file.name), file) for folder, file in files]
    outside = list(islice((one for one in met if not stays_below(repo.base, one[0])), _FILES))
    same = sum(_is_there(path, file) for path, file in outside)
    return same > 0 and 2 * same >= len(outside)


def _is_ours(repo: Repository) -> bool:
    """Tell whether this user made the catalogue, perhaps before sudo: root does not follow what another user wrote."""
    try:
        return inside.look(repo.layout.catalogue / "data.mdb").st_uid in (os.geteuid(), repo.user.sudo_uid)
    except OSError:
        return False


def _remembered(repo: Repository, catalogue: Catalogue, label: bytes) -> Iterator[tuple[bytes, FileStat]]:
    """Yield files that the catalogue remembers, and their folders relative to the root; the upper folders first."""
    waiting = [b""]
    for path in waiting:  # it grows
        stored = label + b"/" + path if path else label
        values = (catalogue.folder(one, 0) for one in (stored, *yesterday(stored, repo.state.absorbed)))
        head = head_of(next((value for value in values if value is not None), b""))
        for file in files_of(head):
            if file.ctime_ns and _is_name(file.name):
                yield path, file
        below = [os.path.join(path, name) for name in subfolders_of(head) if _is_name(name)]
        waiting += below[: max(0, _FOLDERS - len(waiting))]


def _is_name(name: bytes) -> bool:
    return name not in (b"", b".", b"..") and b"/" not in name


def _is_there(path: bytes, file: FileStat) -> bool:
    """Tell whether a file is the one that was remembered, and nobody touched it since."""
    try:
        found = row_of(os.stat(path))
    except OSError:
        return False
    return without(found, ctime=False, inode=not file.inode) == pack_row(*file[1:])
