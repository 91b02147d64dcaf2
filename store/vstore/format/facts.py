"""Facts: what the bytes of a picture say about it, by its key. Pure.

A fact is a function of the bytes alone. What a path says, such as the date of its file, is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vstore.format.canonical import Document, canonical
from vstore.quick_tuple import NamedTuple

Value = int | float | str | bytes

NEWEST_READER = 1  # of headers
NO_READER = 0  # no header was read: what a sync notes beside it
TEXT_LIMIT = 4096  # bytes of a text


class Column(NamedTuple):
    """A column of facts.

    name: its name.
    type: how its values are written, as FORMAT.md lists it.
    """

    name: str
    type: str


KEY = Column("key", "k")
READER = Column("reader", "2")
BYTES = Column("bytes", "8")
WIDTH = Column("width", "4")
HEIGHT = Column("height", "4")
FRAMES = Column("frames", "4")
FORMAT = Column("format", "t")
ORIENTATION = Column("orientation", "1")
TAKEN = Column("taken", "s")
ZONE = Column("zone", "s")
CAMERA = Column("camera", "t")
LENS = Column("lens", "t")
LATITUDE = Column("latitude", "d")
LONGITUDE = Column("longitude", "d")
ALTITUDE = Column("altitude", "d")
RATING = Column("rating", "s")
CUT_LINES = Column("cut/lines", "4")
CUT_HEIGHT = Column("cut/height", "4")
KNOWN = (
    BYTES, WIDTH, HEIGHT, FRAMES, FORMAT, ORIENTATION, TAKEN, ZONE, CAMERA, LENS, LATITUDE, LONGITUDE, ALTITUDE, RATING,
    CUT_LINES, CUT_HEIGHT,
)  # fmt: skip
PIXELS = "pixels/"
FLAT = "flat/"
_CUT = "cut/"
RANGES = {ORIENTATION: (1, 8), LATITUDE: (-90, 90), LONGITUDE: (-180, 180)}  # a value outside is no fact


class Fact(NamedTuple):
    """The facts of a picture.

    key:    the digest of its bytes.
    reader: the version of the reader of facts that read them.
    values: what is known, by column; nothing of what is not.
    """

    key: bytes
    reader: int
    values: Mapping[Column, Value]


def pixels(preparation: Document) -> Column:
    """Name the column of the digests of pixels that were prepared in this way."""
    return Column(PIXELS + _hex(preparation), "k")


def flat(preparation: Document) -> Column:
    """Name the column that is 1 for pictures of one colour, as prepared in this way. It stands beside `pixels`."""
    return Column(FLAT + _hex(preparation), "1")


def _hex(preparation: Document) -> str:
    import hashlib

    return hashlib.sha256(canonical(preparation)).hexdigest()[:16]


def shown_size(values: Mapping[Column, Value]) -> dict[Column, Value]:
    """Give width and height as a picture is shown: turned. Empty if they are not known."""
    width, height = values.get(WIDTH), values.get(HEIGHT)
    if width is None or height is None:
        return {}
    is_turned = values.get(ORIENTATION, 1) in (5, 6, 7, 8)
    return {WIDTH: height, HEIGHT: width} if is_turned else {WIDTH: width, HEIGHT: height}


def is_handed_on(column: Column) -> bool:
    """Tell whether a column counts beside a later reading without it: what a sync notes when it prepares a picture."""
    return column.name.startswith((PIXELS, FLAT, _CUT))


def chosen(facts: Sequence[Fact]) -> Fact:
    """Choose among the facts of one key, given in the order of the places of their runs.

    The highest reader wins, of equal ones the later place. What the winner does not know of prepared pixels, and that a
    file is cut, comes from the next: they are noted one preparation at a time.
    """
    *others, best = sorted(facts, key=lambda fact: fact.reader)  # of equal ones the later stays behind the earlier
    prepared = {column: value for fact in others for column, value in fact.values.items() if is_handed_on(column)}
    return best._replace(values={**prepared, **best.values}) if prepared else best
