"""Puts a hard link to the file that stays in the place of a copy, which goes to the trash."""

from __future__ import annotations

import os
import shlex
from typing import NamedTuple

from vstore.plans.mover import Going, is_link, move_away, rename, take_link
from vstore.plans.moves import Move
from vstore.plans.proof import CHANGED, Keeper, proved, refuse_other_bytes, standing
from vstore.plans.trash_folder import TrashFolder
from vstore.plans.way import Gone, Unfit, look, opened, split

NOT_THE_BYTES = "no file that stays has its bytes, and a hard link would be another picture"
FAR = "the file that stays for it lies on another disk, to which no hard link leads"


class LeftInTrash(Unfit):
    """A file that got no link, and could not be moved back."""


class Linked(NamedTuple):
    """The steps of a run that were done now.

    moved: bytes of the file that went to the trash, or None.
    made:  a link was made.
    """

    moved: int | None
    made: bool


def link_away(trash: TrashFolder, going: Going) -> Linked:
    """Move a file to the trash, and make a hard link to one of the same bytes, which stays, in its place.

    A file that a kill left in the trash alone gets its link now.

    Raises: as `move_away`. The file is then where it was before; or in the trash, named in the record, if it could not
            be moved back.
    """
    *names, name = split(going.path)
    keeper, kept = _keeper(trash, going)
    there = _look(trash, names, name)
    if there is not None and (there.st_dev, there.st_ino) == (kept.st_dev, kept.st_ino):
        return Linked(None, False)
    size = move_away(trash, going._replace(keepers=[keeper]), inode=kept.st_ino)
    *beside, kept_as = split(trash.below + b"/" + going.path)
    with opened(trash.root, names, barred=trash.store) as folder, opened(trash.root, beside) as old:
        if size is None:
            found = proved(old, kept_as, going.key, going.new)
            refuse_other_bytes(old, kept_as, keeper)
            trash.prepare()
            place = b"/".join([*beside, kept_as])
            trash.note(Move(going.path, place, going.key, found.st_size, found.st_mtime_ns, kept.st_ino))
        trash.remember(b"/".join(names))
        try:
            keeper.link(folder, name)
            made = look(folder, name)
            if made is None or made.st_ino != kept.st_ino:
                if made is not None and is_link(made, made.st_ino):
                    take_link(trash, folder, name, made.st_ino)  # another file took the name of the one that stays
                raise Unfit(CHANGED)
        except Unfit:
            if size is not None:  # else an earlier run moved it
                _put_back(trash, old, kept_as, folder, name)
            raise
    return Linked(size, True)


def _put_back(trash: TrashFolder, old: int, kept_as: bytes, folder: int, name: bytes) -> None:
    try:
        rename(old, kept_as, folder, name)
    except Unfit as unfit:
        place = os.path.join(trash.place, trash.below)
        step = f"vstore dupes --restore {shlex.quote(os.fsdecode(place))}"
        raise LeftInTrash(f"it lies in the trash, and {unfit.reason}; look at that, then run: {step}") from unfit


def _keeper(trash: TrashFolder, going: Going) -> tuple[Keeper, os.stat_result]:
    """Find a file of the same bytes that stays, on the disk of the folder. Raises: Unfit."""
    same = [keeper for keeper in going.keepers if keeper.key == going.key]
    if going.keepers and not same:
        raise Unfit(NOT_THE_BYTES)
    device = os.fstat(trash.root).st_dev
    found = next(((keeper, kept) for keeper, kept in standing(same) if kept.st_dev == device), None)
    if found is None:
        raise Unfit(FAR)
    return found


def _look(trash: TrashFolder, names: list[bytes], name: bytes) -> os.stat_result | None:
    try:
        with opened(trash.root, names, barred=trash.store) as folder:
            return look(folder, name)
    except Gone:
        return None
