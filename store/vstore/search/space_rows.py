"""The stored rows of some pictures of a space."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from vstore.disk.norms import NORM_OFF
from vstore.disk.row_sums import row_sums
from vstore.errors import Damage
from vstore.format.key_places import places_of, words
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.disk.segments import Segment

    Floats = npt.NDArray[np.float32]
    Doubles = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Sums = npt.NDArray[np.uint64]

_GRID = 2.0**24  # every float16 up to 1 is a multiple of 1 / _GRID
_SUMMED = 4096  # rows whose checksums are computed at once


class SpaceRows:
    """The rows of n pictures, mapped and numbered. Segments that hold one of them are read, against their checksums.

    dim: numbers in a row.
    """

    def __init__(self, repo: Repository, space: str, keys: Collection[bytes]) -> None:
        """
        keys:   of the pictures; those without a row in the space are left out. Rows are numbered as their keys rise.
        Raises: Damage, FileNotFoundError.
        """
        self.dim: int = repo.state.spaces[space].dim
        self._key_size = repo.hash.size
        self._segments: list[Segment] = [repo.segment(ref) for ref in repo.state.segments(space)]
        self._parts: dict[int, Any] = {}  # rows of segments that were read, as they are stored
        self._find(keys)

    def _find(self, keys: Collection[bytes]) -> None:
        import numpy as np

        column = b"".join(keys)
        every = words(column, self._key_size)
        order = np.lexsort(every.T[::-1])
        is_first = np.ones(len(order), bool)
        is_first[1:] = (every[order[1:]] != every[order[:-1]]).any(axis=1)  # a key may be given twice
        self._key_rows = np.frombuffer(column, np.uint8).reshape(-1, self._key_size)[order[is_first]]
        part, row, column = np.full(len(self._key_rows), -1), np.empty(len(self._key_rows), np.int64), self.column
        for number, segment in enumerate(self._segments) if keys else ():
            at = places_of(column, segment.keys, self._key_size)
            rows = np.flatnonzero(at >= 0)[::-1]  # of a key that stands twice the first row wins
            rows = rows[part[at[rows]] < 0]
            if len(rows):
                part[at[rows]], row[at[rows]] = number, rows
                if number not in self._parts:
                    segment.verify()
                    self._parts[number] = np.asarray(segment.rows())
        self._part, self._row = part, row
        self._sums: Sums | None = None
        self._choose(np.flatnonzero(part >= 0))

    def _choose(self, numbers: Ints) -> None:
        """Keep some rows, in another order."""
        self._key_rows, self._part, self._row = self._key_rows[numbers], self._part[numbers], self._row[numbers]
        self._sums = None if self._sums is None else self._sums[numbers]

    @property
    def column(self) -> bytes:
        """The keys, one after another."""
        return self._key_rows.tobytes()

    def key_list(self) -> list[bytes]:
        """List the keys of the pictures, by the numbers of their rows."""
        column, size = self.column, self._key_size
        return [column[at : at + size] for at in range(0, len(column), size)]

    def of(self, keys: Collection[bytes]) -> SpaceRows:
        """Give the rows of other pictures, which may be some of these. Raises: Damage, FileNotFoundError."""
        other = copy(self)
        other._find(keys)
        return other

    def ordered(self, order: Ints) -> SpaceRows:
        """Give some rows in another order. order: int64 (m,), their numbers here."""
        other = copy(self)
        other._choose(order)
        return other

    def joined(self, others: SpaceRows) -> SpaceRows:
        """Give these rows, and then others of the same space."""
        import numpy as np

        both = copy(self)
        both._parts |= others._parts
        both._key_rows = np.concatenate([self._key_rows, others._key_rows])
        both._part, both._row = np.append(self._part, others._part), np.append(self._row, others._row)
        mine, theirs = self._sums, others._sums
        both._sums = None if mine is None or theirs is None else np.append(mine, theirs)
        return both

    def __len__(self) -> int:
        return len(self._row)

    @property
    def size(self) -> int:
        """Bytes of the rows as they are stored."""
        return len(self) * (self._segments[0].footer.width if self._segments else 0)

    def places(self, firsts: Sequence[int]) -> Ints:
        """Give the number of each row through all segments of the space: int64 (n,). firsts: rows before each."""
        import numpy as np

        places: Ints = np.asarray(firsts, np.int64)[self._part] + self._row
        return places

    def as_stored(self) -> Ints:
        """Give the order in which the rows lie on the disk: int64 (n,)."""
        import numpy as np

        return np.lexsort((self._row, self._part))

    def sums(self) -> Sums:
        """Compute the checksum of each row, once: uint64 (n,)."""
        import numpy as np

        if self._sums is None:
            sums, order = np.empty(len(self), np.uint64), self.as_stored()  # one after another they need not be copied
            for begin in range(0, len(order), _SUMMED):
                some = order[begin : begin + _SUMMED]
                rows = np.ascontiguousarray(self.stored(some))
                sums[some] = row_sums(rows.data.cast("B"), rows[0].nbytes)
            self._sums = sums
        return self._sums

    def first_equal(self, at: Ints) -> Ints:
        """Find the first of some rows that has the same numbers as each of them: int64 (m,), places in `at`."""
        import numpy as np

        rows = np.ascontiguousarray(self.stored(at))
        whole = rows.view(np.dtype((np.void, rows.itemsize * self.dim))).ravel()
        _, first, kind = np.unique(whole, return_index=True, return_inverse=True)
        return first[kind.ravel()]

    def unit(self, at: Ints) -> Floats:
        """Read some rows, brought to norm 1: float32 (m, dim). at: int64 (m,), their numbers. Raises: Damage."""
        rows, norms = self.with_norms(at)
        rows /= norms[:, None]
        return rows

    def with_norms(self, at: Ints) -> tuple[Floats, Floats]:
        """Read some rows, and their norms: float32 (m, dim) and (m,). at: int64 (m,), their numbers. Raises: Damage."""
        import numpy as np

        rows: Floats = self.stored(at).astype(np.float32)
        norms: Floats = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        require_norm_1(norms)
        return rows, norms

    def exact(self, at: Ints) -> tuple[Doubles, Doubles]:
        """Read some rows as multiples of 2**-24, and their squared norms. Numbers of float32 are rounded to these.

        at:      int64 (m,), their numbers.
        Returns: float64 (m, dim) and (m,).
        Raises:  Damage.
        """
        import numpy as np

        stored = self.stored(at)
        rows: Doubles = stored.astype(np.float64)
        if stored.dtype.itemsize > 2:
            rows = np.rint(rows * _GRID) / _GRID
        squares: Doubles = np.einsum("ij,ij->i", rows, rows)
        require_norm_1(np.sqrt(squares))
        return rows, squares

    def stored(self, at: Ints) -> Any:
        """Read some rows as they are stored: float16 or float32 (m, dim)."""
        import numpy as np

        if not len(at):
            return np.empty((0, self.dim), np.float16)
        parts, rows = self._part[at], self._row[at]
        if (parts == parts[0]).all():
            whole = self._parts[int(parts[0])]
            is_run = rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all()
            return whole[rows[0] : rows[-1] + 1] if is_run else whole[rows]
        found = np.empty((len(at), self.dim), self._parts[int(parts[0])].dtype)
        for part in np.flatnonzero(np.bincount(parts)).tolist():
            here = parts == part
            found[here] = self._parts[part][rows[here]]
        return found


def require_norm_1(norms: npt.NDArray[Any]) -> None:
    """Refuse rows that are no vectors. norms: theirs. Raises: Damage."""
    import numpy as np

    if not (np.abs(norms - 1) <= NORM_OFF).all():
        raise Damage("a segment holds rows that are no vectors of norm 1", "run: vstore check --read-data")
