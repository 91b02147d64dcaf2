"""The index of a snapshot: the segments of its space, searched exactly, less the rows of other snapshots."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from copy import copy
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vstore.disk.norms import NORM_OFF, of_norm_1
from vstore.disk.segments import Segment
from vstore.errors import Damage
from vstore.packages import faiss_module, faiss_threads
from vstore.quick_tuple import NamedTuple
from vstore.row_selection import only_marked
from vstore.search.bitmaps import is_marked, marked_rows
from vstore.search.views import Views
from vstore.threads import cores, share

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]


_FEW = 8  # times as many rows: reading all of them whole for a search costs more than single ones


class Hits(NamedTuple):
    """The nearest rows of n queries, best first.

    scores: float32 (n, k), cosines.
    rows:   int64 (n, k), -1 where the index holds fewer than k.
    """

    scores: Floats
    rows: Ints


class Device(Protocol):
    """A device that has the rows of an index: `OnDevice`."""

    @property
    def is_ready(self) -> bool: ...
    def top_k(self, index: Index, queries: Floats, k: int) -> Hits | None: ...
    def near(self, index: Index, queries: Floats, k: int) -> list[Ints | None] | None: ...
    def notes(self) -> tuple[str, ...]: ...


class Index:
    """The rows of some segments marked by bitmaps, numbered through all segments in their order.

    From its making on, the segments are read against their checksums in threads, unless `ahead` is false; `top_k`
    answers nothing before that is done. Single rows are proved by themselves.

    count:  marked rows.
    firsts: rows before each segment, and all rows.
    device: has the rows; None if they stay here.
    """

    device: Device | None = None
    is_damaged = False  # `Nearest` has parts that may be

    def __init__(
        self, segments: Sequence[Segment], bitmaps: Sequence[bytes], cache: Path, *, ahead: bool = True
    ) -> None:
        self._segments = segments
        self._needed: Sequence[Segment] | None = None  # None: all of them
        self._mark(bitmaps)
        self.firsts = list(accumulate((segment.footer.rows for segment in segments), initial=0))
        self._views = Views(segments, cache, ahead=ahead)

    def narrowed(self, bitmaps: Sequence[bytes]) -> Index:
        """Give an index of the same segments with other rows marked.

        Of few marked rows none asks for whole segments, unless these are read ahead anyway: those found are proved.
        """
        other = copy(self)
        other._mark(bitmaps)
        if not self._views.are_ahead:
            other._needed = () if other.count * _FEW <= self.firsts[-1] else None
        return other

    def alone(self, bitmaps: Sequence[bytes]) -> Index:
        """Give an index as `narrowed` does, which asks for no segment to be read but those with marked rows."""
        other = self.narrowed(bitmaps)
        other._needed = [segment for segment, marked in zip(self._segments, other._marked, strict=True) if marked]
        return other

    def _mark(self, bitmaps: Sequence[bytes]) -> None:
        self._bitmaps = bitmaps
        self._marked = [marked_rows(bitmap) for bitmap in bitmaps]
        self.count = sum(self._marked)

    @property
    def bitmaps(self) -> Sequence[bytes]:
        """The bitmaps of the marked rows, one per segment."""
        return self._bitmaps

    @property
    def rows(self) -> int:
        """Count all rows."""
        return self.firsts[-1]

    @property
    def size(self) -> int:
        """Count the bytes of the marked rows, which an exact search reads."""
        return sum(marked * segment.footer.width for marked, segment in zip(self._marked, self._segments, strict=True))

    @property
    def dim(self) -> int:
        """The numbers of a row. There is a segment."""
        return self._segments[0].footer.dim

    def notes(self) -> tuple[str, ...]:
        """Give the remarks of the device that were not yet given."""
        return () if self.device is None else self.device.notes()

    def parts(self) -> Iterator[tuple[Segment, Any, bytes, int]]:
        """Yield segments with marked rows, after `wait`, with all their rows, their bitmap, and the rows before it."""
        for segment, bitmap, marked, first in zip(
            self._segments, self._bitmaps, self._marked, self.firsts, strict=False
        ):
            if marked:
                yield segment, self._views.rows(segment), bitmap, first

    def find(self, key: bytes) -> int | None:
        """Find the winning row of a key, marked or not; None if no segment has the key."""
        for segment, first in zip(self._segments, self.firsts, strict=False):
            row = segment.row_of(key)
            if row is not None:
                return first + row
        return None

    def is_marked(self, row: int) -> bool:
        part, row = self._part(row)
        return is_marked(self._bitmaps[part], row)

    def key(self, row: int) -> bytes:
        part, row = self._part(row)
        return self._segments[part].key(row)

    def marked_rows(self) -> Ints:
        """List the marked rows: int64 (count,), rising."""
        import numpy as np

        parts = [
            first + np.flatnonzero(np.unpackbits(np.frombuffer(bitmap, np.uint8), bitorder="little"))
            for first, bitmap in zip(self.firsts, self._bitmaps, strict=False)
        ]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def are_marked(self, rows: Ints) -> bool:
        """Tell whether rows are the marked ones, each once, in any order. rows: int64 (m,), not negative."""
        return (
            len(rows) == self.count
            and bool((rows < self.firsts[-1]).all())
            and [*map(bytes, self.bitmaps_of(rows))] == [*map(bytes, self._bitmaps)]
        )

    def keys_of(self, rows: Ints) -> bytes:
        """Read the keys of some rows, one after another. rows: int64 (m,), rising."""
        import numpy as np

        edges = np.searchsorted(rows, self.firsts).tolist()
        found = []
        for segment, first, (begin, end) in zip(self._segments, self.firsts, pairwise(edges), strict=False):
            column = np.frombuffer(segment.keys, np.uint8).reshape(-1, segment.footer.key_size)
            found.append(column[rows[begin:end] - first].tobytes())
        return b"".join(found)

    def bitmaps_of(self, rows: Ints) -> list[bytes]:
        """Mark some rows in bitmaps, one per segment. rows: int64 (m,)."""
        import numpy as np

        marks = np.zeros(self.firsts[-1], bool)
        marks[rows] = True
        parts = (marks[begin:end] for begin, end in pairwise(self.firsts))
        return [np.packbits(part, bitorder="little").tobytes() for part in parts]

    def first(self, part: int) -> int:
        """Count the rows before a segment. part: its number."""
        return self.firsts[part]

    def codes(self, part: int, rows: Ints) -> Floats:
        """Read rows of a segment, unproved: float32 (m, dim). rows: int64 (m,), in it, rising."""
        import numpy as np

        whole = self._views.rows(self._segments[part])
        is_run = len(rows) > 0 and rows[-1] - rows[0] == len(rows) - 1
        codes: Floats = (whole[rows[0] : rows[-1] + 1] if is_run else whole[rows]).astype(np.float32)
        return codes

    def scores(self, query: Floats, rows: Ints) -> Floats:
        """Let faiss score some rows, as `top_k` does.

        query:   float32 (1, dim).
        Returns: float32 (m,), cosines.
        Raises:  Damage if one is no vector of norm 1.
        """
        import numpy as np

        if not len(rows):
            return np.empty(0, np.float32)
        parts = [self._part(row) for row in rows.tolist()]
        codes = b"".join([self._views.code(self._segments[part], row) for part, row in parts])
        few: Any = self._views.empty(self._segments[parts[0][0]])
        few.add_sa_codes(np.frombuffer(codes, np.uint8).reshape(len(rows), -1))
        with faiss_threads(1):
            found, order = few.search(query, len(rows))
        scores = np.full(len(rows), np.nan, np.float32)
        scores[order[0][order[0] >= 0]] = found[0][order[0] >= 0]
        for part, _ in [parts[at] for at in np.flatnonzero(~(np.abs(scores) <= 1 + NORM_OFF)).tolist()]:
            raise self._odd(self._segments[part])
        return scores.clip(-1, 1)

    def vector(self, row: int) -> Floats:
        """Read one row: float32 (dim,). Raises: Damage, FileNotFoundError."""
        import numpy as np

        part, row = self._part(row)
        segment = self._segments[part]
        data = self._views.row(segment, row)
        vector = np.frombuffer(data, np.dtype(segment.footer.dtype).newbyteorder("<")).astype(np.float32)
        if not of_norm_1(vector[None])[0]:
            raise self._odd(segment)
        return vector

    def top_k(self, queries: Floats, k: int) -> Hits:
        """Find the k nearest marked rows of each query, best first, equal scores by key.

        queries: float32 (n, dim), rows of L2 norm 1.
        Returns: scores float32 (n, k), cosine in [-1, 1]; rows int64 (n, k), -1 where fewer than k rows are marked.
        Raises:  Damage, naming the file, before any answer if a segment, or a row found, does not match its checksums;
                 FileNotFoundError.
        Source:  inner product of unit vectors is their cosine; Johnson et al. 2017, arXiv:1702.08734.
        """
        self.wait()
        found = None if self.device is None else self.device.top_k(self, queries, k)
        return self.scan(queries, k) if found is None else found

    def scan(self, queries: Floats, k: int) -> Hits:
        """Find what `top_k` does, by faiss, after `wait`."""
        import numpy as np

        scores = np.full((len(queries), k), -np.inf, np.float32)
        rows = np.full((len(queries), k), -1, np.int64)
        parts = [part for part, marked in enumerate(self._marked) if marked]
        ask = k + 1
        while parts:
            found = share(partial(self._search, queries, ask), parts, cores())
            values, places, floors = (np.concatenate(column, axis=1) for column in zip(*found, strict=True))
            kth = -np.partition(-values, min(k, values.shape[1]) - 1, axis=1)[:, min(k, values.shape[1]) - 1]
            if (floors.max(axis=1) < kth).all():
                break
            # A segment may hold more rows that score as the last ones do: which of them come first is the keys' word.
            ask *= 4
        if parts:
            for query, (line, at, least) in enumerate(zip(values, places, kth, strict=True)):
                best = [(-score, self.key(row), row) for score, row in zip(line, at, strict=True) if score >= least]
                best = sorted(best)[:k]
                scores[query, : len(best)] = [-score for score, _, _ in best]
                rows[query, : len(best)] = [row for _, _, row in best]
            self.prove(rows)
        return Hits(scores, rows)

    def honesty(self, k: int) -> tuple[bool, float | None]:
        """Tell whether the k nearest rows may lack some, and the measured recall: all rows are compared here."""
        return False, None

    def prove(self, rows: Ints) -> None:
        """Check rows before their scores are given out. Raises: Damage, FileNotFoundError."""
        import numpy as np

        found = np.sort(rows[rows >= 0])  # np.unique would import numpy.ma, a tenth of a search; some may stand twice
        edges = np.searchsorted(found, self.firsts)
        for part in np.flatnonzero(np.diff(edges)).tolist():
            here = found[edges[part] : edges[part + 1]] - self.firsts[part]
            self._views.prove(self._segments[part], here.tolist())

    def wait(self) -> None:
        """Wait until every segment that it needs was read against its checksums. Raises: Damage, FileNotFoundError."""
        self._views.wait(self._needed)

    def hold(self) -> None:
        """Keep what later answers need of the files. If they were read, that is some time ago then: each row is proved.

        Raises: Damage, FileNotFoundError.
        """
        self._views.hold()

    def _search(self, queries: Floats, ask: int, part: int) -> tuple[Floats, Ints, Floats]:
        """Search one segment.

        Returns: scores and rows, (n, m), and the score under which the segment may hold more, (n, 1).
        """
        import numpy as np

        faiss = faiss_module()
        # Segments are spread over threads instead: OpenMP's gain one query nothing (`bench_search.py --ways`), and
        # cost it two to four times its time while other work holds the cores.
        bits = np.frombuffer(self._bitmaps[part], np.uint8)
        marked = self._marked[part]
        view: Any = self._views.of(self._segments[part])
        whole = marked == view.ntotal
        parameters = None if whole else only_marked(faiss, view, bits)
        with faiss_threads(1):
            scores, rows = view.search(queries, min(ask, marked), params=parameters)
        # Two vectors of norm 1 have no other scores; a row that is no number is in no answer.
        if not (np.abs(scores) <= 1 + NORM_OFF).all():
            raise self._odd(self._segments[part])
        np.clip(scores, -1, 1, out=scores)
        floor = scores[:, -1:] if ask < marked else np.full((len(queries), 1), -np.inf, np.float32)
        return scores, rows + self.firsts[part], floor

    def _odd(self, segment: Segment) -> Damage:
        self._views.distrust(segment)
        return segment.damage("it holds rows that are no vectors of norm 1")

    def _part(self, row: int) -> tuple[int, int]:
        part = bisect_right(self.firsts, row) - 1
        return part, row - self.firsts[part]
