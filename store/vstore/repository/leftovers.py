"""What imports left over: rows of old indexes whose pictures were not found, with their old paths, kept in packs."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.disk.packs import write_pack
from vstore.errors import Damage
from vstore.format.canonical import Json, canonical, named_path, path_from_json, path_to_json
from vstore.format.entries import FileRef, Import
from vstore.format.layout import DTYPES
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.segments import Rows

BLOCK = 1024  # rows of a blob
SAME = 0.9999  # cosine of two vectors of one picture; look-alikes that score so hardly differ either
PREFIX = 64  # numbers of two vectors that are compared first
# |a - b|² is at most 2 (1 - SAME) for vectors of norm 1, and these are within a thousandth of it.
APART = 2 * (1 - SAME) + 1e-4
MOST = 1e8  # pairs that a sync compares: a second or so


class LeftRow(NamedTuple):
    """One row that waits for its picture. row: its number in the old index. state, reason: why it waits."""

    row: int
    path: bytes
    state: str
    reason: str


def write_leftovers(
    repo: Repository, rows: Sequence[LeftRow], blocks: Iterable[Rows]
) -> tuple[bytes, list[bytes], list[FileRef]]:
    """Write rows and their vectors to packs that no record lists yet. The caller holds `ingest`.

    blocks: the vectors in the store's dtype, in the order of the rows, at most 1,024 at a time.
    Returns: digest of the names, digests of the vectors, the packs.
    """
    digest = repo.hash.digest
    names = canonical([[left.row, path_to_json(left.path), left.state, left.reason] for left in rows])
    listed: list[bytes] = []
    refs: list[FileRef] = []
    blobs = {digest(names): names}
    for block in blocks:  # a pack is put together in memory, so that each block has one of its own
        data = block.tobytes()
        listed.append(digest(data))
        blobs[listed[-1]] = data
        refs.append(write_pack(repo.layout.packs, repo.hash, blobs, "ingest"))
        blobs = {}
    return digest(names), listed, refs


def left_rows(repo: Repository, found: Import) -> list[LeftRow]:
    """The rows that an import left over. Raises: Damage."""
    try:
        return [
            LeftRow(row, path_from_json(path), state, reason)
            for row, path, state, reason in json.loads(repo.packs.get(found.names))
        ]
    except (ValueError, KeyError, TypeError) as err:
        raise Damage(f"the names of the import {found.id} cannot be read: {err!r}", "run: vstore check") from err


def as_of(repo: Repository, found: Import, space: str) -> Import:
    """What an import left over, as that of a space which adopted its vectors; of any other space, as it is.

    Such a space lists files that were written for the imported one, as their footers say.
    """
    listed = repo.state.segments(space) if space != found.space else []
    if any(repo.segment(ref).footer.space.hex() == found.space for ref in listed):
        return found._replace(space=space)
    return found


class LeftVectors:
    """The vectors of those rows, in their order; the blob that was read last stays in memory."""

    def __init__(self, repo: Repository, found: Import) -> None:
        self._repo = repo
        self._found = found
        self._dim = repo.state.spaces[found.space].dim
        self._open: tuple[int, Rows] | None = None

    def block(self, first: int, end: int) -> Rows:
        """Some vectors: (end - first, dim) in the store's dtype. Raises: Damage."""
        import numpy as np

        parts: list[Any] = []
        while first < end:
            number = first // BLOCK
            upto = min(end, (number + 1) * BLOCK)
            parts.append(self._blob(number)[first - number * BLOCK : upto - number * BLOCK])
            first = upto
        rows: Rows = np.concatenate(parts)
        return rows

    def count(self) -> int:
        """How many there are, each of them read. Raises: Damage."""
        return sum(len(self._blob(number)) for number in range(len(self._found.vectors)))

    def _blob(self, number: int) -> Rows:
        import numpy as np

        if self._open is None or self._open[0] != number:
            data = self._repo.packs.get(self._found.vectors[number])
            if len(data) % (self._dim * DTYPES[self._repo.dtype]):
                raise Damage(f"vectors of the import {self._found.id} are not what was written", "run: vstore check")
            rows: Rows = np.frombuffer(data, np.dtype(self._repo.dtype).newbyteorder("<")).reshape(-1, self._dim)
            self._open = number, rows
        return self._open[1]


