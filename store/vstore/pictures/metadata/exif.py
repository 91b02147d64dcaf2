"""Facts in EXIF and XMP: when, with what and where a picture was taken, how it is turned, and how it was rated."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from vstore.format import facts
from vstore.format.facts import Column, Value
from vstore.pictures.metadata.head import MOST_XMP, Head
from vstore.pictures.metadata.moments import Moment, moment_of_exif, moment_of_xmp
from vstore.pictures.metadata.tiff_tags import Directory, Tiff
from vstore.pictures.metadata.xmp import property_of

_MAKE, _MODEL, _ORIENTATION, _XMP, _RATING, _BELOW, _PLACE = 271, 272, 274, 700, 0x4746, 0x8769, 0x8825
_ORIGINAL, _DIGITIZED, _LENS = 0x9003, 0x9004, 0xA434
_PARTS = {_ORIGINAL: (0x9291, 0x9011), _DIGITIZED: (0x9292, 0x9012)}  # of a second; zone
_LATITUDE, _LONGITUDE, _ALTITUDE_IS_BELOW, _ALTITUDE = 2, 4, 5, 6
_MAIN = frozenset({_MAKE, _MODEL, _ORIENTATION, _XMP, _RATING, _BELOW, _PLACE})
_BELOW_TAGS = frozenset({_LENS, *_PARTS, *(tag for tags in _PARTS.values() for tag in tags)})
_PLACE_TAGS = frozenset(range(1, 7))
_TURNED = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')  # as Pillow reads it
_DEGREES = re.compile(r"(\d{1,3}),(\d{1,2}(?:\.\d{1,12})?)(?:,(\d{1,2}(?:\.\d{1,12})?))?([NSEW])", re.ASCII)
_FRACTION = re.compile(r"(-?\d{1,12})(?:/(\d{1,12}))?", re.ASCII)
_STARS = re.compile(r"([+-]?\d{1,3})(?:\.\d{1,9})?", re.ASCII)
_SIGNS = {"N": 1, "E": 1, "S": -1, "W": -1}


def values_of(head: Head) -> dict[Column, Value]:
    """Collect what EXIF and XMP of a picture say; EXIF first, but for the rating."""
    tiff, main = None, Directory()
    if len(head.exif):
        try:
            tiff = Tiff(head.exif, head.exif_at)
            main = tiff.directory(tiff.first, _MAIN)
        except Exception:  # what stumbles here holds no EXIF
            tiff = None
    found: dict[Column, Value] = {}
    xmp = head.xmp
    if tiff is not None:
        xmp = xmp or tiff.bytes_of(main.get(_XMP), MOST_XMP)
        below = tiff.directory(tiff.integer(main.get(_BELOW)) or 0, _BELOW_TAGS)
        _take(found, _moment_of(tiff, below, _ORIGINAL) or _in_xmp(xmp) or _moment_of(tiff, below, _DIGITIZED))
        camera = _camera(tiff.text(main.get(_MAKE)), tiff.text(main.get(_MODEL)))
        lens = tiff.text(below.get(_LENS))
        stars = tiff.integer(main.get(_RATING))
        turned = tiff.integer(main.get(_ORIENTATION))
        place = _place(tiff, tiff.directory(tiff.integer(main.get(_PLACE)) or 0, _PLACE_TAGS))
    else:
        _take(found, _in_xmp(xmp))
        camera, lens, stars, turned, place = "", "", None, None, {}
    if xmp:
        camera = camera or _camera(property_of(xmp, b"tiff:Make"), property_of(xmp, b"tiff:Model"))
        lens = lens or property_of(xmp, b"exifEX:LensModel") or property_of(xmp, b"aux:Lens")
        written = _STARS.fullmatch(property_of(xmp, b"xmp:Rating"))
        stars = int(written[1]) if written is not None else stars
        if turned is None and (one := _TURNED.search(xmp)):
            turned = int(one[1])
        if facts.LATITUDE not in place:
            place |= _place_in_xmp(xmp)
    turned = head.orientation or turned
    if turned is not None and 1 <= turned <= 8:
        found[facts.ORIENTATION] = turned
    texts = {facts.CAMERA: camera, facts.LENS: lens}
    found |= {column: text for column, text in texts.items() if 0 < len(text.encode("utf-8")) <= facts.TEXT_LIMIT}
    if stars is not None and abs(stars) < 1 << 31:
        found[facts.RATING] = stars
    return found | place


def _take(found: dict[Column, Value], moment: Moment | None) -> None:
    if moment is not None:
        found[facts.TAKEN] = moment.taken
        if moment.zone is not None:
            found[facts.ZONE] = moment.zone


def _moment_of(tiff: Tiff, below: Directory, tag: int) -> Moment | None:
    part, zone = _PARTS[tag]
    return moment_of_exif(tiff.text(below.get(tag)), tiff.text(below.get(part)), tiff.text(below.get(zone)))


def _in_xmp(xmp: bytes) -> Moment | None:
    if not xmp:
        return None
    return moment_of_xmp(property_of(xmp, b"exif:DateTimeOriginal")) or moment_of_xmp(
        property_of(xmp, b"photoshop:DateCreated")
    )


def _camera(make: str, model: str) -> str:
    """Join make and model; where the model begins with a word of the make, it says both."""
    if not model or not make or model.casefold().split(" ")[0] in make.casefold().split(" "):
        return model or make
    return f"{make} {model}"


def _place(tiff: Tiff, about: Directory) -> dict[Column, Value]:
    """Read where a picture was taken: latitude and longitude are known together, or not at all."""
    found: dict[Column, Value] = {}
    north = _degrees(tiff.numbers(about.get(_LATITUDE)), tiff.text(about.get(_LATITUDE - 1)), "NS", 90)
    east = _degrees(tiff.numbers(about.get(_LONGITUDE)), tiff.text(about.get(_LONGITUDE - 1)), "EW", 180)
    if north is not None and east is not None:
        found |= {facts.LATITUDE: north, facts.LONGITUDE: east}
    height = tiff.numbers(about.get(_ALTITUDE))
    if len(height) == 1 and math.isfinite(height[0]):
        is_below = tiff.integer(about.get(_ALTITUDE_IS_BELOW)) in (1, 3)
        found[facts.ALTITUDE] = -abs(float(height[0])) if is_below else float(height[0])
    return found


def _degrees(parts: Sequence[float], side: str, sides: str, most: float) -> float | None:
    side = side[:1].upper()
    if not 1 <= len(parts) <= 3 or not side or side not in sides:
        return None
    value = sum(part / 60**power for power, part in enumerate(parts))
    return _SIGNS[side] * value + 0.0 if 0 <= value <= most and min(parts) >= 0 else None


def _place_in_xmp(xmp: bytes) -> dict[Column, Value]:
    found: dict[Column, Value] = {}
    north = _degrees_of(property_of(xmp, b"exif:GPSLatitude"), "NS", 90)
    east = _degrees_of(property_of(xmp, b"exif:GPSLongitude"), "EW", 180)
    if north is not None and east is not None:
        found |= {facts.LATITUDE: north, facts.LONGITUDE: east}
        height = _FRACTION.fullmatch(property_of(xmp, b"exif:GPSAltitude"))
        if height is not None and int(height[2] or 1):
            value = int(height[1]) / int(height[2] or 1)
            is_below = property_of(xmp, b"exif:GPSAltitudeRef") == "1"
            found[facts.ALTITUDE] = -abs(value) if is_below else value
    return found


def _degrees_of(text: str, sides: str, most: float) -> float | None:
    found = _DEGREES.fullmatch(text)
    if found is None:
        return None
    return _degrees([float(part) for part in found.groups()[:3] if part is not None], found[4], sides, most)
