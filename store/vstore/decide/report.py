"""The results of deciding about pictures, and of looking at decisions."""

from __future__ import annotations

from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json, named_file, named_path
from vstore.repository.files import UNKNOWN, Files


class Decided(NamedTuple):
    """The result of deciding about pictures.

    made:     decisions that were made.
    known:    decisions that were in force already, as the newest about their pictures.
    pictures: distinct pictures of those that were made.
    absent:   of these, pictures that the current snapshot does not have.
    dry_run:  nothing was written; the counts are those of the change to come.
    """

    made: int
    known: int
    pictures: int
    absent: int
    dry_run: bool = False

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


class DecidedPicture(NamedTuple):
    """A picture of a decision.

    key:  the hash of its bytes.
    path: its first stored path in the current snapshot; None if that does not have it.
    """

    key: bytes
    path: bytes | None


@briefly
class DecisionRow(NamedTuple):
    """A decision in force.

    id:       names it: hexadecimal digits.
    time:     when it was made.
    verb:     `different`, `same` or `keep`.
    pictures: those it is about; of `keep`: those that are to stay.
    over:     of `keep`: the others.
    """

    id: str
    time: str
    verb: str
    pictures: tuple[DecidedPicture, ...]
    over: tuple[DecidedPicture, ...] = ()

    def to_json(self, where: Files = UNKNOWN) -> dict[str, Json]:
        """Make the JSON form. where: finds the files."""
        return {
            "id": self.id,
            "time": self.time,
            "verb": self.verb,
            "pictures": [_picture(one, where) for one in self.pictures],
            "over": [_picture(one, where) for one in self.over],
        }


@briefly
class DecisionsReport(NamedTuple):
    """The decisions in force.

    decisions: the newest first.
    where:     finds the files of the stored paths.
    """

    decisions: tuple[DecisionRow, ...]
    where: Files = Files()

    def to_json(self) -> dict[str, Json]:
        return {"decisions": [one.to_json(self.where) for one in self.decisions]}


def _picture(picture: DecidedPicture, where: Files) -> dict[str, Json]:
    if picture.path is None:
        return {"key": picture.key.hex(), "path": None, "file": None}
    return {"key": picture.key.hex(), **named_path(picture.path), **named_file(where.file_of(picture.path))}
