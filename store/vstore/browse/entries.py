"""The paths that a listing gives, and the listing itself, which is read as it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from vstore.brief import briefly
from vstore.format.canonical import Json, named_file, named_path
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from vstore.browse.spans import SnapshotSpan
    from vstore.repository.files import Files


class Details(NamedTuple):
    """The facts of a picture that a long listing shows; what is not known is None.

    bytes:    the size of its file.
    format:   `JPEG`, `PNG`, …
    width:    pixels, as it is shown: turned.
    height:   pixels.
    taken:    when it was taken, as its camera wrote it: ISO 8601, without a zone.
    modified: when its file was changed last, as the newest sync met it: ISO 8601, UTC.
    """

    bytes: int | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    taken: str | None = None
    modified: str | None = None


@briefly
class PathEntry(NamedTuple):
    """One line of a listing: a picture, a folder, or a file that could not be read.

    path:      its stored path.
    file:      its path on disk today; None if its folder is no longer known.
    key:       the hash of its bytes; None for a folder, and for a file that was not read.
    unnamed:   it lies in a folder that the user did not name at this machine: nobody should look there.
    paths:     of a folder in a long listing: the pictures in it, at any depth.
    details:   of a picture in a long listing: what is known of it.
    kind:      of a file that could not be read: the kind of the failure, as a sync names it.
    reason:    and one line for people.
    snapshots: of a search through all snapshots: the first and the last of each row of snapshots that hold it.
    """

    path: bytes
    file: bytes | None
    key: bytes | None
    unnamed: bool = False
    paths: int | None = None
    details: Details | None = None
    kind: str | None = None
    reason: str | None = None
    snapshots: tuple[SnapshotSpan, ...] = ()

    @property
    def is_folder(self) -> bool:
        """It is a folder."""
        return self.key is None and self.kind is None

    def to_json(self) -> dict[str, Json]:
        value = {**named_path(self.path), **named_file(self.file)}
        value["key"] = None if self.key is None else self.key.hex()
        if self.unnamed:
            value["unnamed"] = True
        if self.paths is not None:
            value["paths"] = self.paths
        if self.details is not None:
            value |= self.details._asdict()
        if self.kind is not None:
            value |= {"kind": self.kind, "reason": self.reason}
        if self.snapshots:
            value["snapshots"] = [span._asdict() for span in self.snapshots]
        return value


# The columns of a table of lines.
_KINDS = {"int": "int", "str": "text", "float": "float"}
COLUMNS = {
    "path": "path",
    "file": "path",
    "key": "text",
    "unnamed": "bool",
    "paths": "int",
    "kind": "text",
    "reason": "text",
    **{name: _KINDS[str(kind).partition(" ")[0]] for name, kind in Details.__annotations__.items()},
}


def cells(lines: Iterable[PathEntry]) -> Iterator[tuple[Any, ...]]:
    """Yield the row of each line, in the order of `COLUMNS`."""
    unknown = Details()
    for one in lines:
        key = None if one.key is None else one.key.hex()
        yield one.path, one.file, key, one.unnamed, one.paths, one.kind, one.reason, *(one.details or unknown)


class Entries(Iterable[PathEntry]):
    """The lines of a listing, in the order of their paths. They are read from the store as they are asked for, and
    again each time; nothing is kept."""

    def __init__(self, begin: Callable[[], Iterator[PathEntry]]) -> None:
        self._begin = begin

    def __iter__(self) -> Iterator[PathEntry]:
        return self._begin()

    def __repr__(self) -> str:
        return "Entries(…)"


def entry_of(files: Files, path: bytes, key: bytes | None) -> PathEntry:
    """Make the line of a stored path. key: None for a folder, and for what was not read."""
    return PathEntry(path, files.file_of(path), key, files.is_unnamed(path))
