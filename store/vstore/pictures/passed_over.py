"""What a scan passed over, by kind and name: how often, and the first path. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vstore.counts import counted, some
from vstore.pictures.elsewhere import ABSENT
from vstore.pictures.left_out import WORDS

OTHER, PICTURE, BROKEN, LINK, DISK, EXTRA = "other", "picture", "broken", "link", "disk", "extra"
"""Kinds beside those of `left_out`.

other:     files of other kinds; the name is the extension, without the dot.
picture:   files with the extension of a picture that vstore does not read.
broken:    links that lead nowhere.
link:      symlinked folders that are not entered.
disk:      folders on other disks that are not entered.
elsewhere: pictures whose content is not here; the name is the program's that has it.
extra:     pictures that need an optional package; the name is the extra's that installs it.
"""
FILES = (OTHER, PICTURE, BROKEN)  # these together are the other files of a report
FOLDERS = tuple(WORDS)
AWAY = frozenset({ABSENT, EXTRA})  # such a picture is not gone: its path keeps what it had
KINDS = (*FOLDERS, LINK, DISK, ABSENT, EXTRA, *reversed(FILES))

PassedOver = dict[tuple[str, str], tuple[int, bytes]]
"""(kind, name) -> how often, and the first path."""

NONE: PassedOver = {}  # of most folders; never changed
_LONGEST = 12  # characters of an extension: a longer one is part of a name
_CAMERAS = "bay cap ptx raw"
_PAINTED = "psd psb xcf kra ora afphoto clip pdn cpt"
_DRAWN = "svg svgz ai eps emf wmf cdr"
_STORED = (
    "jpm jph jxr wdp hdp bpg flif qoi avifs heics heifs pns hdr exr dds tga "
    "icb vda pcx ppm pgm pbm pnm pam pfm xbm xpm ico cur icns sgi rgb rgba bw ras sun fits fit dcm dicom djvu pcd pct"
)
_PICTURES = frozenset(" ".join((_CAMERAS, _PAINTED, _DRAWN, _STORED)).split())


def note(found: PassedOver, kind: str, name: str, path: bytes) -> None:
    """Count one file or folder."""
    times, first = found.get((kind, name), (0, path))
    found[kind, name] = times + 1, min(first, path)  # whatever the order of the disk


def kind_of(name: str, read: frozenset[str]) -> tuple[str, str]:
    """Return the kind of a file that is not opened, and its extension. read: those of candidates, with the dot."""
    extension = extension_of(name)
    if (meant := name.rstrip()) != name and f".{extension_of(meant)}" in read:
        return PICTURE, f"{extension_of(meant)} + blank"  # which nobody sees
    return (PICTURE if extension in _PICTURES and f".{extension}" not in read else OTHER), extension


def extension_of(name: str) -> str:
    """Return the extension of a file, lower case, without the dot; empty where its name has none that is a word."""
    stem, dot, extension = name.rpartition(".")
    plain = stem and dot and extension.isascii() and extension.isalnum() and not extension.isdigit()
    return extension.lower() if plain and len(extension) <= _LONGEST else ""


def add(found: PassedOver, more: Mapping[tuple[str, str], tuple[int, bytes]], prefix: bytes) -> None:
    """Add what another scan or folder passed over. prefix: stands before its paths."""
    for (kind, name), (times, path) in more.items():
        before, first = found.get((kind, name), (0, prefix + path))
        found[kind, name] = before + times, min(first, prefix + path)


def in_words(found: PassedOver) -> str:
    """List what was passed over, for a message: `3 other files (2 mp4, 1 xmp), 1 folder left out (#recycle)`."""
    said = []
    if files := times(found, FILES):
        said.append(counted(files, "other file") + _bracketed(found, FILES))
    folders = times(found, FOLDERS)
    if folders:
        said.append(f"{counted(folders, 'folder')} left out" + _bracketed(found, FOLDERS))
    if links := times(found, (LINK,)):
        said.append(f"{counted(links, 'symlinked folder')}, entered with --follow-symlinks")
    absent = [name for kind, name in found if kind == ABSENT]
    if absent:
        said.append(f"{counted(times(found, (ABSENT,)), 'picture')} whose content is not here but in {absent[0]}")
    if extra := times(found, (EXTRA,)):
        said.append(f"{counted(extra, 'picture')} of kinds that need an optional package")
    return ", ".join(said)


def _bracketed(found: PassedOver, kinds: Iterable[str]) -> str:
    wanted = frozenset(kinds)
    most = sorted(((-count, name) for (kind, name), (count, _) in found.items() if kind in wanted and name))
    return f" ({some([f'{-count:,} {name}' for count, name in most])})" if most else ""


def times(found: PassedOver, kinds: Iterable[str]) -> int:
    """Count all that was passed over of some kinds."""
    wanted = frozenset(kinds)
    return sum(count for (kind, _), (count, _) in found.items() if kind in wanted)
