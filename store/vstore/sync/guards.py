"""Guards that stop a sync before it writes anything: an unmounted disk must not empty an index."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import islice

from vstore.counts import counted
from vstore.errors import Refused
from vstore.format.delta import Change
from vstore.format.pages import Alias
from vstore.format.tree import Tree
from vstore.intake.survey import Survey
from vstore.intake.targets import Target
from vstore.repository.places import is_gone
from vstore.sync.edits import Edits
from vstore.sync.occurrences import after, occurrences, touched

LOSS_PERCENT = 30  # of the pictures of a folder; losing more than this and
LOSS_COUNT = 20  # more than this many counts as an accident
_ANYWAY = "if they are really gone, add --allow-mass-delete"


def present(targets: Sequence[Target], base: Tree, *, allowed: bool) -> list[Target]:
    """Before the scan: refuse if a folder with stored pictures is missing.

    allowed: its loss is accepted.
    Returns: the targets; a missing folder without pictures, or whose loss is accepted, is marked as gone.
    """
    found = []
    for target in targets:
        if target.under or target.gone or _is_folder(target.place):
            found.append(target)
            continue
        named = _first(base.under(target.prefix))
        if named and not allowed:
            raise Refused(
                f"{os.fsdecode(target.place)} is missing, and {target.root.label!r} has pictures: {_listed(named)}",
                f"mount its disk, or name its new place: vstore sync NEW_PLACE --as {target.root.label}; {_ANYWAY}",
            )
        found.append(target._replace(gone=True))
    return found


def _is_folder(place: bytes) -> bool:
    """Tell whether a folder is there, or may be there: some cannot be looked at."""
    try:
        return stat.S_ISDIR(os.stat(place).st_mode)
    except OSError:
        return not is_gone(place)


def roots_list_something(survey: Survey, base: Tree, *, allowed: bool) -> None:
    """Before reading: refuse if a folder with stored pictures lists none, or cannot be listed."""
    for target in survey.targets:
        if allowed or target.under or target.gone or survey.found.get(target.prefix):
            continue
        named = _first(a for a in base.under(target.prefix) if a[0] not in survey.unsure and not survey.hides(a[0]))
        if named:
            what = "cannot be listed" if target.prefix in survey.unlisted else "holds no pictures"
            raise Refused(
                f"{os.fsdecode(target.place)} {what}, and {target.root.label!r} has pictures: {_listed(named)}",
                f"mount its disk; {_ANYWAY}",
            )


def could_lose_much(edits: Edits, survey: Survey, base: Tree) -> bool:
    """Tell from the listing alone whether `loses_little` may refuse.

    edits: of a survey before its files are read, as if every known key had a vector.
    """
    losses = _losses(edits.changes, survey, Counter())
    return any(_excess(keys, base, label) for label, keys in losses.items())


def loses_little(edits: Edits, survey: Survey, base: Tree, key_size: int) -> None:
    """After hashing: refuse if more than 20 and more than 30 % of a folder's pictures would lose their last path.

    A picture is lost if no file has its key, and there is no file at its path: one that was edited, or written over, is
    not.
    """
    for keys, total, label in _much(edits.changes, survey, base, key_size):
        raise Refused(
            f"This sync would remove {len(keys):,} of the {counted(total, 'picture')} in {label!r}: {_listed(keys)}",
            f"check that the right disk is mounted; {_ANYWAY}",
        )


def spoils_little(edits: Edits, survey: Survey, base: Tree, key_size: int) -> None:
    """Before the last commit: refuse if so many pictures of a folder would lose their last path to unreadable bytes."""
    changes = edits.every()
    spoilt = {path for path, _ in edits.dropped}
    for keys, total, label in _much(changes, survey, base, key_size, spoilt):
        raise Refused(
            f"{len(keys):,} of the {counted(total, 'picture')} in {label!r} cannot be read as pictures any more, and "
            f"this sync would remove them: {_listed(keys)}",
            f"look at the files; {_ANYWAY}",
        )


def _much(
    changes: list[Change], survey: Survey, base: Tree, key_size: int, paths: Container[bytes] | None = None
) -> Iterator[tuple[list[Alias], int, str]]:
    """Find the folders that lose too many pictures. paths: the only ones that count.

    Yields: the lost pictures with one of their paths each, in the order of these; the number of all; the label.
    """
    if sum(new is None and old is not None for _, old, new in changes) <= LOSS_COUNT:
        return
    named = after(occurrences(base, touched(changes), key_size), changes)
    counting = [change for change in changes if paths is None or change[0] in paths]
    for label, keys in _losses(counting, survey, named).items():
        total = _excess(keys, base, label)
        if total:
            yield sorted((path, key) for key, path in keys.items()), total, os.fsdecode(label)


def _losses(changes: Iterable[Change], survey: Survey, named: Counter[bytes]) -> dict[bytes, dict[bytes, bytes]]:
    """Find the pictures about to lose their last path: label -> {key: one of its paths}.

    named: how many paths name each key afterwards.
    A picture hidden by a new exclude is not a loss: the user asked for it.
    """
    lost: dict[bytes, dict[bytes, bytes]] = {}
    for path, old, new in changes:
        if old is not None and new is None and named[old] <= 0 and not survey.hides(path):
            lost.setdefault(path.partition(b"/")[0], {}).setdefault(old, path)
    return lost


def _excess(lost: dict[bytes, bytes], base: Tree, label: bytes) -> int:
    """Return the number of a folder's pictures if the guard does not let these be lost, else 0."""
    if len(lost) <= LOSS_COUNT:
        return 0
    total = len({key for _, key in base.under(label)})
    return total if 100 * len(lost) > LOSS_PERCENT * total else 0


def _first(aliases: Iterable[Alias]) -> list[Alias]:
    return list(islice(aliases, 10))


def _listed(aliases: list[Alias]) -> str:
    shown = (os.fsdecode(path) for path, _ in aliases[:10])
    return ", ".join(path if path.isascii() else ascii(path)[1:-1] for path in shown)
