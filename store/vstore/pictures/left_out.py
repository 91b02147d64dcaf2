"""Folders that no scan enters unless it is told to: recycle bins, older states and previews of other programs. Pure.

Their pictures are copies, or were deleted. Originals are pictures, wherever a program keeps them: `.picasaoriginals`
is listed only because it is hidden.
"""

from __future__ import annotations

import re

from vstore.quick_tuple import NamedTuple

DELETED, OLDER, PREVIEWS, ORIGINALS = "deleted", "older", "previews", "originals"
WORDS = {
    DELETED: "deleted files",
    OLDER: "older states of files",
    PREVIEWS: "previews",
    ORIGINALS: "originals of edited pictures",
}
"""What a kind of folder holds, in words."""

_NAMES = {
    DELETED: (
        "#recycle",  # Synology
        "@recycle",  # QNAP, Asustor
        "$recycle.bin",  # Windows
        "recycler",
        ".recycle",  # Samba
        ".recycle.bin",  # unRAID
        "trashbox",  # Buffalo
        ".trash",
        ".trashes",  # macOS, on other disks than its own
        "network trash folder",
        ".dtrash",  # digiKam
        "files_trashbin",  # Nextcloud
        ".dropbox.cache",
    ),
    OLDER: (
        "#snapshot",  # Synology
        "@recently-snapshot",  # QNAP
        ".snapshot",  # NetApp
        "~snapshot",
        ".snapshots",  # snapper
        ".zfs",
        ".stversions",  # Syncthing
        "files_versions",  # Nextcloud
        "system volume information",
    ),
    PREVIEWS: (
        "@eadir",  # Synology
        ".@__thumb",  # QNAP
        "@__thumb",
        ".wdmc",  # WD My Cloud
        "thumbs",  # Immich, and many programs
        ".thumbs",
        "_thumbs",
        ".thumbnails",  # Android, and GNOME
        "_thumbnails",
        "thmbnl",  # cameras of Sony
    ),
    ORIGINALS: (".picasaoriginals",),
}
_KINDS = {name: kind for kind, names in _NAMES.items() for name in names}
# Compiled when one is needed: each run would pay for it, and few meet such a name.
_FAMILY = (
    r"(?P<deleted>\.trash-\d+)"  # one for each user of a Linux desktop
    r"|(?P<older>@gmt-\d{4}\.\d\d\.\d\d-\d\d\.\d\d\.\d\d)"  # Samba
    r"|(?P<previews>.*\.lrdata|lightroom .*previews"  # Lightroom
    r"|mipmaps-.+\.d"  # darktable
    r"|.+\.trickplay)"  # Jellyfin
)
_BEGINS, _SUFFIXES = ".@lm", (".lrdata", ".trickplay")  # of the names of all families
_LIBRARY = r"(?:[^/]*\.(?:photos|migratedphoto|photo|ap|migratedap)library|iphoto library)"  # Photos, iPhoto, Aperture
_WITHIN = (
    rf".*/{_LIBRARY}/(?:thumbnails|previews|resources/(?:proxies|modelresources|caches)(?:/.*)?)",
    rf".*/{_LIBRARY}/(?:resources|scopes)/(?:.*/)?derivatives",
    r".*/appdata_[^/]+/preview",  # Nextcloud
    r".*/cache/thumbnails",  # PhotoPrism, Capture One
)
_ENDS = frozenset({"thumbnails", "previews", "proxies", "modelresources", "caches", "derivatives", "preview"})
_RARE = _ENDS | _KINDS.keys()


class LeftOut(NamedTuple):
    """A folder that is left out by default.

    name: its own name.
    kind: deleted, older, previews or originals.
    """

    name: str
    kind: str


def may_be_left_out(name: str) -> bool:
    """Tell whether a folder of this name may be one that is left out: a scan asks it of each folder."""
    folded = name.casefold()
    return folded in _RARE or folded[:1] in _BEGINS or folded.endswith(_SUFFIXES)


def left_out(path: str) -> LeftOut | None:
    """Tell what a folder is left out for, by its name and those above it; None if it is like any other.

    path: absolute, as a name may mean something in one place alone.
    """
    name = path[path.rfind("/") + 1 :]
    if not may_be_left_out(name):
        return None
    folded = name.casefold()
    kind = _KINDS.get(folded)
    if kind is None:
        family = re.fullmatch(_FAMILY, folded)
        kind = family.lastgroup if family else None
    if kind is None and folded in _ENDS and any(re.fullmatch(place, path.casefold()) for place in _WITHIN):
        kind = PREVIEWS
    return None if kind is None else LeftOut(name, kind)


def taking_in(name: str) -> str:
    """Return the pattern that takes folders of this name in."""
    return "!" + re.sub(r"([\\*?\[\]])", r"\\\1", name) + "/"
