"""The rows of the pictures of a snapshot: in the order in which the store holds them, at once or in batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.counts import counted, whole
from vstore.disk.footer import BLOCK
from vstore.errors import Damage, UsageError
from vstore.repository.repository import Repository
from vstore.search.bitmaps import marked_rows
from vstore.search.key_paths import key_paths
from vstore.search.numbers import order_of
from vstore.search.open_snapshot import snapshot_bitmaps
from vstore.threads import cores, start
from vstore.vectors.proved_rows import ProvedRows
from vstore.vectors.report import Vectors

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

Paths = tuple[tuple[str | bytes, ...], ...]


class _Part(NamedTuple):
    """The pictures of a snapshot in one segment.

    first:  the number of the first of them.
    proved: the rows of the segment.
    rows:   int64 (m,), those of the pictures, rising.
    """

    first: int
    proved: ProvedRows
    rows: Ints

    def inside(self, begin: int, end: int) -> Ints:
        """Find the rows of the pictures with the numbers from begin up to end."""
        return self.rows[max(0, begin - self.first) : max(0, end - self.first)]

    def keys(self) -> bytes:
        import numpy as np

        segment = self.proved.segment
        return np.frombuffer(segment.keys, np.uint8).reshape(-1, segment.footer.key_size)[self.rows].tobytes()

    def blocks(self) -> list[tuple[ProvedRows, int]]:
        return [(self.proved, block) for block in sorted({*(self.rows // BLOCK).tolist()})]


class SnapshotRows:
    """The pictures of a snapshot, numbered as their rows stand in the segments of its space.

    Once made, it needs no file of a name: what syncs and gc do meanwhile changes nothing. Safe in several threads.

    count: its pictures.
    dim:   numbers of a vector.
    dtype: of a vector.
    """

    def __init__(self, repo: Repository, at: str) -> None:
        """Raises: SnapshotNotFound, AmbiguousSnapshot, Damage, FileNotFoundError."""
        import numpy as np

        snapshot = repo.snapshot(at)
        tree = repo.tree(snapshot)
        self._paths = key_paths(repo, snapshot, tree)
        segments = [repo.segment(ref) for ref in repo.state.segments(snapshot.space)]
        bitmaps = snapshot_bitmaps(repo, snapshot, tree, segments, lambda: self._paths)
        self._parts: list[_Part] = []
        self.count = 0
        for segment, bitmap in zip(segments, bitmaps, strict=True):
            if marked_rows(bitmap):
                rows = np.flatnonzero(np.unpackbits(np.frombuffer(bitmap, np.uint8), bitorder="little"))
                self._parts.append(_Part(self.count, ProvedRows(segment), rows))
                self.count += len(rows)
        self.dim = repo.state.spaces[snapshot.space].dim
        self.dtype = np.dtype(repo.dtype)
        if self.count != len(self._paths):
            missing = len(self._paths) - self.count
            raise Damage(f"{counted(missing, 'picture')} of {snapshot.name} without a vector", "run: vstore check")
        self._key_size = repo.hash.size
        self._keys = b"".join(part.keys() for part in self._parts)
        self._numbers = np.empty(self.count, np.int64)  # of the pictures, in the order of their keys
        self._numbers[order_of(self._keys, self._paths, self._key_size)] = np.arange(self.count)

    def all(self) -> Vectors:
        """Give all rows, read-only: mapped where they are one run of one segment, else copied. Raises: Damage."""
        import numpy as np

        blocks = [block for part in self._parts for block in part.blocks()]
        start(_prove, blocks, cores())()
        if len(self._parts) == 1 and (run := _run(self._parts[0].rows)) is not None:
            rows = self._parts[0].proved.rows[run]
        else:
            rows = np.empty((self.count, self.dim), self.dtype)
            self._copy(0, self.count, rows)
            rows.flags.writeable = False
        return Vectors(*self.named(), rows)

    def batches(self, size: int) -> Iterator[Vectors]:
        """Yield the pictures `size` at a time, with copies of their rows; each row is checked when it is read.

        Raises: UsageError at once; Damage as batches are asked for.
        """
        count = whole(size)
        if count is None or count < 1:
            raise UsageError(f"{repr(size)[:100]} is not a size of a batch", "give a size of 1 or more")
        return (self._batch(at, min(at + count, self.count)) for at in range(0, self.count, count))

    def blocks(self) -> Iterator[Any]:
        """Yield the rows in order, checked, a few thousand at a time, for one who copies them. Raises: Damage."""
        for at in range(0, self.count, BLOCK):
            yield self._copied(at, min(at + BLOCK, self.count))

    def named(self, begin: int = 0, end: int | None = None) -> tuple[tuple[bytes, ...], Paths]:
        """Give the keys and the paths of the pictures from begin up to end."""
        size, end = self._key_size, self.count if end is None else end
        keys = tuple(self._keys[at : at + size] for at in range(begin * size, end * size, size))
        paths = (self._paths.paths_at(number) for number in self._numbers[begin:end].tolist())
        return keys, tuple(tuple(map(_text, names)) for names in paths)

    def _batch(self, begin: int, end: int) -> Vectors:
        return Vectors(*self.named(begin, end), self._copied(begin, end))

    def _copied(self, begin: int, end: int) -> Any:
        import numpy as np

        rows = np.empty((end - begin, self.dim), self.dtype)
        for part in self._parts:
            for block in sorted({*(part.inside(begin, end) // BLOCK).tolist()}):
                part.proved.prove_block(block)
        self._copy(begin, end, rows)
        return rows

    def _copy(self, begin: int, end: int, out: Any) -> None:
        """Copy the rows of pictures. out: (end - begin, dim)."""
        at = 0
        for part in self._parts:
            rows = part.inside(begin, end)
            if len(rows):
                run = _run(rows)
                out[at : at + len(rows)] = part.proved.rows[rows if run is None else run]
                at += len(rows)


def _prove(block: tuple[ProvedRows, int]) -> None:
    proved, number = block
    proved.prove_block(number)


def _run(rows: Ints) -> slice | None:
    """Give the run that rising rows are; None if some between them are left out."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else None


def _text(path: bytes) -> str | bytes:
    try:
        return path.decode()
    except UnicodeDecodeError:
        return path
