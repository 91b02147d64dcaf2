"""Reports what a scan passed over. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping

from vstore.errors import UsageError
from vstore.pictures import passed_over as kinds
from vstore.pictures.elsewhere import ABSENT, Elsewhere, reason_of
from vstore.pictures.extras import needs
from vstore.pictures.failures import PictureFailure
from vstore.pictures.formats import OPTIONAL
from vstore.pictures.left_out import WORDS, taking_in
from vstore.sync.report import PassedOver

_MOST = 100  # extensions of other files that a report names
_REASONS = {
    **WORDS,
    kinds.OTHER: "other files",
    kinds.PICTURE: "pictures of a kind that vstore does not read",
    kinds.BROKEN: "links that lead nowhere",
    kinds.LINK: "symlinked folders are not entered",
    kinds.DISK: "folders on other disks are not entered",
}


def passed_over(found: kinds.PassedOver, troubles: Mapping[bytes, PictureFailure]) -> tuple[PassedOver, ...]:
    """List what was passed over: kinds in a fixed order, of each the most frequent names first.

    troubles: of files read; those that were pointers to a content elsewhere count, too.
    """
    every = dict(found)
    for path, trouble in sorted(troubles.items()):
        if isinstance(trouble, Elsewhere):
            kinds.note(every, ABSENT, trouble.program, path)
    _fold_rare(every)
    rows = sorted((kinds.KINDS.index(kind), -count, name, path) for (kind, name), (count, path) in every.items())
    return tuple(_row(kinds.KINDS[at], name, -count, path) for at, count, name, path in rows)


def _fold_rare(every: kinds.PassedOver) -> None:
    """Count the rarest extensions together, without a name: some programs give each file its own."""
    others = sorted((-count, name) for (kind, name), (count, _) in every.items() if kind == kinds.OTHER and name)
    for _, name in others[_MOST:]:
        kinds.add(every, {(kinds.OTHER, ""): every.pop((kinds.OTHER, name))}, b"")


def no_pictures(folder: bytes, found: kinds.PassedOver) -> UsageError:
    """Return the refusal of a new folder without pictures, with what it has instead."""
    instead = f", only {kinds.in_words(found)}" if found else ""
    extras = sorted(name for kind, name in found if kind == kinds.EXTRA)
    step = _of_extra(extras[0]) if extras else "name a folder of pictures; --include GLOB adds other file names"
    return UsageError(f"{os.fsdecode(folder)} holds no pictures{instead}", step)


def _row(kind: str, name: str, count: int, path: bytes) -> PassedOver:
    take_in = {kinds.LINK: "--follow-symlinks", kinds.DISK: "--cross-file-systems"}.get(kind)
    if kind in WORDS:
        import shlex  # most folders have nothing of this kind

        take_in = f"--exclude {shlex.quote(taking_in(name))}"
    reason = reason_of(name) if kind == ABSENT else _of_extra(name) if kind == kinds.EXTRA else _REASONS[kind]
    return PassedOver(kind, name, count, path=path, reason=reason, take_in=take_in)


def _of_extra(extra: str) -> str:
    return needs(next(package for package in OPTIONAL.values() if package.extras[0] == extra)).reason
