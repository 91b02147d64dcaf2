"""The stored rows of some pictures of a space, numbered in the order of their keys."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from vstore.disk.norms import NORM_OFF
from vstore.errors import Damage
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Doubles = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

_GRID = 2.0**24  # every float16 up to 1 is a multiple of 1 / _GRID


class SpaceRows:
    """The rows of n pictures, mapped; only segments that hold one of them are read, against their checksums.

    keys: of the pictures that have a row in the space, rising.
    dim:  numbers in a row.
    """

    def __init__(self, repo: Repository, space: str, keys: Collection[bytes]) -> None:
        """Raises: Damage, FileNotFoundError."""
        import numpy as np

        self.dim: int = repo.state.spaces[space].dim
        self._parts: list[Any] = []  # rows of segments, as they are stored
        places: dict[bytes, tuple[int, int]] = {}
        wanted = keys if isinstance(keys, (set, frozenset, dict)) else set(keys)
        for ref in repo.state.segments(space) if wanted else ():
            segment = repo.segment(ref)
            part = len(self._parts)
            here = [(key, (part, row)) for row, key in enumerate(segment.key_list()) if key in wanted]
            here = [one for one in here if one[0] not in places]
            if here:
                segment.verify()
                self._parts.append(np.asarray(segment.rows()))
                for key, place in here:
                    places.setdefault(key, place)  # of a key that stands twice the first row wins
        self.keys = sorted(places)
        found = np.array([places[key] for key in self.keys], np.int64).reshape(-1, 2)
        self._part, self._row = found[:, 0], found[:, 1]

    def __len__(self) -> int:
        return len(self.keys)

    def stored(self, at: Ints) -> Any:
        """Read some rows as they are stored: float16 or float32 (m, dim). at: int64 (m,)."""
        import numpy as np

        parts, rows = self._part[at], self._row[at]
        if not len(parts):
            return np.empty((0, self.dim), np.float16)
        if (parts == parts[0]).all():
            return self._parts[parts[0]][rows]
        found = np.empty((len(at), self.dim), self._parts[0].dtype)
        for part in np.flatnonzero(np.bincount(parts)):
            here = parts == part
            found[here] = self._parts[part][rows[here]]
        return found

    def unit(self, at: Ints) -> Floats:
        """Read some rows, brought to norm 1: float32 (m, dim). Raises: Damage."""
        import numpy as np

        rows: Floats = self.stored(at).astype(np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        _require_norm_1(norms)
        rows /= norms[:, None]
        return rows

    def exact(self, at: Ints) -> Doubles:
        """Read some rows as multiples of 2**-24: float64 (m, dim). Of float32 each number is rounded to one.

        Raises: Damage.
        """
        import numpy as np

        stored = self.stored(at)
        rows: Doubles = stored.astype(np.float64)
        if stored.dtype.itemsize > 2:
            rows = np.rint(rows * _GRID) / _GRID
        _require_norm_1(np.sqrt(np.einsum("ij,ij->i", rows, rows)))
        return rows


def _require_norm_1(norms: npt.NDArray[Any]) -> None:
    import numpy as np

    if not (np.abs(norms - 1) <= NORM_OFF).all():
        raise Damage("a segment holds rows that are no vectors of norm 1", "run: vstore check --read-data")
