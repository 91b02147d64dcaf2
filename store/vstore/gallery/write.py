"""Writes a page of pictures to a new file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vstore.disk import target
from vstore.format.canonical import Json, named
from vstore.gallery.page import Card, foot, head, heading, item
from vstore.gallery.thumbnails import Missing, thumbnails
from vstore.paths import AnyPath, as_path
from vstore.progress import Progress, Stages
from vstore.quick_tuple import NamedTuple
from vstore.repository.acquaintance import PictureSource

MOST = 1000  # pictures of a page: some ten megabytes


class GalleryReport(NamedTuple):
    """A page of pictures that was written.

    snapshot: the snapshot of the pictures.
    out:      the file.
    pictures: all that were found.
    shown:    those that are on the page, with a picture or without.
    missing:  those of them that stand there without a picture: it is gone, changed, cannot be read or decoded, or
              nobody may look.
    bytes:    bytes of the file.
    """

    snapshot: str
    out: str
    pictures: int
    shown: int
    missing: int
    bytes: int

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), **named("out", self.out)}


class Section(NamedTuple):
    """Some pictures under one heading.

    title: the heading; empty for none.
    line:  what stands below it.
    cards: the pictures.
    is_whole: all of them are shown, or none: of a page with too many, this section and the later ones are left out.
    pairs: they are pairs, shown side by side, and both or none of them.
    """

    title: str
    line: str
    cards: Sequence[Card]
    is_whole: bool = False
    pairs: bool = False


def write_gallery(
    out: AnyPath,
    source: PictureSource,
    *,
    snapshot: str,
    title: str,
    lines: Sequence[str],
    sections: Sequence[Section],
    progress: Progress | None = None,
) -> GalleryReport:
    """Write a page to a new file. Of more than MOST pictures the first are shown, and the page says so.

    source:   the way to the pictures.
    snapshot: of the pictures.
    title:    stands above all.
    lines:    stand below that.
    Raises:   UsageError if `out` exists, or its folder does not; DiskTrouble, Damage, VstoreError.
    """
    file, pictures = as_path(out), sum(len(section.cards) for section in sections)
    shown = [*_cut(sections, MOST)]
    count, stages, missing = sum(len(some) for _, some in shown), Stages(progress), 0
    if count < pictures:
        lines = (*lines, f"The first {count:,} of {pictures:,} pictures are shown.")

    def write(place: Path) -> None:
        nonlocal missing
        made = thumbnails(source, (card.wanted for _, some in shown for card in some))
        with contextlib.closing(made), target.create(place) as page:
            page.write(head(title, lines).encode())
            for section, some in shown:
                if section.title:
                    page.write(heading(section.title, section.line).encode())
                page.write(b'<ul class="pairs">\n' if section.pairs else b"<ul>\n")
                for card in some:
                    picture = next(made)
                    missing += isinstance(picture, Missing)
                    page.write(item(card, picture).encode())
                    stages.advance()
                page.write(b"</ul>\n")
            page.write(foot().encode())

    target.look(file)
    stages.begin("making thumbnails", count, unit="pictures")
    target.make(file, write)
    stages.close()
    return GalleryReport(snapshot, str(file), pictures, count, missing, file.stat().st_size)


def _cut(sections: Iterable[Section], count: int) -> Iterator[tuple[Section, Sequence[Card]]]:
    """Yield sections with their first pictures, at most `count` in all. The first section is never left out."""
    is_first = True
    for section in sections:
        if not count or (section.is_whole and not is_first and len(section.cards) > count):
            return
        some = section.cards[: count - count % 2 if section.pairs else count]
        count -= len(some)
        if some:
            is_first = False
            yield section, some
