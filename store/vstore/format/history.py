"""History: the log lines of records that gc unlinked, in chunks that are appended to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from types import NoneType

from vstore.errors import Damage
from vstore.format.canonical import Json, canonical, parsed
from vstore.format.hashing import Hash
from vstore.format.names import is_snapshot
from vstore.quick_tuple import NamedTuple

LINES = 1_000  # of each chunk but the last
END = 10**12  # no record has this number
LONGEST = 16_777_216  # bytes of a chunk, or of the list of chunks: parsed JSON takes up to 25 times as many


class Line(NamedTuple):
    """One operation, as the log told it.

    number:  the number of its record.
    op:      sync, rollback, tag, …
    time:    when it was done.
    about:   a few words for people.
    current: the current snapshot after it.
    undone:  an undo took it back.
    """

    number: int
    op: str
    time: str
    about: str
    current: str | None
    undone: bool


class Chunk(NamedTuple):
    """A blob of lines, as the root names it.

    first:  the number of its first line.
    last:   the number of its last line.
    digest: of its bytes.
    """

    first: int
    last: int
    digest: bytes


class History:
    """The lines of records that are gone, read through `fetch` and never changed. A lost chunk is passed over.

    root:  the digest of the list of chunks; None while there is none.
    fresh: the blobs not stored yet, by digest.
    """

    def __init__(
        self,
        hash: Hash,
        fetch: Callable[[bytes], bytes],
        root: bytes | None,
        fresh: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self.root = root
        self.fresh: Mapping[bytes, bytes] = fresh or {}
        self._hash = hash
        self._stored = fetch
        self._chunks: list[Chunk] | None = None

    @property
    def chunks(self) -> list[Chunk]:
        """The chunks, oldest first, lost ones too; none if their list is lost."""
        if self._chunks is None:
            try:
                self._chunks = [] if self.root is None else _decoded_chunks(self._read(self.root), self._hash.size)
            except Damage:
                self._chunks = []
        return self._chunks

    @property
    def is_lost(self) -> bool:
        """The list of chunks cannot be read."""
        return self.root is not None and not self.chunks

    def blobs(self) -> set[bytes]:
        """Collect the digests of its blobs: the list, and all chunks. A lost one is among them."""
        return {chunk.digest for chunk in self.chunks} | ({self.root} if self.root is not None else set())

    def lines(self, chunk: Chunk) -> list[Line]:
        """Read a chunk. Raises: Damage if it is lost."""
        lines = _decoded_lines(self._read(chunk.digest))
        if (lines[0].number, lines[-1].number) != (chunk.first, chunk.last):
            raise _damage("a chunk is not that of its numbers")
        return lines

    def newest(self) -> Iterator[Line]:
        """Yield the lines, newest first; those of lost chunks are missing."""
        for chunk in reversed(self.chunks):
            yield from reversed(self._lines_left(chunk))

    def lost_chunks(self) -> list[Chunk]:
        """Find the chunks that cannot be read. Reads all."""
        return [chunk for chunk in self.chunks if not self._lines_left(chunk)]

    def without_lost(self) -> History:
        """Leave out what is lost."""
        lost = self.lost_chunks()
        if not lost and not self.is_lost:
            return self
        return self._over([chunk for chunk in self.chunks if chunk not in lost], {})

    def appended(self, lines: Iterable[Line]) -> History:
        """Append the lines whose numbers are above the last; they come in rising order.

        A short last chunk is filled up. A lost one is left out, as only the last chunk may be short.
        """
        kept = list(self.chunks)
        last = kept[-1].last if kept else 0
        added = [line for line in lines if line.number > last]
        if not added:
            return self
        if kept:
            before = self._lines_left(kept[-1])
            if len(before) < LINES:
                kept.pop()
                added = before + added
        made: dict[bytes, bytes] = {}
        for at in range(0, len(added), LINES):
            part = added[at : at + LINES]
            data = canonical([list(line) for line in part])
            chunk = Chunk(part[0].number, part[-1].number, self._hash.digest(data))
            made[chunk.digest] = data
            kept.append(chunk)
        return self._over(kept, made)

    def _over(self, chunks: list[Chunk], made: Mapping[bytes, bytes]) -> History:
        if not chunks:
            return History(self._hash, self._stored, None)
        data = canonical([[chunk.first, chunk.last, chunk.digest.hex()] for chunk in chunks])
        root = self._hash.digest(data)
        named = {chunk.digest for chunk in chunks}
        kept = {digest: blob for digest, blob in self.fresh.items() if digest in named}
        return History(self._hash, self._stored, root, {**kept, **made, root: data})

    def _lines_left(self, chunk: Chunk) -> list[Line]:
        """Read a chunk; a lost one has no lines."""
        try:
            return self.lines(chunk)
        except Damage:
            return []

    def _read(self, digest: bytes) -> bytes:
        found = self.fresh.get(digest)
        return found if found is not None else self._stored(digest)


def _decoded_chunks(data: bytes, digest_size: int) -> list[Chunk]:
    """Read the list of chunks. Raises: Damage."""
    chunks = [Chunk(first, last, _digest(digest)) for first, last, digest in _rows(data, (int, int, str))]
    fits = all(1 <= chunk.first <= chunk.last < END and len(chunk.digest) == digest_size for chunk in chunks)
    if not fits or any(a.last >= b.first for a, b in pairwise(chunks)):
        raise _damage("its chunks are out of order")
    if len({chunk.digest for chunk in chunks}) < len(chunks):  # each would be unpacked as often as it is named
        raise _damage("a chunk stands in it twice")
    return chunks


def _decoded_lines(data: bytes) -> list[Line]:
    """Read the lines of a chunk. Raises: Damage."""
    lines = [Line(*row) for row in _rows(data, (int, str, str, str, (str, NoneType), bool))]
    numbers = [line.number for line in lines]
    if not 1 <= len(lines) <= LINES or any(a >= b for a, b in pairwise(numbers)):
        raise _damage("its lines are out of order")
    for line in lines:
        if not (line.op + line.time).isprintable() or not (line.current is None or is_snapshot(line.current)):
            raise _damage(f"it holds the operation {line.op!r:.100} at {line.time!r:.100}")
    return lines


def _rows(data: bytes, types: tuple[type | tuple[type, ...], ...]) -> list[list[Json]]:
    """Read a list of rows with values of these types. Raises: Damage."""
    try:
        rows = parsed(data, LONGEST)
    except ValueError as err:
        raise _damage(str(err)) from err
    if not isinstance(rows, list):
        raise _damage("it is no list")
    for row in rows:
        if not isinstance(row, list) or len(row) != len(types):
            raise _damage("it has a row of another length")
        for value, kind in zip(row, types, strict=True):
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
                raise _damage(f"it holds {value!r:.100}")
    return rows


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as err:
        raise _damage(f"{text!r} is no digest") from err


def _damage(reason: str) -> Damage:
    return Damage(f"the history of old operations cannot be read: {reason}", "run: vstore check")
