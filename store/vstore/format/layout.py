"""The places of files in a store, and the names that are valid for tags and spaces."""

from __future__ import annotations

import re
from pathlib import Path

from vstore.quick_tuple import NamedTuple

FOLDER = ".vstore"
FORMATS = (1, 2)  # all formats that this version reads and writes
NEWEST = FORMATS[-1]
DTYPES = {"float16": 2, "float32": 4}  # bytes of a number in a row
DTYPE_CODES = {"float16": 1, "float32": 2}  # in footers and journals

_NUMBER = r"[vV]\d+"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_WORDS = ("latest", "current", "HEAD")


class Layout(NamedTuple):
    """The paths of one store.

    folder: the store's folder.
    caches: a folder for caches elsewhere, instead of its own; of a store that belongs to another user.
    """

    folder: Path
    caches: Path | None = None

    @property
    def format(self) -> Path:
        return self.folder / "FORMAT"

    @property
    def refs(self) -> Path:
        return self.folder / "refs"

    @property
    def segments(self) -> Path:
        return self.folder / "segments"

    @property
    def packs(self) -> Path:
        return self.folder / "packs"

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def catalogue(self) -> Path:
        return self.folder / "catalogue"

    @property
    def cache(self) -> Path:
        return self.own_cache if self.caches is None else self.caches

    @property
    def own_cache(self) -> Path:
        return self.folder / "cache"

    @property
    def indexes(self) -> Path:
        """Derived parts of indexes, by space; made when it is first needed."""
        return self.folder / "indexes"

    @property
    def locks(self) -> Path:
        return self.folder / "locks"

    @property
    def quarantine(self) -> Path:
        return self.folder / "quarantine"

    @property
    def reserve(self) -> Path:
        return self.folder / "reserve"

    def folders(self) -> tuple[Path, ...]:
        return (
            self.refs,
            self.segments,
            self.packs,
            self.journal,
            self.own_cache,
            self.locks,
            self.quarantine,
        )

    def record(self, number: int) -> Path:
        return self.refs / f"{number:012d}.json"


def record_number(name: str) -> int | None:
    """Read the number off a record's file name, or None for any other name."""
    stem, dot, ending = name.partition(".")
    return int(stem) if dot and ending == "json" and len(stem) == 12 and stem.isascii() and stem.isdigit() else None


def why_not_a_tag(name: str) -> str | None:
    """Say why a name is not valid for a tag, or return None: some mean a snapshot in every store."""
    word = _word(name)
    if word is not None:
        return f"{name!r} already means a snapshot" if name == word else f"{name!r} would be taken for {word}"
    if re.fullmatch(_NUMBER, name):
        return f"{name!r} is the name of a snapshot, made or to come"
    if re.fullmatch(_DATE, name):
        return f"{name!r} looks like a date, which means the newest snapshot made by then"
    return _misshapen(name)


def why_not_a_space(name: str) -> str | None:
    """Say why a name is not valid for a space, or return None: what is printed names snapshots and spaces together."""
    if _word(name) is not None or re.fullmatch(_NUMBER, name):
        return f"{name!r} is how a snapshot is called, and a space of this name would be taken for one"
    return _misshapen(name)


def _word(name: str) -> str | None:
    return next((word for word in _WORDS if word.lower() == name.lower()), None)


def _misshapen(name: str) -> str | None:
    if not name or len(name) > 100:
        return "a name has 1 to 100 characters"
    if any(c in "@~^{}/\\:" or c.isspace() or not c.isprintable() for c in name) or name[0] in "-+.":
        return "a name must not contain @ ~ ^ { } / \\ : or blanks, or begin with - + ."
    return None
