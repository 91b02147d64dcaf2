"""What stops a sync before anything is written: an unmounted disk must not empty an index."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable
from itertools import islice

from vstore.errors import Refused
from vstore.format.delta import Change
from vstore.format.pages import Alias
from vstore.format.tree import Tree
from vstore.intake.survey import Survey
from vstore.intake.targets import Plan
from vstore.repository.places import is_gone
from vstore.sync.edits import Edits, after, occurrences, touched

LOSS_PERCENT = 30  # of a root's pictures, and
LOSS_COUNT = 20  # this many: losing more of both is taken for an accident
_ANYWAY = "if they are really gone, add --allow-mass-delete"


def places_are_there(plan: Plan, base: Tree, allowed: bool) -> None:
    """Before the scan: refuse where a whole root that had pictures is not there.

    A root that is gone and whose loss is allowed, or which never had a picture, becomes a removal.
    """
    for i, target in enumerate(plan.targets):
        if target.under or target.gone or not _is_no_folder(target.place):
            continue
        named = _first(base.under(target.prefix))
        if named and not allowed:
            raise Refused(
                f"{os.fsdecode(target.place)} is not there, and {target.root.label!r} has pictures: {_listed(named)}",
                f"mount its disk, or say where it is now: vstore sync NEW_PLACE --as {target.root.label}; {_ANYWAY}",
            )
        plan.targets[i] = target._replace(gone=True)


def _is_no_folder(place: bytes) -> bool:
    """Whether nothing is there, or something else. What cannot be looked at may well be there."""
    try:
        return not stat.S_ISDIR(os.stat(place).st_mode)
    except OSError:
        return is_gone(place)


def roots_list_something(survey: Survey, base: Tree, allowed: bool) -> None:
    """Before reading: refuse where a whole root that had pictures lists none, or cannot be listed."""
    for target in survey.targets:
        if allowed or target.under or target.gone or survey.found.get(target.prefix):
            continue
        named = _first(alias for alias in base.under(target.prefix) if not survey.hides(alias[0]))
        if named:
            what = "cannot be listed" if target.prefix in survey.unlisted else "holds no picture any more"
            raise Refused(
                f"{os.fsdecode(target.place)} {what}, and {target.root.label!r} has pictures: {_listed(named)}",
                f"mount its disk; {_ANYWAY}",
            )


def could_lose_much(edits: Edits, survey: Survey, base: Tree) -> bool:
    """Whether the listing alone leaves it possible that the second guard will refuse.

    edits: of a survey whose files are not read yet, as if every key that is known had a vector.
    """
    worst = [*edits.changes, *((path, old, None) for path, old in edits.unreached)]
    return any(_excess(keys, base, label) for label, keys in _losses(worst, survey, Counter()).items())


def loses_little(edits: Edits, survey: Survey, base: Tree, key_size: int) -> None:
    """After hashing: refuse where more than 20 and more than 30 % of a root's pictures would lose their last path."""
    changes = edits.changes
    if sum(old is not None for _, old, _ in changes) <= LOSS_COUNT:
        return
    named = after(occurrences(base, touched(changes), key_size), changes)
    for label, keys in _losses(changes, survey, named).items():
        total = _excess(keys, base, label)
        if total:
            first = [(path, key) for key, path in sorted(keys.items(), key=lambda pair: pair[1])[:10]]
            raise Refused(
                f"{len(keys)} of the {total} pictures of {os.fsdecode(label)!r} would be named by no path any more: "
                f"{_listed(first)}",
                f"check that the right disk is mounted; {_ANYWAY}",
            )


def _losses(changes: Iterable[Change], survey: Survey, named: Counter[bytes]) -> dict[bytes, dict[bytes, bytes]]:
    """The pictures that no path would name any more: label -> {key: one of the paths that named it}.

    What a new exclude hides is no loss: it was asked for.
    """
    lost: dict[bytes, dict[bytes, bytes]] = {}
    for path, old, new in changes:
        if old is not None and old != new and named[old] <= 0 and not (new is None and survey.hides(path)):
            lost.setdefault(path.partition(b"/")[0], {}).setdefault(old, path)
    return lost


def _excess(lost: dict[bytes, bytes], base: Tree, label: bytes) -> int:
    """The number of a root's pictures if losing these is more than the guard lets pass, else 0."""
    if len(lost) <= LOSS_COUNT:
        return 0
    total = len({key for _, key in base.under(label)})
    return total if 100 * len(lost) > LOSS_PERCENT * total else 0


def _first(aliases: Iterable[Alias]) -> list[Alias]:
    return list(islice(aliases, 10))


def _listed(aliases: list[Alias]) -> str:
    return ", ".join(ascii(os.fsdecode(path))[1:-1] if not path.isascii() else os.fsdecode(path) for path, _ in aliases)
