"""Small copies of pictures for a program that shows them for long: thumbnails, and large views."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import NoReturn

from vstore.disk.thumbs import Thumb
from vstore.errors import StoreClosed, UsageError
from vstore.format.hashing import as_key
from vstore.gallery.thumbnails import SIDE, WORKERS, Keeper, Maker, Missing, OnDisk, Shown, Wanted
from vstore.pictures.isolation import IsolatedDecoder
from vstore.quick_tuple import NamedTuple
from vstore.repository.acquaintance import KnownFolders, PictureSource
from vstore.repository.repository import Repository

LARGE = 2048  # pixels of the longer side
_QUALITY = 88  # of a large one
_MEMORY = 32 << 20  # bytes of large ones that are kept
_SOURCES = 8  # snapshots whose folders are known
_FRESH = 5.0  # seconds, after which a folder that was named meanwhile is known
_PRUNE = 256  # thumbnails that are kept, after which their folders are looked at


class Previews:
    """Pictures made small, for a program that shows them. Usable as a context manager, and from several threads.

    `Store.previews` gives it. The processes that decode are kept for the next picture, until it is closed. A picture is
    shown only while a file at one of its paths holds it; none is shown as it was found.
    """

    def __init__(self, using: Callable[[], AbstractContextManager[Repository]]) -> None:
        """using: gives a repository of the store to one call."""
        self._using = using
        self._decoder = IsolatedDecoder()
        self._thumbnails, self._larger = Maker(self._decoder, SIDE), Maker(self._decoder, LARGE, _QUALITY)
        self._memory = InMemory(_MEMORY)
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._on_disk: OnDisk | None = None
        self._under_way: dict[tuple[bytes, tuple[bytes, ...], str, bool], Future[Shown | Missing]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, "previews")
        self._is_closed = False

    def __repr__(self) -> str:
        return "Previews(closed)" if self._is_closed else "Previews()"

    def thumbnail(self, key: bytes, paths: Iterable[bytes], *, at: str = "current") -> Shown | Missing:
        """Give the thumbnail of a picture: a JPEG of 256 pixels at most, turned, in sRGB. It is kept in `cache/`.

        key:    of the picture.
        paths:  stored paths at which it may be, as `View.paths_of` lists them.
        at:     the snapshot of the paths.
        Raises: UsageError, SnapshotNotFound, AmbiguousSnapshot, Damage, StoreGone, StoreClosed; VstoreError if no
                process can be started.
        """
        source = self._source(at)
        return self._shown(source, Wanted(as_key(key), tuple(paths)), at, self._thumbnails, self._kept(source))

    def large(self, key: bytes, paths: Iterable[bytes], *, at: str = "current") -> Shown | Missing:
        """Give a picture of 2,048 pixels at most, as `thumbnail` does. The last few are kept in memory."""
        return self._shown(self._source(at), Wanted(as_key(key), tuple(paths)), at, self._larger, self._memory)

    def given(self, data: bytes) -> Thumb | Missing:
        """Make a thumbnail of a picture that a program has in memory. Nothing is kept.

        data:   the content of its file.
        Raises: StoreClosed; VstoreError if no process can be started.
        """
        with self._lock:
            if self._is_closed:
                raise _closed()
            work = self._pool.submit(self._thumbnails.of_data, data)
        try:
            return work.result()
        except CancelledError:
            raise _closed() from None

    def _shown(self, source: PictureSource, wanted: Wanted, at: str, maker: Maker, keeper: Keeper) -> Shown | Missing:
        found = maker.kept(source, wanted, keeper)
        if found is not None:
            return found
        name = wanted.key, wanted.paths, at, maker is self._larger
        with self._lock:
            if self._is_closed:
                raise _closed()
            work = self._under_way.get(name)
            if work is None:
                work = self._under_way[name] = self._pool.submit(self._make, source, wanted, maker, keeper)
                work.add_done_callback(lambda _: self._under_way.pop(name, None))
        try:
            made = work.result()
        except CancelledError:
            raise _closed() from None
        if self._is_closed and isinstance(made, Missing):
            raise _closed()  # its process was killed
        return made

    @staticmethod
    def _make(source: PictureSource, wanted: Wanted, maker: Maker, keeper: Keeper) -> Shown | Missing:
        made = maker.make(source, wanted, keeper)
        if isinstance(keeper, OnDisk) and keeper.written >= _PRUNE:
            keeper.prune()
        return made

    def _source(self, at: str) -> PictureSource:
        """Give the way to the pictures of a snapshot, as the folders are known now. Raises: as `thumbnail`."""
        if self._is_closed:
            raise _closed()
        with self._using() as repo:
            repo.reload()
            snapshot, now = repo.snapshot(at), time.monotonic()
            with self._lock:
                known = self._sources.get(snapshot.name)
                if known is not None and known.highest == repo.tip.highest and now < known.until:
                    self._sources.move_to_end(snapshot.name)
                    return known.source
            source = repo.reading(lambda: KnownFolders(repo).source(snapshot))
            with self._lock:
                self._sources[snapshot.name] = _Source(source, repo.tip.highest, now + _FRESH)
                while len(self._sources) > _SOURCES:
                    self._sources.popitem(last=False)
            return source

    def _kept(self, source: PictureSource) -> OnDisk:
        with self._lock:
            if self._on_disk is None:
                self._on_disk = OnDisk(source.cache)
            return self._on_disk

    def close(self) -> None:
        """End the processes at once. Calls under way in other threads raise StoreClosed, once their file is read."""
        with self._lock:
            self._is_closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._decoder.stop()  # a thread that reads from a disk which does not answer is not waited for
        if self._on_disk is not None:
            self._on_disk.prune()

    def __enter__(self) -> Previews:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "previews cannot be sent to another process, nor copied",
            "send the store, and ask for previews there: store.previews()",
        )


class InMemory:
    """Pictures that are kept in memory; those that were asked for last stay. Usable from several threads."""

    def __init__(self, most: int) -> None:
        """most: bytes of them at most."""
        self._most = most
        self._size = 0
        self._of: OrderedDict[bytes, Thumb] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, key: bytes) -> Thumb | None:
        """Give what was made of a picture; None if it is not kept."""
        with self._lock:
            if key in self._of:
                self._of.move_to_end(key)
            return self._of.get(key)

    def write(self, key: bytes, thumb: Thumb) -> None:
        """Keep what was made of a picture, and let go of others."""
        with self._lock:
            before = self._of.pop(key, None)
            self._size += len(thumb.jpeg) - (0 if before is None else len(before.jpeg))
            self._of[key] = thumb
            while self._size > self._most:
                self._size -= len(self._of.popitem(last=False)[1].jpeg)


class _Source(NamedTuple):
    """The way to the pictures of a snapshot, as it was found.

    source:  the way.
    highest: the number of the newest record then.
    until:   on the monotonic clock; later it is found again.
    """

    source: PictureSource
    highest: int
    until: float


def _closed() -> StoreClosed:
    return StoreClosed("the previews were closed", "ask for others: store.previews()")
