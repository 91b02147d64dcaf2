"""The report of `model_diff`: two embedding spaces compared by the pictures that are nearest to each picture."""

from __future__ import annotations

from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json
from vstore.repository.files import Files


class ComparedSpace(NamedTuple):
    """One of the two spaces of a comparison.

    space:      its id.
    space_name: its name.
    snapshot:   the snapshot whose pictures are compared; None if the space has none yet: the pictures of the current
                snapshot are compared then, as far as they have a vector in the space.
    pictures:   these pictures.
    """

    space: str
    space_name: str
    snapshot: str | None
    pictures: int

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


class NearPicture(NamedTuple):
    """One of the pictures nearest to another one in one space.

    key:   the hash of its bytes.
    path:  its first stored path.
    score: the cosine of the two vectors.
    place: its place among the nearest ones in the other space, from 1 to 100; None if it is farther off there.
    """

    key: bytes
    path: bytes
    score: float
    place: int | None

    def to_json(self, where: Files) -> dict[str, Json]:
        return {"key": self.key.hex(), **where.named(self.path), "score": self.score, "place": self.place}


@briefly
class ChangedPicture(NamedTuple):
    """A picture, and those nearest to it in each of two spaces, the nearest one first.

    key:     the hash of its bytes.
    path:    its first stored path.
    overlap: the share of the nearest ones that are the same in both.
    a:       the nearest ones in the first space.
    b:       the nearest ones in the second.
    """

    key: bytes
    path: bytes
    overlap: float
    a: tuple[NearPicture, ...]
    b: tuple[NearPicture, ...]

    def to_json(self, where: Files) -> dict[str, Json]:
        return {
            "key": self.key.hex(),
            **where.named(self.path),
            "overlap": self.overlap,
            "a": [one.to_json(where) for one in self.a],
            "b": [one.to_json(where) for one in self.b],
        }


@briefly
class ModelDiffReport(NamedTuple):
    """The difference between two spaces, by the pictures that both have.

    a:        the first space.
    b:        the second.
    pictures: pictures with a vector in both. Neighbours are looked for among these alone.
    sample:   pictures whose neighbours were compared.
    k:        neighbours of each that count: 10, or fewer if there are not so many pictures.
    overlap:  overlap@10: the mean share of the k nearest pictures that are the same in both.
    low:      the lower bound of the overlap of all pictures, at 95 %; the overlap itself if all were compared.
    high:     the upper bound.
    chance:   the overlap of two models that have nothing to do with one another.
    changed:  the pictures of the sample whose neighbours changed most, that one first. With the same overlap those come
              first whose 100 nearest agree less; none has the same k in both.
    where:    finds the files of the stored paths.
    """

    a: ComparedSpace
    b: ComparedSpace
    pictures: int
    sample: int
    k: int
    overlap: float
    low: float
    high: float
    chance: float
    changed: tuple[ChangedPicture, ...]
    where: Files = Files()

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        del value["where"]
        sides = {"a": self.a.to_json(), "b": self.b.to_json()}
        return {**value, **sides, "changed": [one.to_json(self.where) for one in self.changed]}
