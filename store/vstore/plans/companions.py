"""Files that belong to a picture by their names: sidecars, and the RAW file of a JPEG. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable

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


def pictures_like(name: bytes, names: Iterable[bytes]) -> list[bytes]:
    """Find the other pictures in the folder of a picture that share its stem."""
    stem = _parts(name)[0]
    return sorted(one for one in names if one != name and _is_picture(one) and _parts(one)[0] == stem)


def sidecars_of(name: bytes, names: Iterable[bytes]) -> list[bytes]:
    """Find the sidecars in the folder of a picture: of `a.jpg`, `a.xmp` and `a.jpg.xmp`."""
    whole, stem = os.fsdecode(name).casefold(), _parts(name)[0]
    return sorted(one for one in names if is_sidecar(one) and _parts(one)[0] in (whole, stem))


def owners_of(sidecar: bytes, names: Iterable[bytes]) -> list[bytes]:
    """Find the files in the folder of a sidecar that it may be about: all that share its stem, with or without their
    own extension.
    """
    base = _parts(sidecar)[0]
    stems = {base, os.path.splitext(base)[0]}
    others = (one for one in names if not is_sidecar(one))
    return sorted(one for one in others if os.fsdecode(one).casefold() == base or _parts(one)[0] in stems)
