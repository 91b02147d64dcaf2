"""The heads of the parts of an approximate index: their parameters, read without belief."""

from __future__ import annotations

from vstore.format.canonical import Document, Json
from vstore.quick_tuple import NamedTuple

CENTROIDS = "centroids"
LISTS = "inverted-lists"
RECALL = "recall"
MOST_LISTS = 1 << 16
_VERSION = 1
_HEX = set("0123456789abcdef")


class AboutCentroids(NamedTuple):
    """The parameters of a part `centroids`.

    generation: its id: 32 hex digits.
    dim, lists: the centroids are float32 (lists, dim).
    rows:       the rows that the space had when they were trained.
    """

    generation: str
    dim: int
    lists: int
    rows: int

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return 4 * self.lists * self.dim

    def to_document(self) -> Document:
        return {**self._asdict(), "version": _VERSION}

    @classmethod
    def of(cls, parameters: Document) -> AboutCentroids | None:
        """Read parameters; None if they are of another version, or make no sense."""
        if not _fits(parameters, cls._fields):
            return None
        about = cls(**{name: parameters[name] for name in cls._fields})
        if not (_is_id(about.generation) and _are_counts(about.dim, about.lists, about.rows)):
            return None
        return about if about.dim and 0 < about.lists <= MOST_LISTS else None


class AboutLists(NamedTuple):
    """The parameters of a part `inverted-lists`.

    generation: the id of its centroids.
    lists:      as many as there are centroids.
    rows:       coded rows.
    code:       bytes of a code.
    sample:     the code of a known vector, in hex: another one means that faiss codes otherwise now.
    """

    generation: str
    lists: int
    rows: int
    code: int
    sample: str

    def size(self, key_size: int) -> int:
        """Count the bytes of the payload: sizes of the lists, then codes and numbers of each, then keys."""
        return 4 * self.lists + self.rows * (self.code + 8 + key_size)

    def to_document(self) -> Document:
        return {**self._asdict(), "version": _VERSION}

    @classmethod
    def of(cls, parameters: Document) -> AboutLists | None:
        """Read parameters; None if they are of another version, or make no sense."""
        if not _fits(parameters, cls._fields):
            return None
        about = cls(**{name: parameters[name] for name in cls._fields})
        if not (_is_id(about.generation) and _are_counts(about.lists, about.rows, about.code)):
            return None
        is_whole = isinstance(about.sample, str) and 0 < about.lists <= MOST_LISTS and 0 < about.code <= 1 << 16
        return about if is_whole and 0 < about.rows < 1 << 40 else None


class AboutRecall(NamedTuple):
    """The parameters of a part `recall`: what was measured, and how lists are searched since.

    generation: that of the lists that were measured.
    wanted:     the recall at 10 that was asked for, in millionths.
    reached:    the recall at 10 that was measured, in millionths.
    probes:     lists that a query looks into.
    depth:      rows that get an exact score, for each hit that is wanted.
    exact:      bytes of live rows up to which a search is exact.
    queries:    held-out rows that were asked.
    answers:    exact answers that are kept for each.
    segments:   the segments whose rows were compared, by name.
    """

    generation: str
    wanted: int
    reached: int
    probes: int
    depth: int
    exact: int
    queries: int
    answers: int
    segments: tuple[str, ...]

    def size(self, dim: int, key_size: int) -> int:
        """Count the bytes of the payload: keys and vectors of the queries, then keys and scores of their answers."""
        return self.queries * (key_size + 4 * dim + self.answers * (key_size + 4))

    def to_document(self) -> Document:
        return {**self._asdict(), "segments": list(self.segments), "version": _VERSION}

    @classmethod
    def of(cls, parameters: Document) -> AboutRecall | None:
        """Read parameters; None if they are of another version, or make no sense."""
        if not _fits(parameters, cls._fields):
            return None
        names = parameters["segments"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return None
        about = cls(**{name: parameters[name] for name in cls._fields})._replace(segments=tuple(names))
        counts = (about.wanted, about.reached, about.probes, about.depth, about.exact, about.queries, about.answers)
        if not (_is_id(about.generation) and _are_counts(*counts)):
            return None
        within = about.wanted <= 1_000_000 and about.reached <= 1_000_000 and 0 < about.queries <= 1 << 16
        is_used = 0 < about.probes <= MOST_LISTS and 0 < about.depth <= 10_000
        is_asked = 0 < about.answers <= 1_000
        return about if within and is_used and is_asked else None


def _fits(parameters: Document, fields: tuple[str, ...]) -> bool:
    version = parameters.get("version")
    return type(version) is int and version == _VERSION and set(parameters) == {*fields, "version"}


def _is_id(value: Json) -> bool:
    return isinstance(value, str) and len(value) == 32 and set(value) <= _HEX


def _are_counts(*values: Json) -> bool:
    return all(type(value) is int and 0 <= value < 1 << 53 for value in values)
