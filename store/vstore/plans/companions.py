"""Files that belong to a picture by their names: sidecars, and the RAW file of a JPEG. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from vstore.pictures.formats import EXTENSIONS
from vstore.pictures.passed_over import PICTURE, kind_of
from vstore.pictures.raw_kinds import EXTENSIONS as RAW

# Of edits: Apple, Capture One, DxO, exiv2, Nikon, ON1, RawTherapee, Canon, Adobe and darktable; and of a camera, THM.
_SIDECARS = frozenset({".aae", ".cos", ".dop", ".exv", ".nks", ".nksc", ".on1", ".pp3", ".thm", ".vrd", ".xmp"})


def _parts(name: bytes) -> tuple[str, str]:
    """Split a name into its stem and its extension, in any letter case."""
    stem, extension = os.path.splitext(os.fsdecode(name).casefold())
    return stem, extension


def is_sidecar(name: bytes) -> bool:
    """Tell whether a file holds what is said of a picture, and no picture."""
    return _parts(name)[1] in _SIDECARS


def is_raw(name: bytes) -> bool:
    """Tell whether a file is what the sensor of a camera saw."""
    return _parts(name)[1] in RAW


def _is_picture(name: bytes) -> bool:
    return _parts(name)[1] in EXTENSIONS or kind_of(os.fsdecode(name), EXTENSIONS)[0] == PICTURE


class Names:
    """The names in one folder, found by their stems."""

    def __init__(self, names: Iterable[bytes]) -> None:
        self._by_stem: dict[str, list[bytes]] = {}
        for name in names:
            self._by_stem.setdefault(_parts(name)[0], []).append(name)

    def pictures_like(self, name: bytes) -> list[bytes]:
        """Find the other pictures that share the stem of one."""
        return sorted(one for one in self._of(_parts(name)[0]) if one != name and _is_picture(one))

    def sidecars_of(self, name: bytes) -> list[bytes]:
        """Find the sidecars of a picture: of `a.jpg`, `a.xmp` and `a.jpg.xmp`."""
        return sorted(one for one in self._of(_parts(name)[0], os.fsdecode(name).casefold()) if is_sidecar(one))

    def owners_of(self, sidecar: bytes) -> list[bytes]:
        """Find the files that a sidecar may be about: all that share its stem, with or without their own extension."""
        base = _parts(sidecar)[0]
        return sorted(one for one in self._of(base, os.path.splitext(base)[0]) if not is_sidecar(one))

    def _of(self, *stems: str) -> Iterator[bytes]:
        for stem in dict.fromkeys(stems):
            yield from self._by_stem.get(stem, ())
