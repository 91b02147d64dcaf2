"""The pictures of a search as a notebook shows them: thumbnails in the page itself, and their names."""

from __future__ import annotations

import binascii
import io
import os
import re
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from vstore.format.hashing import HASHES
from vstore.pictures.picture_file import read_regular

if TYPE_CHECKING:
    from vstore.search.hit import Hit

_MOST = 50  # pictures that are shown
_SIDE = 160  # pixels of a thumbnail
_TRIES = 5  # files of one picture
_LARGEST = 1 << 30  # bytes of a picture
_BOX = f"width:{_SIDE}px;height:{_SIDE}px"
_NONE = f'<div style="{_BOX};display:flex;align-items:center;justify-content:center;background:#8882">no picture</div>'

FileToOpen = Callable[[bytes], "bytes | None"]


def shown(hits: Sequence[Hit], notes: Sequence[str], file_to_open: FileToOpen | None) -> str:
    """Write the hits of a search as HTML. Raises nothing: a picture that cannot be shown is a grey box.

    notes:        lines that stand above them.
    file_to_open: finds the file of a stored path; None where nobody may look. Without it no picture is shown.
    """
    said = "".join(f"<p>{_text(note)}</p>" for note in notes)
    figures = "".join(_figure(hit, file_to_open) for hit in hits[:_MOST])
    more = f"<p>… {len(hits) - _MOST:,} more</p>" if len(hits) > _MOST else ""
    if not hits:
        return f"{said}<p>no pictures</p>"
    return f'{said}<div style="display:flex;flex-wrap:wrap;gap:8px">{figures}</div>{more}'


def _figure(hit: Hit, file_to_open: FileToOpen | None) -> str:
    path = _text(hit.path)
    name = _text(os.path.basename(hit.path.rstrip("/")))
    picture = None if file_to_open is None else _thumbnail(hit, file_to_open)
    image = _NONE if picture is None else f'<img src="{picture}" alt="" style="{_BOX};object-fit:contain">'
    caption = (
        f'<figcaption style="width:{_SIDE}px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap">'
        f"{hit.score:.3f}<br>{name}</figcaption>"
    )
    return f'<figure title="{path}" style="margin:0;font-size:12px">{image}{caption}</figure>'


def _text(text: str) -> str:
    """Escape a text. Half characters, and what is not UTF-8 in a path, cannot be shown."""
    return escape(re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text), quote=True)


def _thumbnail(hit: Hit, file_to_open: FileToOpen) -> str | None:
    """Make a thumbnail of the first file that still holds the picture. Returns: a data URL; None if none does."""
    for path in hit.paths[:_TRIES]:
        try:
            file = file_to_open(path)
            if file is not None and (data := _content(file, hit.key)) is not None:
                return _small(data)
        except Exception:  # a picture that is broken, a folder that is gone: there is no picture to show
            continue
    return None


def _content(file: bytes, key: bytes) -> bytes | None:
    """Read a file. None if it holds another picture now. Raises: OSError."""
    data = read_regular(file, _LARGEST)
    (digest,) = (known.digest for known in HASHES.values() if known.size == len(key))
    return data if digest(data) == key else None


def _small(data: bytes) -> str:
    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import preparation_2, preparation_of

    picture, _ = prepare(data, preparation_of({"prepare": preparation_2(_SIDE)}))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{binascii.b2a_base64(out.getvalue(), newline=False).decode()}"
