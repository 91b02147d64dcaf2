"""A page of pictures in one file: it loads nothing, runs nothing, and names in it are text alone."""

from __future__ import annotations

import binascii
import hashlib
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from urllib.parse import quote_from_bytes

from vstore._version import __version__
from vstore.counts import counted
from vstore.disk.thumbs import Thumb
from vstore.gallery.thumbnails import Missing, Shown, Wanted
from vstore.quick_tuple import NamedTuple

_JOINERS = "\u200c\u200d"  # within letters and emoji
_STYLE = """
:root{color-scheme:light dark;--page:#f6f6f4;--card:#fff;--line:#dddcd7;--text:#1b1c1e;--soft:#5f6167;--well:#ebebe7;\
--badge:#1b1c1e;--on-badge:#fff;--best:#1a7f4b}
@media(prefers-color-scheme:dark){:root{--page:#141517;--card:#1e2023;--line:#33363b;--text:#eceded;--soft:#a3a7ae;\
--well:#101113;--badge:#eceded;--on-badge:#141517;\
--best:#4cc38a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1600px;padding:24px 24px 40px;background:var(--page);color:var(--text);\
font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{margin:0 0 4px;font-size:22px;line-height:1.25;font-weight:650;overflow-wrap:anywhere}
h2{margin:32px 0 12px;padding-top:16px;border-top:1px solid var(--line);font-size:16px;font-weight:650;\
overflow-wrap:anywhere}
p{margin:0 0 4px;color:var(--soft);overflow-wrap:anywhere}
h2+p{margin:-8px 0 12px}
header{margin-bottom:20px}
footer{margin-top:32px;color:var(--soft);font-size:13px}
ul{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:16px;margin:0;padding:0;list-style:none}
li{display:flex;flex-direction:column;min-width:0;overflow:hidden;background:var(--card);\
border:1px solid var(--line);border-radius:10px}
li.new{grid-column-start:1}
li.best{border-color:var(--best);box-shadow:0 0 0 1px var(--best)}
ul.pairs{grid-template-columns:repeat(auto-fill,minmax(200px,1fr) minmax(200px,1fr));column-gap:0;margin:0 -8px}
.pairs li:nth-child(odd){margin-left:8px;border-right-color:transparent;border-radius:10px 0 0 10px}
.pairs li:nth-child(even){margin-right:8px;border-radius:0 10px 10px 0}
.well{position:relative;display:flex;align-items:center;justify-content:center;aspect-ratio:6/5;padding:8px;\
background:var(--well);color:var(--soft);text-decoration:none;text-align:center}
.well:focus-visible,summary:focus-visible{outline:3px solid #2f7de1;outline-offset:-3px}
img{position:absolute;inset:8px;width:calc(100% - 16px);height:calc(100% - 16px);object-fit:scale-down}
.mark{z-index:1;position:absolute;left:8px;top:8px;padding:1px 8px;border-radius:99px;background:var(--badge);\
color:var(--on-badge);font-size:12px;font-variant-numeric:tabular-nums}
.about{padding:10px 12px 12px;font-size:13px;color:var(--soft)}
.about div{overflow-wrap:anywhere}
.about .name{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:3;overflow:hidden;color:var(--text);\
font-size:14px;font-weight:550}
details{margin-top:4px}
summary{cursor:pointer}
@media(max-width:560px){body{padding:16px 12px 32px}\
ul,ul.pairs{grid-template-columns:repeat(2,minmax(0,1fr));gap:10px}ul.pairs{column-gap:0}\
.about{padding:8px 10px 10px}}
@media print{body{max-width:none}li{break-inside:avoid}}
"""


