"""Views: segments that were read against their checksums, mapped by faiss.

A mapped FAISS index is a view of its file: `add`, `merge_from` or `reset` on it would abort the process. None ever
leaves this folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from vstore.disk.file import File
from vstore.disk.inside import look
from vstore.disk.row_sums import has_row_sums, write_row_sums
from vstore.disk.segments import Segment
from vstore.errors import Damage
from vstore.packages import faiss_module
from vstore.quick_tuple import NamedTuple
from vstore.search.row_proofs import RowProofs
from vstore.threads import cores, start

REMEMBERED_FROM = 1 << 30  # bytes of segments from which on a check is remembered: under it, it costs 0.1 s at most
_POPULATE_READ = 22  # MADV_POPULATE_READ, Linux 5.14; the mmap module of Python 3.11 has no name for it


class View(NamedTuple):
    """A mapped segment.

    index:  the view that faiss has of it; its rows are unproved till the segment was read whole.
    proofs: the checks of single rows.
    """

    index: Any
    proofs: RowProofs


_views: WeakKeyDictionary[Segment, View] = WeakKeyDictionary()
_whole: WeakSet[Segment] = WeakSet()  # read against their checksums by this process


class Views:
    """The views of some segments, one per segment and process.

    From its making on, the segments are read against their checksums in threads. This reading is the readahead too:
    mapped and unread, a first search of 200 MB takes 4 s on a cold disk.
    """

    def __init__(self, segments: Sequence[Segment], cache: Path, *, ahead: bool = True) -> None:
        """
        ahead: begin to read them now. Otherwise only `wait` reads them, as single rows are proved one by one.
        """
        self._segments = segments
        self._cache = cache
        self._of: dict[Segment, View] = {}
        self._read: set[Segment] = set()  # whole, a moment ago
        self._done: set[Segment] = set()  # read whole, however long ago
        self._is_held = False
        self._ahead = _Reading(segments, cache) if ahead else None

    @property
    def are_ahead(self) -> bool:
        """The segments are read from the making on."""
        return self._ahead is not None

    def wait(self, some: Sequence[Segment] | None = None) -> None:
        """Wait until every segment was read against its checksums.

        some:   these are enough.
        Raises: Damage, FileNotFoundError.
        """
        if len(self._done) == len(self._segments):
            return
        wanted = self._segments if some is None or self._ahead is not None else some
        left = [segment for segment in wanted if segment not in self._done]
        if not left:
            return
        reading = self._ahead or _Reading(left, self._cache, self._of if self._is_held else {})
        faiss_module()  # importing it takes about as long as the reading, which goes on meanwhile
        read = reading.wait()
        if not self._is_held:
            self._read |= read
        for segment in left:
            self._view(segment)
        _whole.update(left)
        self._done.update(left)

    def hold(self) -> None:
        """Open them, and keep their keys and checksums: the files may be removed. What was read is no longer read now.

        Raises: Damage, FileNotFoundError.
        """
        if self._ahead is not None:
            self.wait()
        for segment in self._segments:
            _ = segment.keys
            self._view(segment).proofs.hold()
        self._is_held = True
        self._read.clear()

    def _view(self, segment: Segment) -> View:
        """Get the view of a segment, which may not be read yet. Raises: Damage, FileNotFoundError."""
        found = self._of.get(segment)
        if found is None:
            found = _views.get(segment)
            if found is None:
                index = _mapped(faiss_module(), segment)
                # Of threads that map it at once all get the first view: the memory of another one goes with it.
                found = _views.setdefault(segment, View(index, RowProofs(segment, index, self._cache)))
            found = self._of.setdefault(segment, found)
        return found

    def of(self, segment: Segment) -> Any:
        """Get the view of a segment; its rows are unproved unless `wait` was called."""
        return self._view(segment).index

    def rows(self, segment: Segment) -> Any:
        """Give the rows of a segment as faiss sees them, unproved: float16 or float32 (n, dim), read-only.

        Raises: Damage, FileNotFoundError, as all that follow.
        """
        return self._view(segment).proofs.rows()

    def code(self, segment: Segment, row: int) -> memoryview:
        """Give the bytes of a row, unproved."""
        return self._view(segment).proofs.row(row)

    def empty(self, segment: Segment) -> Any:
        """Make an empty index in memory that scores rows as that of a segment does."""
        faiss, dim = faiss_module(), segment.footer.dim
        if segment.footer.dtype == "float32":
            return faiss.IndexFlatIP(dim)
        return faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)

    def prove(self, segment: Segment, rows: Sequence[int]) -> None:
        """Check rows of a segment that was not read whole just now: its stat shows no rot. rows: in rising order.

        Raises: Damage, FileNotFoundError.
        """
        if segment in self._read:
            return
        try:
            self._view(segment).proofs.prove(rows)
        except Damage:
            self.distrust(segment)
            raise

    def distrust(self, segment: Segment) -> None:
        """Let the next search read a damaged segment whole, in this process and in others."""
        from vstore.disk.believed import disbelieve

        _views.pop(segment, None)
        _whole.discard(segment)
        disbelieve(self._cache, segment.ref.name)

    def row(self, segment: Segment, row: int) -> memoryview:
        """Give the bytes of a row, once they are proved, and all that has begun to be read was.

        Raises: Damage, FileNotFoundError.
        """
        if self._ahead is not None:
            self.wait()
        proofs = self._view(segment).proofs
        self.prove(segment, [row])
        return proofs.row(row)


class _Reading:
    """The reading of segments against their checksums, in threads that its making begins."""

    def __init__(self, segments: Sequence[Segment], cache: Path, held: Mapping[Segment, View] | None = None) -> None:
        """held: views whose files may be gone: the memory is read instead."""
        self._cache = cache
        self._held = held or {}
        self._new = [segment for segment in segments if segment not in _whole]
        self._stats = {segment: _stat(segment) for segment in self._new if segment not in self._held}
        large = sum(segment.ref.size for segment in segments) >= REMEMBERED_FROM
        self._believed = _believed(cache, self._stats) if large and self._stats else set()
        # Row sums cost as much again as the reading: there are none where nothing can be written.
        self._keeps = large and (len(self._believed) == len(self._new) or _can_believe(cache))
        self._read: set[Segment] = set()
        self._kept: list[Segment] = []  # whose row sums were written, too
        # More threads than cores: of a cold disk they mostly wait: a search of 200 MB takes 220 ms instead of 245.
        self._wait = start(self._check, self._new, 2 * cores())

    def wait(self) -> set[Segment]:
        """Wait for the end. Returns: what was read just now, and not before. Raises: Damage, FileNotFoundError."""
        self._wait()
        if self._kept:
            from vstore.disk.believed import believe
            from vstore.disk.read_times import note_read

            believe(self._cache, {segment.ref.name: self._stats[segment] for segment in self._kept})
            note_read(self._cache, [segment.ref.name for segment in self._kept])
        return self._read

    def _check(self, segment: Segment) -> None:
        if segment in self._held:
            self._held[segment].proofs.prove_all()
        elif segment in self._believed and has_row_sums(self._cache, segment.ref):
            _read_ahead(segment)
            return
        elif self._keeps:
            if write_row_sums(self._cache, segment.ref, segment.verified_row_sums()):
                self._kept.append(segment)
            else:
                self._keeps = False
        else:
            segment.verify()
        self._read.add(segment)


def _mapped(faiss: Any, segment: Segment) -> Any:
    with File(segment.path) as file:
        segment.check_header(file)  # whoever remembered the rows may not have: it decides what faiss does
        # faiss opens by name: it must be the file that was opened here, along no link, and the name may be no UTF-8.
        name = f"/dev/fd/{file.fileno()}"
        if not os.path.exists(name):  # a machine without /proc
            name = str(segment.path)
        try:
            view = faiss.read_index(name, faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as err:
            reason = str(err).replace(name, str(segment.path))
            raise segment.damage(f"faiss cannot map it ({reason})") from err
    if (view.ntotal, view.d) != (segment.footer.rows, segment.footer.dim):
        raise segment.damage("its header belongs to another index")
    return view


def _read_ahead(segment: Segment) -> None:
    """Bring a file into the page cache: faiss maps for random access, and would fault in page by page."""
    with File(segment.path) as file:
        with suppress(OSError, ValueError), file.map() as whole:
            whole.madvise(_POPULATE_READ)
            return
        buffer = memoryview(bytearray(1 << 20))
        while file.readinto(buffer):
            pass


def _believed(cache: Path, stats: Mapping[Segment, Any]) -> set[Segment]:
    """Choose the segments that were checked before, and have not changed since. stats: of each, as it is now."""
    from vstore.disk.believed import believed  # few spaces are so large

    known = believed(cache)
    return {segment for segment, stat in stats.items() if known.get(segment.ref.name) == stat}


def _can_believe(cache: Path) -> bool:
    from vstore.disk.believed import believe

    return believe(cache, {})


def _stat(segment: Segment) -> list[int]:
    stat = look(segment.path)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
