"""The pictures of a search as a notebook shows them, and as a page of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vstore.counts import counted
from vstore.errors import VstoreError
from vstore.gallery.page import Card, data_url, text
from vstore.gallery.thumbnails import UNREADABLE, Missing, Shown, Wanted, thumbnails
from vstore.gallery.write import GalleryReport, Section, write_gallery
from vstore.repository.acquaintance import PictureSource

if TYPE_CHECKING:
    from vstore.paths import AnyPath
    from vstore.progress import Progress
    from vstore.search.hit import Hit

_MOST = 50  # pictures that a notebook shows
_SIDE = 160  # pixels of one there
_BOX = f"width:{_SIDE}px;height:{_SIDE}px"
_NONE = f'<div style="{_BOX};display:flex;align-items:center;justify-content:center;background:#8882">no picture</div>'


def shown(hits: Sequence[Hit], notes: Sequence[str], source: PictureSource | None, nothing: str = "") -> str:
    """Write the hits of a search as HTML. Raises nothing: a picture that cannot be shown is a grey box.

    notes:   lines that stand above them.
    source:  the way to the pictures; None where nobody may look. Without it no picture is shown.
    nothing: stands there without hits.
    """
    said = "".join(f"<p>{text(note)}</p>" for note in notes)
    if not hits:
        return f"{said}<p>{text(nothing)}</p>"
    some = hits[:_MOST]
    try:
        pictures: list[Shown | Missing] = list(thumbnails(source or PictureSource(), map(_wanted, some)))
    except VstoreError:  # no process can be started; the cache is damaged
        pictures = [UNREADABLE] * len(some)
    figures = "".join(map(_figure, some, pictures))
    more = f"<p>… {len(hits) - _MOST:,} more</p>" if len(hits) > _MOST else ""
    return f'{said}<div style="display:flex;flex-wrap:wrap;gap:8px">{figures}</div>{more}'


def write_hits(
    hits: Sequence[Hit],
    notes: Sequence[str],
    source: PictureSource | None,
    out: AnyPath,
    *,
    snapshot: str,
    title: str,
    links: bool,
    nothing: str,
    progress: Progress | None,
) -> GalleryReport:
    """Write the hits of a search to a page of their own.

    notes:   lines above them.
    links:   each leads to its file.
    nothing: stands there without hits.
    Raises:  as `SearchReport.to_html`.
    """
    first = (f"{counted(len(hits), 'picture')} of {snapshot}, the most similar first",) if hits else (nothing,)
    return write_gallery(
        out,
        source or PictureSource(),
        snapshot=snapshot,
        title=title,
        lines=(*first, *notes),
        sections=(Section("", "", [_card(hit, links) for hit in hits]),) if hits else (),
        progress=progress,
    )


def _card(hit: Hit, links: bool) -> Card:
    files = [None if file in hit.unnamed else file for file in hit.files] if links else []
    lines = ["one colour"] * hit.flat
    if hit.collapsed:
        lines.append(f"and {counted(len(hit.collapsed), 'near-duplicate')}")
    return Card(_wanted(hit), files, f"{hit.score:.3f}", tuple(lines))


def _wanted(hit: Hit) -> Wanted:
    return Wanted(hit.key, hit.paths)


def _figure(hit: Hit, picture: Shown | Missing) -> str:
    path = text(hit.path)
    name = text(os.path.basename(hit.path.rstrip("/")))
    image = _NONE
    if isinstance(picture, Shown):
        image = f'<img src="{data_url(picture.thumb)}" alt="{name}" style="{_BOX};object-fit:contain">'
    caption = (
        f'<figcaption style="width:{_SIDE}px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap">'
        f"{hit.score:.3f}<br>{name}</figcaption>"
    )
    return f'<figure title="{path}" style="margin:0;font-size:12px">{image}{caption}</figure>'
