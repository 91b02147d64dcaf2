"""Groups of duplicates as a page of their own."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vstore.counts import counted
from vstore.gallery.page import Card, byte_size
from vstore.gallery.thumbnails import Wanted
from vstore.gallery.write import GalleryReport, Section, write_gallery
from vstore.search.groups import ALIKE, BYTES, PIXELS, Group, Picture

if TYPE_CHECKING:
    from vstore.paths import AnyPath
    from vstore.progress import Progress
    from vstore.repository.acquaintance import PictureSource
    from vstore.repository.files import Files

_GONE = os.strerror(errno.ENOENT)  # said where its picture would be


def write_groups(
    groups: Sequence[Group],
    notes: Sequence[str],
    where: Files,
    source: PictureSource,
    out: AnyPath,
    *,
    snapshot: str,
    title: str,
    loose: bool,
    progress: Progress | None,
) -> GalleryReport:
    """Write groups of duplicates to a page. Raises: as `DupesReport.to_html`.

    notes: lines above them.
    where: finds the files of the stored paths.
    loose: pictures are like the first of their group, and not all of them alike.
    """
    copies, wasted = sum(group.copies for group in groups), byte_size(sum(group.wasted for group in groups))
    counts = f"{counted(len(groups), 'group')} of {snapshot}, {copies:,} {'copy' if copies == 1 else 'copies'}"
    return write_gallery(
        out,
        source,
        snapshot=snapshot,
        title=title,
        lines=(f"{counts}, {wasted} wasted" if groups else f"{snapshot} holds no such duplicates", *notes),
        sections=[_section(group, number, where, loose=loose) for number, group in enumerate(groups, 1)],
        progress=progress,
    )


def _section(group: Group, number: int, where: Files, *, loose: bool) -> Section:
    verdict = group.verdict
    line = f"{byte_size(group.wasted)} wasted"
    if verdict.whole:
        line += ", all decided"
    elif verdict.same + verdict.keep:
        line += f", {verdict.same + verdict.keep:,} of {counted(verdict.pairs, 'pair')} decided"
    return Section(f"{number:,}. {_heading(group, loose=loose)}", line, [*_cards(group, where)], is_whole=True)


def _heading(group: Group, *, loose: bool) -> str:
    files = counted(len(group.paths), "file")
    if group.tier != ALIKE:
        return f"{files} with the same {group.tier}"
    frames = sum(picture.burst for picture in group.pictures)
    like = "like the first" if loose else "alike"
    least = "" if group.least is None else f" (score {group.least:.3f} or more)"
    return f"{files} that look {like}{least}" + (f", {frames:,} of a burst" if frames else "")


def _cards(group: Group, where: Files) -> Iterator[Card]:
    """Yield a card for each file: copies are files, and each has a place and a date of its own."""
    best = {one.path: one.why for one in group.best}
    part = 0
    for picture in group.pictures or (Picture(group.key, 1.0, group.paths),):
        for at, path in enumerate(picture.paths):
            lines = [f"best: {best[path]}"] if path in best else []
            lines += [trouble] if (trouble := group.troubles.get(path, _GONE)) != _GONE else []
            lines += ["of a burst"] * picture.burst
            yield Card(
                Wanted(picture.key, (path,)),
                [None if where.is_unnamed(path) else where.file_of(path)],
                _mark(picture, at) if group.pictures else "",
                tuple(lines),
                is_dated=True,
                is_first=picture.part != part,
                is_best=path in best,
            )
            part = picture.part


def _mark(picture: Picture, at: int) -> str:
    """Tell how like a file is to those before it. at: its place among those of its picture."""
    return f"same {BYTES}" if at else f"same {PIXELS}" if picture.tier == PIXELS else f"{picture.score:.3f}"
