"""Views: segments that were read against their checksums, mapped by faiss.

A mapped FAISS index is a view of its file: `add`, `merge_from` or `reset` on it would abort the process. None ever
leaves this folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from vstore.disk.cache import read_cache, write_cache
from vstore.disk.file import File
from vstore.disk.inside import look
from vstore.disk.segments import Segment
from vstore.packages import faiss_module
from vstore.search.threads import cores, start

REMEMBERED_FROM = 1 << 30  # bytes of segments from which on a check is remembered: under it, it costs 0.1 s at most
_CHECKED = "checked"
_POPULATE_READ = 22  # MADV_POPULATE_READ, Linux 5.14; the mmap module of Python 3.11 has no name for it

# Segments that were checked front to back, with the view that faiss has of them, and the stat that the file had before.
_views: WeakKeyDictionary[Segment, tuple[Any, list[int]]] = WeakKeyDictionary()


class Views:
    """The views of some segments, one per segment and process.

    From its making on, the segments are read against their checksums in threads. This reading is the readahead too:
    mapped and unread, a first search of 200 MB takes 4 s on a cold disk.
    """

    def __init__(self, segments: Sequence[Segment], cache: Path) -> None:
        self._cache = cache
        self._unchecked = [segment for segment in segments if segment not in _views]
        self._stats = {s.ref.name: _views[s][1] if s in _views else _stat(s) for s in segments}
        large = sum(segment.ref.size for segment in segments) >= REMEMBERED_FROM
        self._remembered = json.loads(read_cache(cache, _CHECKED) or b"{}") if large else None
        self._ready = False
        # More threads than cores: of a cold disk they mostly wait: a search of 200 MB takes 220 ms instead of 245.
        self._wait = start(self._check, self._unchecked, 2 * cores())

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

    def of(self, segment: Segment) -> Any:
        """Get the view of a segment, after `wait`."""
        return _views[segment][0]

    def _check(self, segment: Segment) -> None:
        name = segment.ref.name
        if self._remembered is not None and self._remembered.get(name) == self._stats[name]:
            _read_ahead(segment)
        else:
            segment.verify()


def _view(faiss: Any, segment: Segment) -> Any:
    with File(segment.path) as file:
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


def _stat(segment: Segment) -> list[int]:
    stat = look(segment.path)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
