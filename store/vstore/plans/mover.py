"""Moves one file to the trash, or back. What was done is seen on the disk alone, so that a kill spoils nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from vstore.disk import durable
from vstore.disk.moving import UNKNOWN
from vstore.pictures.trash import TRASH
from vstore.plans.moves import NAME as RECORD
from vstore.plans.moves import Move
from vstore.plans.proof import CHANGED, Keeper, proved, refuse_other_bytes, standing
from vstore.plans.trash_folder import MODES, TrashFolder
from vstore.plans.way import Gone, Unfit, look, look_at_file, modes_of, opened, refusing, seen, split

TAKEN = "another file is at its place now"
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


def move_away(trash: TrashFolder, going: Going, look_around: Callable[[int], None] | None = None) -> int | None:
    """Move a file to the trash, once its bytes are proved to be those of its key.

    look_around: raises Unfit if the files beside it tell against it; gets the open folder of the file.
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
        same = next((keeper for keeper, _ in others if keeper.key == going.key), None)
        if same is not None:
            refuse_other_bytes(folder, name, same)
        if look_around is not None:
            look_around(folder)
        trash.prepare()
        with opened(trash.root, beside, make=[*MODES, *modes_of(trash.root, names)]) as to:
            if look(to, kept_as) is not None:
                raise Unfit("the trash has another file of its path")
            trash.note(Move(going.path, b"/".join([*beside, kept_as]), going.key, found.st_size, found.st_mtime_ns))
            standing(going.keepers)
            now = look_at_file(folder, name)
            if now is None or seen(now) != seen(found):
                raise Unfit(CHANGED)
            trash.remember(b"/".join(names), b"/".join(beside))
            _rename(folder, name, to, kept_as)
            moved = look(to, kept_as)
            if moved is None or (moved.st_dev, moved.st_ino) != (found.st_dev, found.st_ino):
                _rename(to, kept_as, folder, name)  # another file took its name in that very moment
                raise Unfit(CHANGED)
    return found.st_size


def move_back(trash: TrashFolder, move: Move) -> bool:
    """Move a file of the trash back to its place.

    Returns: False if it is there already. Raises: Unfit.
    """
    *names, name = split(move.old)
    *beside, kept_as = split(move.new)
    if not move.new.startswith(trash.below + b"/"):
        raise Unfit("the record names no place in this trash folder")
    if move.new == trash.below + b"/" + RECORD:
        raise Unfit("the record names itself")
    if TRASH in (*names, name):
        raise Unfit("the record names a place in the trash for it")
    try:
        with opened(trash.root, beside) as folder:
            if look_at_file(folder, kept_as) is None:
                raise Gone("it is gone")
            modes = modes_of(trash.root, beside)[len(MODES) :]
            private = [MODES[-1]] * len(names)  # of a record that was edited
            with opened(trash.root, names, make=[*modes, *private[len(modes) :]]) as to:
                if look(to, name) is not None:
                    raise Unfit(TAKEN)
                trash.remember(b"/".join(names), b"/".join(beside))
                _rename(folder, kept_as, to, name)
    except Gone:
        if _is_there(trash, names, name):
            return False
        raise Gone("it is neither in the trash nor at its place") from None
    return True


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


def _rename(folder: int, name: bytes, to: int, new: bytes) -> None:
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