class Card(NamedTuple):
    """A picture on a page.

    wanted:   the picture. The first of its paths at which it is stands below it.
    files:    the file of each path, for a link; None for none.
    mark:     a word on it, such as its score.
    lines:    more lines below its name.
    is_dated: the size and the date of its file are told.
    is_first: it begins a new line of pictures.
    is_best:  it stands out from the others.
    path:     the stored path that stands below it, and no other; None for those of the picture.
    """

    wanted: Wanted
    files: Sequence[bytes | None] = ()
    mark: str = ""
    lines: tuple[str, ...] = ()
    is_dated: bool = False
    is_first: bool = False
    is_best: bool = False
    path: bytes | None = None


def head(title: str, lines: Iterable[str]) -> str:
    """Write the beginning of a page. lines: stand below its title."""
    digest = binascii.b2a_base64(hashlib.sha256(_STYLE.encode()).digest(), newline=False).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    said = "".join(f"<p>{text(line)}</p>\n" for line in lines)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{text(title)}</h1>\n{said}</header>\n<main>\n"
    )


def foot() -> str:
    """Write the end of a page."""
    return f"</main>\n<footer>Made by vstore {__version__}</footer>\n</body>\n</html>\n"


def heading(title: str, line: str = "") -> str:
    """Write the heading of some pictures. line: stands below it."""
    return f"<h2>{text(title)}</h2>\n" + (f"<p>{text(line)}</p>\n" if line else "")


def item(card: Card, picture: Shown | Missing) -> str:
    """Write a picture, with its name."""
    paths = card.wanted.paths
    found = picture.path if isinstance(picture, Shown) else paths[0]
    path = found if card.path is None else card.path
    folder, name = os.path.split(path)
    shown, mark = path_text(name), f'<span class="mark">{text(card.mark)}</span>' if card.mark else ""
    lines = [path_text(folder) + "/"] if folder else []
    lines += map(text, card.lines)
    file = None
    if isinstance(picture, Shown):
        thumb = picture.thumb
        file = dict(zip(paths, card.files, strict=False)).get(found)
        inner = f'<img src="{data_url(thumb)}" alt="{shown}" decoding="async">'
        if card.is_dated:
            lines.append(_facts(thumb))
    else:
        inner = f"<span>{text(picture.reason)}</span>"
    tag, link = ("div", "") if file is None else ("a", f' href="file://{quote_from_bytes(file)}"')
    about = "".join(f"<div>{line}</div>" for line in lines)
    if more := [other for other in paths if other != path and card.path is None]:
        others = "".join(f"<div>{path_text(other)}</div>" for other in more)
        about += f"<details><summary>and {counted(len(more), 'other path')}</summary>{others}</details>"
    classes = " ".join(["new"] * card.is_first + ["best"] * card.is_best)
    begin = f'<li class="{classes}">' if classes else "<li>"
    return (
        f'{begin}<{tag} class="well"{link}>{inner}{mark}</{tag}>'
        f'<div class="about"><div class="name" title="{shown}">{shown}</div>{about}</div></li>\n'
    )


def _facts(picture: Thumb) -> str:
    size, changed = picture.stat[0], picture.stat[1] / 1e9
    try:
        date = f"{datetime.fromtimestamp(changed):%Y-%m-%d %H:%M}, "
    except (ValueError, OSError, OverflowError):
        date = ""
    return f"{date}{byte_size(size)}, {picture.width}\u202f×\u202f{picture.height}"


def byte_size(size: int) -> str:
    """Format a number of bytes: `9.8 KiB`."""
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"


def data_url(picture: Thumb) -> str:
    """Write a thumbnail as an address that holds it."""
    return f"data:image/jpeg;base64,{binascii.b2a_base64(picture.jpeg, newline=False).decode()}"


def path_text(path: bytes) -> str:
    """Escape a path. What is not UTF-8 in it cannot be shown."""
    return text(path.decode("utf-8", "replace"))


def text(value: str) -> str:
    """Escape a text. What steers a line, halves of characters and what is no character stand as a sign."""
    seen = "".join(c if c.isprintable() or c in _JOINERS else "\N{REPLACEMENT CHARACTER}" for c in value)
    return escape(seen, quote=True)