class Candidate(NamedTuple):
    """A path that may be that of a row which an import left over: it has the same name, or the same vector.

    id: of the import. old: the path that the row had. by: "name" or "vector".
    """

    id: str
    old: bytes
    path: bytes
    by: str

    def to_json(self) -> dict[str, Json]:
        return {"import_id": self.id, "old": named_path(self.old), **named_path(self.path), "by": self.by}


def candidates(repo: Repository, space: str, new: Sequence[tuple[bytes, bytes]]) -> list[Candidate]:
    """Which new aliases may be those of rows whose picture was missing.

    new: stored paths and their keys. By their vectors they are looked for only where that takes no time to speak of.
    """
    found: list[Candidate] = []
    for kept in repo.state.imports.values():
        waiting = {at: left.path for at, left in enumerate(left_rows(repo, kept)) if left.state == "missing"}
        named = {_name(path): path for path in waiting.values()}
        others: dict[bytes, bytes] = {}
        for path, key in new:
            old = named.get(_name(path))
            if old is not None:
                found.append(Candidate(kept.id, old, path, "name"))
            else:
                others.setdefault(key, path)
        here = as_of(repo, kept, space)
        if here.space == space and len(waiting) * len(others) <= MOST:
            same = same_vectors(repo, here, list(waiting), set(others))
            found += [Candidate(kept.id, waiting[at], others[key], "vector") for at, key in same.items()]
    return sorted(found, key=lambda candidate: candidate.path)


def same_vectors(repo: Repository, found: Import, rows: Sequence[int], keys: Collection[bytes]) -> dict[int, bytes]:
    """Which of these rows have the vector of one of these pictures: it was embedded anew under another name.

    Returns: position of the row -> key. Raises: Damage.
    """
    import numpy as np

    if not rows or not keys:
        return {}
    left = LeftVectors(repo, found)
    stored: list[tuple[bytes, Any]] = []
    taken: set[bytes] = set()
    for ref in repo.state.segments(found.space):
        segment = repo.segment(ref)
        here = [(number, key) for number, key in enumerate(segment.key_list()) if key in keys and key not in taken]
        if here:
            segment.verify()
            mapped = np.asarray(segment.rows())  # an array of its own kind would be made for each row
            taken.update(key for _, key in here)
            stored += [(key, mapped[number]) for number, key in here]
    asked = np.concatenate([left.block(row, row + 1) for row in rows])
    best: dict[int, tuple[float, bytes]] = {}
    for first in range(0, len(stored), BLOCK):
        some = stored[first : first + BLOCK]
        for at, number in _near(asked, [row for _, row in some]):
            scored = _cosine(asked[at], some[number][1])
            if scored >= SAME and scored > best.get(rows[at], (0.0, b""))[0]:
                best[rows[at]] = (scored, some[number][0])
    return {row: key for row, (_, key) in best.items()}


def _near(asked: Any, stored: Sequence[Any]) -> list[tuple[int, int]]:
    """Pairs that may be the same vector: whose first numbers differ by no more than those of such a pair can."""
    import numpy as np

    a = asked[:, :PREFIX].astype(np.float32)
    b = np.stack([row[:PREFIX] for row in stored]).astype(np.float32)
    apart = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * (a @ b.T)
    return [(at, number) for at, number in np.argwhere(apart <= APART).tolist()]


def _cosine(a: Any, b: Any) -> float:
    import numpy as np

    x, y = a.astype(np.float64), b.astype(np.float64)
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def _name(path: bytes) -> bytes:
    return os.path.basename(path.replace(b"\\", b"/"))
