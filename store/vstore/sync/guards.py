"""Guards that stop a sync before it writes anything: an unmounted disk must not empty an index."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from vstore.counts import counted
from vstore.errors import Refused
from vstore.format.pages import Alias
from vstore.format.tree import Tree
from vstore.intake.survey import GONE, Survey
from vstore.intake.targets import Target
from vstore.quoting import quoted
from vstore.repository.files import Files
from vstore.repository.places import is_below, is_gone
from vstore.sync.disks import changed_disk
from vstore.sync.edits import Edits
from vstore.sync.occurrences import after, occurrences, touched

if TYPE_CHECKING:  # a sync without news asks nothing of them
    from vstore.sync.losses import Before, Losses, Lost

LOSS_PERCENT = 30  # of the pictures of a folder; losing more than this and
LOSS_COUNT = 20  # more than this many counts as an accident
WEEK_PERCENT = 50  # of the pictures that a folder had in its fullest snapshot of the last days
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
        had = base.count_under(target.prefix)
        if had and not allowed:
            files = Files({os.fsencode(target.root.label): target.place}).file_of
            raise Refused(
                f"{os.fsdecode(target.place)} is missing, and {_had(target, had)}",
                _moved_or_gone(target),
                named=_opened(_first(base.under(target.prefix)), files),
                about=f"missing {target.root.label}",
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
        named = [a for a in base.under(target.prefix) if a[0] not in survey.unsure and not survey.hides(a[0])]
        named = _without_trash(named, target)
        if named:
            what = "cannot be listed" if target.prefix in survey.unlisted else "holds no pictures"
            if target.prefix in survey.troubled:
                what += f" ({survey.troubled[target.prefix].reason})"
            raise Refused(
                f"{os.fsdecode(target.place)} {what}, and {_had(target, len(named))}",
                f"mount its disk; {_ANYWAY}",
                named=_opened(named, survey.file_of),
                about=f"empty {target.root.label}",
            )


def _without_trash(named: list[Alias], target: Target) -> list[Alias]:
    """Leave out what a plan moved to the trash of a folder: its disk is there."""
    from vstore.pictures.trash import finder_in_trash

    start = len(os.fsencode(target.root.label)) + 1
    is_in_trash = finder_in_trash(target.place)
    return [alias for alias in named if not is_in_trash(alias[0][start:])]


def could_lose_much(edits: Edits, survey: Survey, before: Before) -> bool:
    """Tell from the listing alone whether `loses_little` may refuse.

    edits: of a survey before its files are read, as if every known key had a vector.
    """
    from vstore.sync.losses import Losses

    return next(_accidents(Losses(edits.changes, survey, before, None)), None) is not None


def loses_little(edits: Edits, survey: Survey, before: Before, key_size: int) -> None:
    """After hashing: refuse if more than 20 pictures of a folder would lose their last path, and these are

    - all pictures of a subfolder that is or was a mount point, or that is another folder than before; or
    - more than 30 % of the folder; or
    - with those lost in the last 7 days, more than 50 % of what it had in its fullest snapshot of that time.

    A picture is lost if no file has its key, and there is no file at its path: one that was edited, or written over, is
    not.
    """
    from vstore.sync.losses import Losses

    for accident in _accidents(Losses(edits.changes, survey, before, key_size)):
        raise accident


def _accidents(losses: Losses) -> Iterator[Refused]:
    """Yield what the guard says of each folder that loses too much."""
    for label, lost in losses.by_label.items():
        yield from _lost_disks(losses, label, lost)
        total = _excess(lost, losses.before.tree, label)
        if total:
            named = _by_path(lost)
            yield Refused(
                f"This sync would remove {len(lost):,} of the {counted(total, 'picture')} in {_name(label)!r}",
                f"check that the right disk is mounted; {_ANYWAY}",
                named=_opened(named, losses.file_of),
                about=f"loss {_name(label)}",
            )
        yield from _lost_in_a_week(losses, label, len(lost))


def _lost_disks(losses: Losses, label: bytes, lost: Lost) -> Iterator[Refused]:
    """Yield what is said of subfolders that lose all pictures, and may lack their disk."""
    if len(lost) <= LOSS_COUNT:
        return
    emptied = losses.emptied(label, LOSS_COUNT)
    if not emptied:
        return
    now = losses.before.spots_now(label, [one.folder for one in emptied])
    earlier = losses.before.spots(label)
    for one in emptied:
        why = changed_disk(earlier.get(one.folder), now.get(one.folder), is_empty=one.is_empty)
        if why is not None:
            folder = _name(_shorter(losses.file_of(one.folder)))
            yield Refused(
                f"{folder} {why}, and this sync would remove its {counted(len(one.lost), 'picture')}",
                f"mount its disk; {_ANYWAY}",
                named=_opened(one.lost, losses.file_of),
                about=f"disk {_name(one.folder)}",
            )


def _lost_in_a_week(losses: Losses, label: bytes, now: int) -> Iterator[Refused]:
    """Yield what is said of a folder that loses few pictures now, and has lost many in a week."""
    full = losses.before.fullest(label)
    if full is None:
        return
    lost = losses.since(full.tree, label)
    if len(lost) <= LOSS_COUNT:
        return
    total = len({key for _, key in full.tree.under(label)})
    if 100 * len(lost) > WEEK_PERCENT * total:
        yield Refused(
            f"This sync would remove {counted(now, 'picture')} of {_name(label)!r}; with those that went before, "
            f"{len(lost):,} of the {counted(total, 'picture')} that it had in {full.name} would be gone",
            f"see what went: vstore snapshot diff {quoted(full.name)}; check that the right disk is mounted; {_ANYWAY}",
            named=_opened(_by_path(lost), losses.file_of),
            about=f"week {_name(label)}",
        )


def spoils_little(edits: Edits, survey: Survey, base: Tree, key_size: int) -> None:
    """Before the last commit: refuse if so many pictures of a folder would lose their last path to unreadable bytes."""
    changes = edits.every()
    if sum(new is None and old is not None for _, old, new in changes) <= LOSS_COUNT:
        return
    from vstore.sync.losses import lost_keys

    spoilt = {path for path, _ in edits.dropped}
    named = after(occurrences(base, touched(changes), key_size), changes)
    for label, lost in lost_keys((c for c in changes if c[0] in spoilt), survey, named).items():
        total = _excess(lost, base, label)
        if total:
            raise Refused(
                f"{len(lost):,} of the {counted(total, 'picture')} in {_name(label)!r} cannot be read as pictures any "
                "more, and this sync would remove them",
                f"look at the files; {_ANYWAY}",
                named=_opened(_by_path(lost), survey.file_of),
                about=f"spoilt {_name(label)}",
            )


def went_while_read(survey: Survey, base: Tree, after: Tree) -> None:
    """Before the last commit: refuse if a folder would lose all pictures, and some of its files went since the scan.

    Its disk was taken away, or it was moved, while the sync ran. base, after: the aliases before and after.
    """
    for target in survey.targets:
        if target.under or target.gone or not (had := base.count_under(target.prefix)):
            continue
        if next(after.under(target.prefix), None) is None and any(
            chunk.count(GONE) for chunk in survey.chunks if is_below(chunk.folder, target.prefix)
        ):
            raise Refused(
                f"the files of {os.fsdecode(target.place)} went while it was read, and {_had(target, had)}",
                _moved_or_gone(target),
                named=_opened(_first(base.under(target.prefix)), survey.file_of),
                about=f"went {target.root.label}",
            )


def _excess(lost: Lost, base: Tree, label: bytes) -> int:
    """Return the number of a folder's pictures if the guard does not let these be lost, else 0."""
    if len(lost) <= LOSS_COUNT:
        return 0
    total = len({key for _, key in base.under(label)})
    return total if 100 * len(lost) > LOSS_PERCENT * total else 0


def _by_path(lost: Lost) -> list[Alias]:
    return sorted((path, key) for key, path in lost.items())


def _moved_or_gone(target: Target) -> str:
    label = quoted(target.root.label)
    return f"mount its disk, or name its new place: vstore sync NEW_PLACE --as {label}; {_ANYWAY}"


def _had(target: Target, paths: int) -> str:
    return f"{target.root.label!r} has {counted(paths, 'path')}"


def _first(aliases: Iterable[Alias]) -> list[Alias]:
    return list(islice(aliases, 10))


def _opened(aliases: Sequence[Alias], file_of: Callable[[bytes], bytes | None]) -> str:
    """List the first files as they are, or were, opened from the working folder."""
    return ", ".join(_name(_shorter(file_of(path) or path)) for path, _ in aliases[:10])


def _shorter(file: bytes) -> bytes:
    try:
        relative = os.path.relpath(file)
    except OSError:  # the working folder is gone
        return file
    return relative if len(relative) < len(file) else file


def _name(path: bytes) -> str:
    shown = os.fsdecode(path)
    return shown if shown.isascii() else ascii(shown)[1:-1]
