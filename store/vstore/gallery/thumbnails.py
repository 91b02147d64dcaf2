"""Thumbnails of pictures: made by other processes, which may crash or hang, several at once; and kept.

The bytes of a file are checked against the key before a thumbnail is made, and again once the file looks otherwise. A
picture is never shown as it was found.
"""

from __future__ import annotations

import errno
import io
import os
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from vstore.disk.thumbs import Thumb, prune_thumbs, read_thumb, stat_of, write_thumb
from vstore.errors import VstoreError
from vstore.format.hashing import HASHES
from vstore.pictures.failures import PictureFailure
from vstore.pictures.isolation import IsolatedDecoder
from vstore.pictures.picture_file import read_up_to
from vstore.pictures.preparation import preparation_2, preparation_of
from vstore.quick_tuple import NamedTuple
from vstore.repository.acquaintance import PictureSource
from vstore.repository.cut_facts import as_taken

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

SIDE = 256  # pixels of the longer side
_QUALITY = 80
_DRAFT = 1.5  # a JPEG of 12 megapixels takes 19 ms of a core instead of 28: benchmarks/bench_page.py
_TRIES = 5  # files of one picture
_LARGEST = 1 << 30  # bytes of a picture
WORKERS = min(8, max(2, os.cpu_count() or 2))
_AHEAD = 2  # thumbnails a worker that wait to be taken


class Wanted(NamedTuple):
    """A picture that is to be shown.

    key:   the hash of its bytes.
    paths: stored paths at which it may be.
    """

    key: bytes
    paths: tuple[bytes, ...]


class Shown(NamedTuple):
    """A picture that can be shown.

    thumb: its thumbnail.
    path:  the stored path at which its file is.
    """

    thumb: Thumb
    path: bytes


class Missing(NamedTuple):
    """A picture that cannot be shown. reason: why, in a few words."""

    reason: str


GONE, CHANGED, BROKEN = Missing("no longer there"), Missing("another picture now"), Missing("cannot be decoded")
UNREADABLE, TOO_LARGE = Missing("cannot be read"), Missing("larger than 1 GiB")
UNKNOWN = Missing("in a folder that is not known here")  # nobody may look


def thumbnails(source: PictureSource, wanted: Iterable[Wanted]) -> Generator[Shown | Missing, None, None]:
    """Yield the thumbnail of each picture, in their order. Only a few are in memory.

    Raises: Damage if a link stands where they are kept; VstoreError if no process can be started.
    """
    keeper = OnDisk(source.cache)
    with IsolatedDecoder() as decoder, ThreadPoolExecutor(WORKERS, "thumbnails") as pool:
        maker = Maker(decoder, SIDE)
        waiting: deque[Future[Shown | Missing]] = deque()
        try:
            for one in wanted:
                waiting.append(pool.submit(maker.make, source, one, keeper))
                if len(waiting) > _AHEAD * WORKERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
            keeper.prune()


class Keeper(Protocol):
    """Keeps what was made of pictures."""

    def read(self, key: bytes) -> Thumb | None:
        """Give what was made of a picture; None if nothing is kept."""

    def write(self, key: bytes, thumb: Thumb) -> None:
        """Keep what was made of a picture, if that can be."""


class OnDisk:
    """Thumbnails that are kept in a store. Usable from several threads."""

    def __init__(self, cache: Path | None) -> None:
        """cache: the folder for caches; None if nothing is kept."""
        self._cache = cache
        self._can_write = cache is not None
        self._written: list[bytes] = []

    def read(self, key: bytes) -> Thumb | None:
        """Read a thumbnail. Raises: Damage if a link stands there."""
        return None if self._cache is None else read_thumb(self._cache, key)

    def write(self, key: bytes, thumb: Thumb) -> None:
        """Keep a thumbnail. After one that cannot be written no other one is tried."""
        if self._can_write and self._cache is not None:
            self._can_write = write_thumb(self._cache, key, thumb)
            self._written.append(key)

    @property
    def written(self) -> int:
        """Count those that were kept since the last `prune`."""
        return len(self._written)

    def prune(self) -> None:
        """Keep the folders of those that were kept below their size."""
        written, self._written = self._written, []
        if self._cache is not None:
            prune_thumbs(self._cache, written)


class Maker:
    """Makes pictures small, in several threads."""

    def __init__(self, decoder: IsolatedDecoder, side: int, quality: int = _QUALITY) -> None:
        """
        side:    pixels of the longer side.
        quality: of the JPEG.
        """
        self._decoder = decoder
        self._quality = quality
        self._preparation = as_taken(preparation_of({"prepare": preparation_2(side, draft=_DRAFT)}))

    @staticmethod
    def kept(source: PictureSource, wanted: Wanted, keeper: Keeper) -> Shown | None:
        """Give what is kept of a picture, without reading its file; None if there is nothing, or the file changed."""
        known = keeper.read(wanted.key)
        for path in () if known is None else wanted.paths[:_TRIES]:
            with suppress(OSError, ValueError):
                fd = source.open_file(path)
                if fd is not None:
                    with open(fd, "rb", buffering=0):
                        found = stat_of(os.fstat(fd))
                    if known is not None and known.stat == found:
                        return Shown(known, path)
        return None

    def make(self, source: PictureSource, wanted: Wanted, keeper: Keeper) -> Shown | Missing:
        """Take the first file that still holds the picture; what is kept of it is not made again."""
        known = keeper.read(wanted.key)
        reason = GONE
        for path in wanted.paths[:_TRIES]:
            try:
                found = self._of_file(source, path, wanted.key, known)
            except (FileNotFoundError, NotADirectoryError, ValueError):  # no file can have this name
                continue
            except OSError as err:
                found = TOO_LARGE if err.errno == errno.EFBIG else UNREADABLE
            if isinstance(found, Thumb):
                if found is not known:
                    keeper.write(wanted.key, found)
                return Shown(found, path)
            reason = found if found is not GONE else reason
        return reason

    def _of_file(self, source: PictureSource, path: bytes, key: bytes, known: Thumb | None) -> Thumb | Missing:
        fd = source.open_file(path)
        if fd is None:
            return UNKNOWN
        with open(fd, "rb", buffering=0) as file:
            stat = stat_of(os.fstat(fd))
            if known is not None and known.stat == stat:
                return known
            data = read_up_to(file, _LARGEST)
        digest = next((one.digest for one in HASHES.values() if one.size == len(key)), None)
        if digest is None or digest(data) != key:
            return CHANGED
        try:
            return self._made(data, stat)
        except PictureFailure:
            return BROKEN

    def of_data(self, data: bytes) -> Thumb | Missing:
        """Make the content of a file small. The reason why that cannot be done says more than that of a stored one."""
        try:
            return self._made(data, (len(data), 0, 0, 0))
        except PictureFailure as failure:
            reason = failure.reason.partition(";")[0].removeprefix("it cannot be decoded ")  # no word of options
            return Missing(f"cannot be decoded: {reason}")

    def _made(self, data: bytes, stat: tuple[int, int, int, int]) -> Thumb:
        """Make the content of a file small. stat: of the file. Raises: PictureFailure."""
        try:
            picture, facts = self._decoder.prepare(data, self._preparation)
        except VstoreError as err:
            raise VstoreError(str(err), "close other programs, and run it again") from err
        return Thumb(stat, facts.width, facts.height, _jpeg(picture, self._quality))


def _jpeg(picture: Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()
