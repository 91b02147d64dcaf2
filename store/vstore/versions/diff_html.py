"""The pictures that differ between two snapshots, as a page of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vstore.gallery.page import Card
from vstore.gallery.thumbnails import Wanted
from vstore.gallery.write import MOST, GalleryReport, Section, write_gallery
from vstore.repository.acquaintance import PictureSource

if TYPE_CHECKING:
    from vstore.paths import AnyPath
    from vstore.progress import Progress
    from vstore.repository.files import Files


class Differing(NamedTuple):
    """The pictures that differ.

    before: the name of the first snapshot.
    after:  the name of the second.
    paths:  kind -> stored paths; of renamed pictures, pairs of the old and the new one.
    keys:   the keys of the pictures at these paths in the first and in the second.
    where:  finds the files of the stored paths.
    """

    before: str
    after: str
    paths: Mapping[str, Sequence[tuple[bytes, ...]]]
    keys: Mapping[bytes, tuple[bytes | None, bytes | None]]
    where: Files


def write_diff(
    found: Differing,
    lines: Sequence[str],
    source: PictureSource | None,
    out: AnyPath,
    *,
    title: str,
    progress: Progress | None,
) -> GalleryReport:
    """Write the pictures that differ to a page. lines: stand above them. Raises: as `DiffReport.to_html`."""
    cards = _Cards(found)
    sections = [
        Section(f"{kind.capitalize()}: {len(paths):,}", "", list(cards.of(kind, paths)), pairs=kind == "changed")
        for kind, paths in found.paths.items()
        if paths
    ]
    if sum(len(section.cards) for section in sections) > MOST:
        sections.sort(key=lambda section: len(section.cards))  # few pictures of a kind are seen beside many of another
    return write_gallery(
        out,
        source or PictureSource(),
        snapshot=found.after,
        title=title,
        lines=lines,
        sections=sections,
        progress=progress,
    )


class _Cards:
    """The pictures of a difference, as they are shown."""

    def __init__(self, found: Differing) -> None:
        self._found = found
        self._places: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for path, keys in found.keys.items():
            for key in keys:
                if key is not None:
                    self._places[key].append(path)

    def of(self, kind: str, paths: Sequence[tuple[bytes, ...]]) -> Iterator[Card]:
        """Show the pictures of one kind; those that changed twice, as they were and as they are."""
        for old, new in ((some[0], some[-1]) for some in paths):
            before, after = self._found.keys.get(new, (None, None))
            if kind == "changed":
                yield self._card(new, before, f"in {self._found.before}")
                yield self._card(new, after, f"in {self._found.after}")
            elif kind == "renamed":
                yield self._card(new, after, lines=(f"was {old.decode('utf-8', 'replace')}",))
            else:
                yield self._card(new, before or after)

    def _card(self, path: bytes, key: bytes | None, mark: str = "", lines: tuple[str, ...] = ()) -> Card:
        """Show a picture under one path, from whichever of its paths has its file."""
        paths = tuple(dict.fromkeys((path, *self._places[key or b""])))
        where = self._found.where
        files = [None if where.is_unnamed(one) else where.file_of(one) for one in paths]
        return Card(Wanted(key or b"", paths), files, mark, lines, path=path)
