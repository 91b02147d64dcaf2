"""The index of a snapshot: the segments of its space, mapped and searched exactly, less the rows that it does not name.

A mapped FAISS index is a view of its file: `add`, `merge_from` or `reset` on it would abort the process. None ever
leaves this module.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from vstore.disk import durable
from vstore.disk.cache import read_cache, write_cache
from vstore.disk.segments import Segment, faiss_module
from vstore.format.hashing import Hash

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

S = TypeVar("S")
T = TypeVar("T")

REMEMBERED_FROM = 1 << 30  # bytes of segments from which on a check is remembered: under it, it costs 0.1 s at most
MOST_THREADS = 8  # memory is read as fast as it goes by then; each has a buffer of 1 MiB
_CHECKED = "checked"
_POPULATE_READ = 22  # MADV_POPULATE_READ, Linux 5.14; the mmap module of Python 3.11 has no name for it

# Segments that were checked front to back, with the view that faiss has of them, and the stat that the file had before.
_views: WeakKeyDictionary[Segment, tuple[Any, list[int]]] = WeakKeyDictionary()


class Hits(NamedTuple):
    """scores: float32 (n, k), cosines, best first. rows: int64 (n, k), -1 where the index holds fewer than k."""

    scores: Floats
    rows: npt.NDArray[np.int64]


def named_rows(segments: Sequence[Segment], keys: Iterable[bytes]) -> list[bytes]:
    """Find the rows whose key is among `keys`; where a key stands twice, the first row wins.

    Returns: one bitmap per segment; row r is bit r % 8 (lowest first) of byte r // 8, as faiss numbers them.
    """
    wanted = set(keys)
    bitmaps = []
    for segment in segments:
        bits = bytearray(-(-segment.footer.rows // 8))
        for row, key in enumerate(segment.key_list()):
            if key in wanted:
                wanted.remove(key)
                bits[row >> 3] |= 1 << (row & 7)
        bitmaps.append(bytes(bits))
    return bitmaps


def kept_rows(
    cache: Path, hash: Hash, content_id: str, segments: Sequence[Segment], keys: Callable[[], Iterable[bytes]]
) -> list[bytes]:
    """The rows that a snapshot names, as `named_rows` gives them, from `cache/` where they lie there whole.

    content_id: what the snapshot names; with the order of the segments it decides the bitmaps.
    keys:       asked for only when there is nothing in `cache/`, or what is there is not what was written.
    """
    listed = hash.digest("\n".join(segment.ref.name for segment in segments).encode()).hex()
    name = f"rows-{content_id[:32]}-{listed[:32]}"
    sizes = [-(-segment.footer.rows // 8) for segment in segments]
    body = read_cache(cache, name)
    if body is None or len(body) != sum(sizes):
        bitmaps = named_rows(segments, keys())
        write_cache(cache, name, b"".join(bitmaps))
        return bitmaps
    bitmaps = []
    at = 0
    for size in sizes:
        bitmaps.append(body[at : at + size])
        at += size
    return bitmaps


class Index:
    """The rows of some segments that bitmaps name, numbered through all segments in their order.

    From its making on, the segments are read against their checksums in threads; nothing is answered before that is
    done. This reading is the readahead too: mapped and unread, a first search of 200 MB takes 4 s on a cold disk.

    count: rows that are named.
    """

    def __init__(self, segments: Sequence[Segment], bitmaps: Sequence[bytes], cache: Path) -> None:
        self._segments = segments
        self._bitmaps = bitmaps
        self._cache = cache
        self._named = [int.from_bytes(bitmap, "little").bit_count() for bitmap in bitmaps]
        self.count = sum(self._named)
        self._unchecked = [segment for segment in segments if segment not in _views]
        self._stats = {s.ref.name: _views[s][1] if s in _views else _stat(s) for s in segments}
        large = sum(segment.ref.size for segment in segments) >= REMEMBERED_FROM
        self._remembered = json.loads(read_cache(cache, _CHECKED) or b"{}") if large else None
        self._ready = False
        # More threads than cores: of a cold disk they mostly wait: a search of 200 MB takes 220 ms instead of 245.
        self._wait = _started(self._check, self._unchecked, 2 * _cores())

    def find(self, key: bytes) -> int | None:
        """The row that wins for a key, whether it is named or not; None if no segment has the key."""
        first = 0
        for segment in self._segments:
            at = segment.keys.find(key)
            while at >= 0 and at % len(key):
                at = segment.keys.find(key, at + 1)
            if at >= 0:
                return first + at // len(key)
            first += segment.footer.rows
        return None

    def is_named(self, row: int) -> bool:
        part, row = self._part(row)
        return bool(self._bitmaps[part][row >> 3] >> (row & 7) & 1)

    def key(self, row: int) -> bytes:
        part, row = self._part(row)
        return self._segments[part].key(row)

    def vector(self, row: int) -> Floats:
        """One row: float32 (dim,). Raises: Damage."""
        import numpy as np

        self.wait()
        part, row = self._part(row)
        segment = self._segments[part]
        footer = segment.footer
        with durable.File(segment.path) as file:
            data = file.pread(footer.width, footer.header + row * footer.width)
        return np.frombuffer(data, np.dtype(footer.dtype).newbyteorder("<")).astype(np.float32)

    def top_k(self, queries: Floats, k: int) -> Hits:
        """Find the k nearest named rows of each query, best first, equal scores by key.

        queries: float32 (n, dim), rows of L2 norm 1.
        Returns: scores float32 (n, k), cosine in [-1, 1]; rows int64 (n, k), -1 where fewer than k rows are named.
        Raises:  Damage, naming the file, before any answer if a byte of a segment is not what was written.
        Source:  inner product of unit vectors is their cosine; Johnson et al. 2017, arXiv:1702.08734.
        """
        import numpy as np

        self.wait()
        scores = np.full((len(queries), k), -np.inf, np.float32)
        rows = np.full((len(queries), k), -1, np.int64)
        parts = [part for part, named in enumerate(self._named) if named]
        ask = k + 1
        while parts:
            found = _started(partial(self._search, queries, ask), parts, _cores())()
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
        return Hits(scores, rows)

    def wait(self) -> None:
        """Wait until every segment was read against its checksums. Raises: Damage, FileNotFoundError."""
        if self._ready:
            return
        faiss = faiss_module()  # importing it takes about as long as the reading, which goes on meanwhile
        self._wait()
        for segment in self._unchecked:
            _views[segment] = _view(faiss, segment), self._stats[segment.ref.name]
        if self._remembered not in (None, self._stats):
            write_cache(self._cache, _CHECKED, json.dumps(self._stats, separators=(",", ":")).encode())
        self._ready = True

    def _check(self, segment: Segment) -> None:
        name = segment.ref.name
        if self._remembered is not None and self._remembered.get(name) == self._stats[name]:
            _read_ahead(segment)
        else:
            segment.verify()

    def _search(self, queries: Floats, ask: int, part: int) -> tuple[Any, Any, Any]:
        """Scores and rows of one segment, and the score under which it may hold more: (n, m), (n, m), (n, 1)."""
        import numpy as np

        faiss = faiss_module()
        # Segments are spread over threads instead: OpenMP's gain one query nothing (`bench_search.py --ways`), and
        # cost it two to four times its time while other work holds the cores. The number is this thread's own.
        faiss.omp_set_num_threads(1)
        bits = np.frombuffer(self._bitmaps[part], np.uint8)
        named = self._named[part]
        view, _ = _views[self._segments[part]]
        whole = named == view.ntotal
        parameters = None if whole else faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
        scores, rows = view.search(queries, min(ask, named), params=parameters)
        np.clip(scores, -1, 1, out=scores)
        floor = scores[:, -1:] if ask < named else np.full((len(queries), 1), -np.inf, np.float32)
        return scores, rows + sum(s.footer.rows for s in self._segments[:part]), floor

    def _part(self, row: int) -> tuple[int, int]:
        for part, segment in enumerate(self._segments):
            if row < segment.footer.rows:
                return part, row
            row -= segment.footer.rows
        raise IndexError(row)


def _view(faiss: Any, segment: Segment) -> Any:
    name = str(segment.path)
    with durable.File(segment.path) as file:  # its absence is told apart from a fault of faiss here
        if not name.isascii():
            try:
                name.encode()
            except UnicodeEncodeError:
                name = f"/dev/fd/{file.fileno()}"  # faiss takes no path that is not UTF-8
        try:
            view = faiss.read_index(name, faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as err:
            raise segment.damage(f"faiss cannot map it ({err})") from err
    if (view.ntotal, view.d) != (segment.footer.rows, segment.footer.dim):
        raise segment.damage("its header is another index's")
    return view


def _read_ahead(segment: Segment) -> None:
    """Bring a file into the page cache: faiss maps for random access, and would fault in page by page."""
    with durable.File(segment.path) as file:
        with suppress(OSError, ValueError), file.map() as whole:
            whole.madvise(_POPULATE_READ)
            return
        buffer = memoryview(bytearray(1 << 20))
        while file.readinto(buffer):
            pass


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _started(work: Callable[[S], T], items: Sequence[S], most: int) -> Callable[[], list[T]]:
    """Begin to do something with each item, in `most` threads, or as many as are of use.

    Returns: what waits for the end and gives the results, or raises the first error, in the order of the items.
    """
    results: dict[int, T] = {}
    errors: dict[int, BaseException] = {}
    left = iter(list(enumerate(items)))  # hands out each item once, whichever thread asks

    def run() -> None:
        for at, item in left:
            try:
                results[at] = work(item)
            except BaseException as err:
                errors[at] = err

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(most, MOST_THREADS, len(items)))]
    for thread in threads:
        thread.start()

    def wait() -> list[T]:
        for thread in threads:
            thread.join()
        if errors:
            raise errors[min(errors)]
        return [results[at] for at in range(len(items))]

    return wait


def _stat(segment: Segment) -> list[int]:
    stat = segment.path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
