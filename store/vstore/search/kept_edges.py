"""Edges that are kept: a part of kind `edges` in `indexes/<space_id>/` lists pictures and the pairs of them.

FORMAT.md, section 25, has its payload. A part covers no segments: it has the checksum of each picture's row, so that
it stays true when segments are merged, and a row that changed counts as a new one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vstore.disk import durable
from vstore.disk.index_parts import IndexPart
from vstore.errors import Damage, DiskTrouble, Locked, NoStore, ReadOnly, Untrusted
from vstore.format.canonical import Document
from vstore.format.key_places import places_of
from vstore.repository.index_parts import index_parts, write_index_part
from vstore.repository.repository import Repository
from vstore.search.compared import Compared
from vstore.search.comparison import MOST_PAIRS
from vstore.search.pair_scores import WHOLE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Sums = npt.NDArray[np.uint64]

KIND = "edges"
APPROXIMATE = "edges-approximate"  # what an approximate index found: a part that may lack pairs
_VERSION = 1
_MORE = 1000
_MOST_PARTS = 4  # of a space: for other least scores, and other pictures


class KeptEdges(NamedTuple):
    """Pictures that were compared with one another.

    least:    the score that pairs reach, in millionths.
    in_turns: the score of a pair is the best of its turns.
    keys:     of the pictures, in the order in which they came, one after another.
    sums:     uint64 (n,), the checksums of their rows.
    compared: the pairs.
    path:     the part; None before it is written.
    """

    least: int
    in_turns: bool
    keys: bytes
    sums: Sums
    compared: Compared
    path: Path | None = None


class _About(NamedTuple):
    """The parameters in the head of a part."""

    least: int
    in_turns: bool
    pictures: int
    pairs: int
    crowds: int

    @classmethod
    def of(cls, parameters: Document) -> _About | None:
        """Read the parameters of a part; None if they are of another version, or make no sense."""
        names = ("least", "turns", "pictures", "pairs", "crowds")
        values = [value for name in (*names, "version") if type(value := parameters.get(name)) is int]
        if len(values) <= len(names) or len(parameters) != len(values) or not 0 <= min(values) <= max(values) < 1 << 32:
            return None
        least, turns, pictures, pairs, crowds, version = values
        if version != _VERSION or turns not in (1, 8) or not pictures:
            return None
        return cls(least, turns == 8, pictures, pairs, crowds)

    def to_document(self) -> Document:
        return {
            "crowds": self.crowds,
            "least": self.least,
            "pairs": self.pairs,
            "pictures": self.pictures,
            "turns": 8 if self.in_turns else 1,
            "version": _VERSION,
        }

    def sizes(self, key_size: int) -> list[int]:
        """List the bytes of each column of the payload."""
        each = 4 * self.pictures, *3 * (4 * self.pairs,), *2 * (4 * self.crowds,)
        return [key_size * self.pictures, 8 * self.pictures, *each]


def read_edges(
    repo: Repository, space: str, keys: bytes, least: int, *, in_turns: bool, kind: str = KIND
) -> KeptEdges | None:
    """Read the part that knows most of some pictures, of those that have all pairs of a score; None if there is none.

    A part that is damaged, or does not say what a part of its kind can, is passed over.
    keys: of the pictures, one after another.
    """
    size = repo.hash.size
    with contextlib.ExitStack() as stack:
        parts = _parts(repo, space, stack, kind)
        fitting = [one for one in parts if one[0].least <= least and one[0].in_turns == in_turns]
        if len(fitting) > 1:
            fitting.sort(key=lambda one: -_known(one[1], one[0].pictures * size, keys, size))
        for about, part in fitting:
            found = _read(part, about, size)
            if found is not None:
                return found
    return None


def _known(part: IndexPart, length: int, keys: bytes, size: int) -> int:
    """Count the pictures that a part has. length: of its own keys, which come first. keys: of the pictures."""
    own = b""
    with contextlib.suppress(Damage, OSError):
        for block in part.blocks():
            own += block
            if len(own) >= length:
                return int((places_of(own[:length], keys, size) >= 0).sum())
    return 0


def _parts(repo: Repository, space: str, stack: contextlib.ExitStack, kind: str) -> list[tuple[_About, IndexPart]]:
    """Open the parts of a space that we know, those with most pictures first."""
    found = []
    most = 2 * sum(ref.rows for ref in repo.state.segments(space)) + _MORE  # pictures that it may know, those gone too
    for part in index_parts(repo, space, kind):
        stack.enter_context(part)
        about = _About.of(part.head.parameters)
        if about is None or about.pictures > most or about.pairs + about.crowds > MOST_PAIRS:
            continue
        if part.head.size == sum(about.sizes(repo.hash.size)) and not part.head.covers:
            found.append((about, part))
    return sorted(found, key=lambda one: (-one[0].pictures, one[0].least, one[1].path))


def _read(part: IndexPart, about: _About, key_size: int) -> KeptEdges | None:
    import numpy as np

    try:
        payload = b"".join(part.blocks())
    except (Damage, OSError):
        return None
    columns = [payload[begin:end] for begin, end in pairwise(accumulate(about.sizes(key_size), initial=0))]
    clump, one, other, score, crowd, row = (np.frombuffer(column, "<u4").astype(np.int64) for column in columns[2:])
    compared = Compared(clump, one, other, score.astype(np.int32), crowd, row)
    is_once = places_of(columns[0], columns[0], key_size) == np.arange(about.pictures)
    if not (is_once.all() and (score <= WHOLE).all() and _is_possible(compared, about.least)):
        return None
    sums = np.frombuffer(columns[1], "<u8").astype(np.uint64)
    return KeptEdges(about.least, about.in_turns, columns[0], sums, compared, part.path)


def _is_possible(compared: Compared, least: int) -> bool:
    """Tell whether a payload is one that we write: its checksums say only that it is whole."""
    import numpy as np

    count, clump = len(compared), compared.clump
    if not ((clump <= np.arange(count)).all() and (clump[clump] == clump).all()):
        return False
    one, other, crowd, row = compared.one, compared.other, compared.crowd, compared.row
    if not ((one < other).all() and (other < count).all() and (crowd < count).all() and (row < count).all()):
        return False
    return bool(
        (compared.score >= least).all()
        and (clump[one] != clump[other]).all()
        and (np.diff(np.sort(one * count + other)) > 0).all()
        and (clump[crowd] == crowd).all()
        and (clump[row] != crowd).all()
    )


def keep_edges(repo: Repository, space: str, edges: KeptEdges, before: Path | None = None, kind: str = KIND) -> None:
    """Write a part, and remove those that it makes needless, if the store can be written and `ingest` is free.

    before: the part that it goes on from, whose pictures it has as far as they are there.
    """
    import numpy as np

    if repo.format < 2:
        return
    compared = edges.compared
    about = _About(edges.least, edges.in_turns, len(compared), len(compared.one), len(compared.crowd))
    numbers = (compared.clump, compared.one, compared.other, compared.score, compared.crowd, compared.row)
    payload = [edges.keys, edges.sums.astype("<u8").tobytes(), *(np.asarray(one, "<u4").tobytes() for one in numbers)]
    with _ingest_if_free(repo) as is_free:
        if not is_free:
            return
        size = sum(map(len, payload))
        path = write_index_part(repo, space, kind, payload, size=size, covers=(), parameters=about.to_document())
        if path is not None:
            _remove_needless(repo, space, path, about, before, kind)


def forget_edges(repo: Repository, edges: KeptEdges) -> None:
    """Remove a part that does not tell the truth, if the store can be written and `ingest` is free."""
    with _ingest_if_free(repo) as is_free, contextlib.suppress(DiskTrouble, ReadOnly):
        if is_free and edges.path is not None:
            durable.remove(edges.path)


@contextlib.contextmanager
def _ingest_if_free(repo: Repository) -> Iterator[bool]:
    """Hold `ingest`, if it is free and the store may be written."""
    lock = repo.lock("ingest")
    try:
        lock.acquire(0, "dupes")
    except (Locked, Untrusted, NoStore, ReadOnly, DiskTrouble, Damage, OSError):
        yield False
        return
    with lock:
        yield True


def _remove_needless(
    repo: Repository, space: str, written: Path, newest: _About, before: Path | None, kind: str
) -> None:
    """Remove the parts that add nothing to the newest one, and the smallest ones if there are many."""
    stay = 1
    with contextlib.ExitStack() as stack, contextlib.suppress(DiskTrouble, ReadOnly):
        for about, part in _parts(repo, space, stack, kind):
            if part.path == written:
                continue
            is_needless = about.in_turns == newest.in_turns and about.least >= newest.least
            is_needless = is_needless and about.pictures <= newest.pictures
            if is_needless or part.path == before or stay >= _MOST_PARTS:
                durable.remove(part.path)
            else:
                stay += 1
