"""Moves one file to the trash, or back: a hard link at its place is taken away first.

What was done is seen on the disk alone, so that a kill spoils nothing.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from vstore.disk import durable
from vstore.disk.moving import UNKNOWN
from vstore.format.layout import FOLDER
from vstore.pictures.trash import TRASH
from vstore.plans.moves import NAME as RECORD
from vstore.plans.moves import Move
from vstore.plans.proof import CHANGED, Keeper, proved, refuse_other_bytes, refuse_unlike, standing
from vstore.plans.trash_folder import MODES, TrashFolder
from vstore.plans.way import Gone, Unfit, look, look_at_file, modes_of, moment, open_file, opened, refusing, seen, split

TAKEN = "another file is at its place now"
ELSEWHERE_TOO = "it may be the file that stays for it, seen through another mount"
IN_A_STORE = "the record names a place in a store for it"
LINK_CHANGED = "the hard link at its place has other bytes now: look at both"
TAKEN_LINK = b"moves.link"  # in the trash folder: a hard link that is being taken away
FORMAT = b"FORMAT"  # which each store has
NOT_HERE = "its disk knows no move that is sure to replace no file"


class Going(NamedTuple):
    """A file that is to be moved to the trash.

    path:    below the folder that holds the trash.
    key:     the hash of its bytes.
    new:     makes a hasher.
    keepers: files one of which must be there with its bytes.
    """

    path: bytes
    key: bytes
    new: Callable[[], Any]
    keepers: Sequence[Keeper]


def move_away(
    trash: TrashFolder, going: Going, look_around: Callable[[int], None] | None = None, inode: int | None = None
) -> int | None:
    """Move a file to the trash, once its bytes are proved to be those of its key.

    look_around: raises Unfit if the files beside it tell against it; gets the open folder of the file.
    inode:       of the file that a hard link will be made to in its place, for the record.
    Returns:     its size; None if this was done before.
    Raises:      Unfit; DiskTrouble, ReadOnly, Locked if the record cannot be written.
    """
    *names, name = split(going.path)
    *beside, kept_as = split(trash.below + b"/" + going.path)
    if TRASH in (*names, name):
        raise Unfit("it lies in the trash")
    if not _is_there(trash, names, name) and _is_in_trash(trash, beside, kept_as, going):
        return None
    others = standing(going.keepers)
    with opened(trash.root, names, barred=trash.store) as folder:
        found = proved(folder, name, going.key, going.new)
        if any((one.st_dev, one.st_ino) == (found.st_dev, found.st_ino) for _, one in others):
            raise Unfit("it is another name of the file that stays for it")
        if any(moment(one) == moment(found) and one.st_dev != found.st_dev for _, one in others):
            raise Unfit(ELSEWHERE_TOO)
        same = next((keeper for keeper, _ in others if keeper.key == going.key), None)
        if same is not None:
            refuse_other_bytes(folder, name, same)
        if look_around is not None:
            look_around(folder)
        trash.prepare()
        with opened(trash.root, beside, make=[*MODES, *modes_of(trash.root, names)]) as to:
            if look(to, kept_as) is not None:
                raise Unfit("the trash has another file of its path")
            place = b"/".join([*beside, kept_as])
            trash.note(Move(going.path, place, going.key, found.st_size, found.st_mtime_ns, inode))
            standing(going.keepers)
            now = look_at_file(folder, name)
            if now is None or seen(now) != seen(found):
                raise Unfit(CHANGED)
            trash.remember_filled(beside)
            trash.remember(b"/".join(names))
            rename(folder, name, to, kept_as)
            moved = look(to, kept_as)
            if moved is None or (moved.st_dev, moved.st_ino) != (found.st_dev, found.st_ino):
                rename(to, kept_as, folder, name)  # another file took its name in that very moment
                raise Unfit(CHANGED)
    return found.st_size


def move_back(trash: TrashFolder, move: Move) -> bool:
    """Move a file of the trash back to its place.

    Returns: False if it was back before. Raises: Unfit.
    """
    *names, name = split(move.old)
    *beside, kept_as = split(move.new)
    if not move.new.startswith(trash.below + b"/"):
        raise Unfit("the record names no place in this trash folder")
    if move.new == trash.below + b"/" + RECORD:
        raise Unfit("the record names itself")
    if TRASH in (*names, name):
        raise Unfit("the record names a place in the trash for it")
    _refuse_store(trash.root, names, name)
    try:
        with opened(trash.root, beside) as folder:
            if look_at_file(folder, kept_as) is None:
                raise Gone("it is gone")
            modes = modes_of(trash.root, beside)[len(MODES) :]
            private = [MODES[-1]] * len(names)  # of a record that was edited
            with opened(trash.root, names, make=[*modes, *private[len(modes) :]]) as to:
                there = look(to, name)
                if there is not None:
                    if move.inode is None or not is_link(there, move.inode):
                        raise Unfit(TAKEN)
                    refuse_unlike(open_file(to, name), open_file(folder, kept_as), LINK_CHANGED)
                    take_link(trash, to, name, move.inode)
                trash.remember_filled(names)
                trash.remember(b"/".join(beside))
                rename(folder, kept_as, to, name)
    except Gone:
        if _is_there(trash, names, name):
            return False
        raise Gone("it is neither in the trash nor at its place") from None
    return True


def _refuse_store(root: int, names: Sequence[bytes], name: bytes) -> None:
    """Refuse a place in a store, of whatever kind: its user moves no picture out of one. Raises: Unfit."""
    if any(os.fsdecode(one).lower() == FOLDER for one in (*names, name)):
        raise Unfit(IN_A_STORE)
    with contextlib.suppress(Gone):
        for count in range(len(names) + 1):
            with opened(root, names[:count]) as folder:
                if look(folder, FORMAT) is not None:
                    raise Unfit(IN_A_STORE)


def _is_there(trash: TrashFolder, names: Sequence[bytes], name: bytes) -> bool:
    """Tell whether there is something at a path. Raises: Unfit if the way to it is none."""
    try:
        with opened(trash.root, names) as folder:
            return look(folder, name) is not None
    except Gone:
        return False


def _is_in_trash(trash: TrashFolder, beside: Sequence[bytes], name: bytes, going: Going) -> bool:
    """Tell whether the file was moved before. Raises: Unfit if it is gone, and the trash has not these bytes."""
    try:
        with opened(trash.root, beside) as folder:
            proved(folder, name, going.key, going.new)
    except Gone:
        raise
    except Unfit as unfit:
        raise Unfit(f"it is gone, and of the file of its path in the trash: {unfit.reason}") from unfit
    return True


def is_link(found: os.stat_result, inode: int) -> bool:
    """Tell whether this is a hard link to that file, which has other names."""
    return stat.S_ISREG(found.st_mode) and found.st_ino == inode and found.st_nlink > 1


def take_link(trash: TrashFolder, folder: int, name: bytes, inode: int) -> None:
    """Take a hard link away: its file keeps its other names. Raises: Unfit.

    It is moved into the trash folder, where no other program changes it, and looked at there: what took its name in
    that very moment goes back.
    """
    with opened(trash.root, split(trash.below)) as own:
        trash.remember(trash.below)
        rename(folder, name, own, TAKEN_LINK)
        if not _drop(own, inode):
            rename(own, TAKEN_LINK, folder, name)
            raise Unfit(TAKEN)


def drop_link(trash: TrashFolder, inodes: Iterable[int]) -> None:
    """Take away the hard link to one of these files that a kill left in the trash folder, if it is there."""
    with contextlib.suppress(Unfit), opened(trash.root, split(trash.below)) as own:
        if any(_drop(own, inode) for inode in inodes):
            trash.remember(trash.below)


def _drop(folder: int, inode: int) -> bool:
    found = look(folder, TAKEN_LINK)
    if found is None or not is_link(found, inode):
        return False
    with refusing("take the hard link away"):
        durable.disk.unlink_at(folder, TAKEN_LINK)
    return True


def rename(folder: int, name: bytes, to: int, new: bytes) -> None:
    """Move a file to a name that nobody has. Raises: Unfit."""
    try:
        with refusing("move it"):
            durable.disk.move(folder, name, to, new)
    except Unfit as unfit:
        err = unfit.__cause__
        if isinstance(err, FileExistsError):
            raise Unfit(TAKEN) from err
        if isinstance(err, OSError) and err.errno in UNKNOWN:
            raise Unfit(NOT_HERE) from err
        raise
