"""Comparison of two embedding spaces by the pictures that are nearest to each picture."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vstore.counts import counted, whole
from vstore.errors import AmbiguousSnapshot, Damage, Interrupted, SnapshotNotFound, UsageError
from vstore.format.entries import Snapshot, Space
from vstore.format.key_places import places_of
from vstore.progress import Progress, Stages
from vstore.repository.files import files_of
from vstore.repository.filling import filling
from vstore.repository.repository import Repository
from vstore.search.agreement import average_overlap, interval, overlap
from vstore.search.index import Index
from vstore.search.key_paths import KeyPaths, key_paths
from vstore.search.many import nearest_of_many
from vstore.search.model_diff_report import ChangedPicture, ComparedSpace, ModelDiffReport, NearPicture
from vstore.search.query import weighted_sum

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

NEAREST = 10  # neighbours whose overlap is the figure
SAMPLE = 1000  # pictures: the figure is then within 3 points at 95 %, whatever the models
CHANGED = 10
_DEPTH = 100  # neighbours that order pictures with the same overlap
_AT_ONCE = 256  # pictures whose neighbours are looked for together


class _Side(NamedTuple):
    """One of the two spaces.

    space:    the space.
    snapshot: the snapshot whose pictures count.
    paths:    of its pictures.
    rows:     int64 (n,), the row of each picture; -1 of one without a vector.
    every:    the index of all rows of the space; none is marked.
    """

    space: Space
    snapshot: Snapshot
    paths: KeyPaths
    rows: Ints
    every: Index

    @property
    def compared(self) -> ComparedSpace:
        own = self.snapshot.name if self.snapshot.space == self.space.id else None
        return ComparedSpace(self.space.id, self.space.name, own, int((self.rows >= 0).sum()))


class _Near(NamedTuple):
    """The pictures nearest to one, in two spaces: their numbers and their scores, the nearest one first."""

    a: list[tuple[int, float]]
    b: list[tuple[int, float]]

    def numbers(self) -> tuple[list[int], list[int]]:
        return [number for number, _ in self.a], [number for number, _ in self.b]


def model_diff(
    repo: Repository,
    a: str,
    b: str,
    *,
    sample: int = SAMPLE,
    changed: int = CHANGED,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> ModelDiffReport:
    """Compare two embedding spaces. Reads stored vectors alone, and loads no model; all neighbours are exact.

    a, b:    a space, or a snapshot of it. A space stands for the current snapshot, if that is in it, else for its
             newest one; without any, for the pictures of the current snapshot that have a vector in it.
    sample:  pictures whose neighbours are compared: the first ones by their keys, which are hashes of their bytes.
    changed: pictures to list, at most.
    stop:    ends it when set.
    Raises:  UsageError, SnapshotNotFound, AmbiguousSnapshot, Interrupted, Damage, FileNotFoundError.
    """
    asked = _at_least(sample, 1, "--sample")
    listed = _at_least(changed, 0, "--changed")
    named = [_meant(repo, name) for name in (a, b)]
    if named[0][0].id == named[1][0].id:
        raise UsageError(
            f"{a} and {b} are both of the space {named[0][0].name!r}",
            "compare two spaces, listed by: vstore model list; for the pictures of two snapshots: vstore snapshot diff",
        )
    one, other = (_side(repo, space, snapshot) for space, snapshot in named)
    numbers, at = _both(repo, one, other)
    count = len(numbers)
    k, asked = min(NEAREST, count - 1), min(asked, count)
    stages = Stages(progress)
    depth = min(_DEPTH, count - 1)
    finders = [_Finder(one.every, one.rows[at], depth), _Finder(other.every, other.rows[numbers], depth)]
    found = _compare(finders, asked, stop, stages)
    shares = [overlap(*near.numbers(), k) for near in found]
    differing = [number for number in range(asked) if shares[number] < 1]
    order = sorted(differing, key=lambda at: (shares[at], average_overlap(*found[at].numbers()), at))
    naming = _Naming(other.paths, numbers)
    low, high = interval(shares, count)
    return ModelDiffReport(
        a=one.compared,
        b=other.compared,
        pictures=count,
        sample=asked,
        k=k,
        overlap=math.fsum(shares) / asked,
        low=low,
        high=high,
        chance=k / (count - 1),
        changed=tuple(naming.changed(number, shares[number], found[number], k) for number in order[:listed]),
        where=files_of(repo, repo.labels_in(other.snapshot)),
    )


def _both(repo: Repository, one: _Side, other: _Side) -> tuple[Ints, Ints]:
    """Find the pictures that have a vector in both spaces.

    Returns: int64 (n,), their numbers in the second snapshot, rising, and in the first.
    Raises:  UsageError if they are fewer than two.
    """
    import numpy as np

    at = places_of(bytes(one.paths.keys), bytes(other.paths.keys), repo.hash.size)
    both = (at >= 0) & (other.rows >= 0)
    both[both] = one.rows[at[both]] >= 0
    numbers = np.flatnonzero(both)
    if len(numbers) < 2:
        emptier = min((one, other), key=lambda side: side.compared.pictures)
        raise UsageError(
            f"{counted(len(numbers), 'picture')} in both {one.space.name!r} and {other.space.name!r}, and neighbours "
            "need two or more",
            f"embed the same pictures in both: {filling(repo, emptier.space.name)}",
        )
    return numbers, at[numbers]


def _compare(finders: Sequence[_Finder], asked: int, stop: threading.Event | None, stages: Stages) -> list[_Near]:
    """Find the nearest ones of the first pictures in both spaces. Raises: Interrupted, Damage, FileNotFoundError."""
    found: list[_Near] = []
    stages.begin("comparing", asked, unit="pictures")
    for begin in range(0, asked, _AT_ONCE):
        if stop is not None and stop.is_set():
            raise Interrupted("stopped while pictures were compared; nothing was changed", "run the command again")
        end = min(begin + _AT_ONCE, asked)
        found += map(_Near, *(finder.nearest(begin, end) for finder in finders))
        stages.advance(end - begin)
    stages.close()
    return found


def _at_least(given: object, least: int, option: str) -> int:
    """Read a count. Raises: UsageError."""
    count = whole(given)
    if count is None or count < least:
        raise UsageError(f"{option} is {repr(given)[:100]}, and no count of pictures", f"give {least} or more")
    return count


def _meant(repo: Repository, name: str) -> tuple[Space, Snapshot]:
    """Find the space that a word means, and the snapshot whose pictures count.

    Raises: SnapshotNotFound, AmbiguousSnapshot; UsageError if it means a space, and a tag of other pictures.
    """
    space = unknown = None
    try:
        space = repo.space(name)
    except UsageError as err:
        unknown = err
    try:
        snapshot = repo.snapshot(name)
    except SnapshotNotFound as miss:
        if space is not None:
            return space, _pictures_of(repo, space)
        names = sorted(one.name for one in repo.state.spaces.values())
        step = f"the spaces here are: {', '.join(names) or 'none'}; list snapshots with: vstore snapshot list"
        near = (unknown and unknown.instead) or miss.instead
        raise SnapshotNotFound(f"no space and no snapshot {name!r} in this store", step, instead=near) from None
    if space is None:
        return repo.state.spaces[snapshot.space], snapshot
    meant = _pictures_of(repo, space)
    if snapshot.name != meant.name:
        raise AmbiguousSnapshot(
            f"{name} is the space of {meant.name}, and a name of {snapshot.name}", "write the number of the snapshot"
        )
    return space, meant


def _pictures_of(repo: Repository, space: Space) -> Snapshot:
    """Find the snapshot whose pictures a space stands for. Raises: SnapshotNotFound if there is none."""
    current = repo.state.current_snapshot
    if current is not None and current.space == space.id:
        return current
    newest = next((one for one in repo.listing.kept() if one.space == space.id), None)
    return newest or repo.snapshot("current")


def _side(repo: Repository, space: Space, snapshot: Snapshot) -> _Side:
    """Find the rows of the pictures of a snapshot in a space. Raises: Damage, FileNotFoundError."""
    import numpy as np

    paths = key_paths(repo, snapshot, repo.tree(snapshot))
    segments = [repo.segment(ref) for ref in repo.state.segments(space.id)]
    column, rows, first = bytes(paths.keys), np.full(len(paths), -1), 0
    for segment in segments:
        at = places_of(segment.keys, column, repo.hash.size)
        is_first = (rows < 0) & (at >= 0)  # of a key that stands twice the first row wins
        rows[is_first] = first + at[is_first]
        first += segment.footer.rows
    missing = int((rows < 0).sum())
    if missing and snapshot.space == space.id:
        raise Damage(f"{counted(missing, 'picture')} of {snapshot.name} without a vector", "run: vstore check")
    none = [bytes(-(-segment.footer.rows // 8)) for segment in segments]
    return _Side(space, snapshot, paths, rows, Index(segments, none, repo.layout.cache))


class _Finder:
    """The search for the nearest ones of some pictures, in one space. Pictures are numbered."""

    def __init__(self, index: Index, rows: Ints, depth: int) -> None:
        """
        rows:  int64 (n,), of each picture.
        depth: neighbours of each.
        """
        import numpy as np

        self._index = index.narrowed(index.bitmaps_of(rows))
        self._rows = rows
        self._depth = depth
        self._number_of = np.full(index.firsts[-1], -1)
        self._number_of[rows] = np.arange(len(rows))

    def nearest(self, begin: int, end: int) -> Iterator[list[tuple[int, float]]]:
        """Find the nearest ones of some pictures: their numbers and scores. Raises: Damage, FileNotFoundError."""
        import numpy as np

        index, depth = self._index, self._depth
        queries = [weighted_sum([1.0], [index.vector(row)]) for row in self._rows[begin:end].tolist()]
        found = nearest_of_many(index, np.concatenate(queries), depth + 1)
        if (found.rows < 0).any():  # a row that is no number is near nothing
            raise Damage("a segment holds rows that are no vectors of norm 1", "run: vstore check --read-data")
        numbers = self._number_of[found.rows]
        for own, some, scores in zip(range(begin, end), numbers.tolist(), found.scores.tolist(), strict=True):
            yield [pair for pair in zip(some, scores, strict=True) if pair[0] != own][:depth]


class _Naming:
    """The keys and paths of numbered pictures. numbers: theirs in a snapshot."""

    def __init__(self, paths: KeyPaths, numbers: Ints) -> None:
        self._paths = paths
        self._numbers = numbers

    def changed(self, number: int, share: float, near: _Near, k: int) -> ChangedPicture:
        """Name a picture, and the k nearest ones of each space."""
        a, b = near.numbers()
        return ChangedPicture(*self._name(number), share, self._near(near.a[:k], b), self._near(near.b[:k], a))

    def _name(self, number: int) -> tuple[bytes, bytes]:
        at = int(self._numbers[number])
        return self._paths.key(at), self._paths.paths_at(at)[0]

    def _near(self, found: Sequence[tuple[int, float]], others: Sequence[int]) -> tuple[NearPicture, ...]:
        """others: the nearest ones in the other space."""
        places = {number: place for place, number in enumerate(others, 1)}
        return tuple(NearPicture(*self._name(number), score, places.get(number)) for number, score in found)
