"""Moves the files of a trash folder back. Needs its record alone: no store, and no plan."""

from __future__ import annotations

import os
import threading

from vstore.errors import UsageError
from vstore.pictures.trash import TRASH
from vstore.plans.mover import drop_link, move_back
from vstore.plans.moves import NAME, unnamed
from vstore.plans.report import DupesRestored, Unmoved
from vstore.plans.trash_folder import TrashFolder
from vstore.plans.way import Unfit
from vstore.progress import Progress, Stages
from vstore.stop import finishing


def restore(folder: bytes, *, progress: Progress | None = None, stop: threading.Event | None = None) -> DupesRestored:
    """Move what a plan moved away back to its places, as far as these are free. No file is replaced or deleted.

    A hard link that was put in the place of a file is taken away: its file keeps its other names.

    folder: the trash folder of the plan, or its record.
    stop:   if it is set, this ends after the file at hand.
    Raises: UsageError if it is no trash folder; Locked; DiskTrouble.
    """
    place, name = _split(folder)
    stages = Stages(progress)
    moved, refused, done = [], [], 0
    with TrashFolder(place, name) as trash:
        record = trash.read()
        stages.begin("moving files back", len(record.moves))
        drop_link(trash, {move.inode for move in record.moves if move.inode is not None})
        try:
            with finishing(stop, "this file"):
                for move in record.moves:
                    if stop is not None and stop.is_set():
                        break
                    stages.take(os.path.join(place, move.old))
                    try:
                        if move_back(trash, move):
                            moved.append(move.old)
                        else:
                            done += 1
                    except Unfit as unfit:
                        refused.append(Unmoved(move.old, unfit.reason))
                    stages.advance(1)
        finally:
            trash.flush()
        stages.put_down()
        stages.close()
        left = unnamed(record.moves, trash.files())
    interrupted = stop is not None and stop.is_set() and len(moved) + done + len(refused) < len(record.moves)
    return DupesRestored(
        os.path.join(place, trash.below), place, tuple(moved), done, tuple(refused), tuple(left), interrupted
    )


def _split(folder: bytes) -> tuple[bytes, bytes]:
    """Find the folder of pictures, and the name of the trash folder in it. Raises: UsageError if it is none."""
    path = os.path.realpath(folder)
    if os.path.basename(path) == NAME:
        path = os.path.dirname(path)
    above, name = os.path.split(path)
    place, trash = os.path.split(above)
    if trash != TRASH or not os.path.isdir(path):
        near = _plans_of(path)
        step = f"name one of: {near}" if near else "name a folder FOLDER/.vstore-trash/PLAN"
        raise UsageError(f"{os.fsdecode(folder)} is not the trash folder of a plan", step)
    return place, name


def _plans_of(path: bytes) -> str:
    """Name the trash folders in a folder, or in its trash."""
    for at in (path, os.path.join(path, TRASH)):
        if os.path.basename(at) == TRASH and os.path.isdir(at):
            return ", ".join(os.fsdecode(os.path.join(at, name)) for name in sorted(os.listdir(at))[:5])
    return ""
