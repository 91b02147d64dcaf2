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
from typing import TYPE_CHECKING

from vstore.disk.thumbs import Thumb, prune_thumbs, read_thumb, stat_of, write_thumb
from vstore.errors import VstoreError
from vstore.format.hashing import HASHES
from vstore.pictures.failures import PictureFailure
from vstore.pictures.isolation import IsolatedDecoder
from vstore.pictures.picture_file import read_up_to
from vstore.pictures.preparation import preparation_2, preparation_of
from vstore.quick_tuple import NamedTuple
from vstore.repository.acquaintance import PictureSource

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 256  # pixels of the longer side
_QUALITY = 80
_TRIES = 5  # files of one picture
_LARGEST = 1 << 30  # bytes of a picture
_WORKERS = min(8, max(2, os.cpu_count() or 2))
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
    made: list[bytes] = []
    with IsolatedDecoder() as decoder, ThreadPoolExecutor(_WORKERS, "thumbnails") as pool:
        maker = _Maker(source, decoder, made)
        waiting: deque[Future[Shown | Missing]] = deque()
        try:
            for one in wanted:
                waiting.append(pool.submit(maker.make, one))
                if len(waiting) > _AHEAD * _WORKERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
            if source.cache is not None:
                prune_thumbs(source.cache, made)


class _Maker:
    """Makes thumbnails, in several threads. made: takes the keys of those that were kept."""

    def __init__(self, source: PictureSource, decoder: IsolatedDecoder, made: list[bytes]) -> None:
        self._source = source
        self._decoder = decoder
        self._made = made
        self._preparation = preparation_of({"prepare": preparation_2(SIDE)})
        self._keeps = source.cache is not None

    def make(self, wanted: Wanted) -> Shown | Missing:
        """Take the first file that still holds the picture."""
        cache = self._source.cache
        known = None if cache is None else read_thumb(cache, wanted.key)
        reason = GONE
        for path in wanted.paths[:_TRIES]:
            try:
                found = self._of_file(path, wanted.key, known)
            except (FileNotFoundError, NotADirectoryError, ValueError):  # no file can have this name
                continue
            except OSError as err:
                found = TOO_LARGE if err.errno == errno.EFBIG else UNREADABLE
            if isinstance(found, Thumb):
                return Shown(found, path)
            reason = found if found is not GONE else reason
        return reason

    def _of_file(self, path: bytes, key: bytes, known: Thumb | None) -> Thumb | Missing:
        fd = self._source.open_file(path)
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
            picture, facts = self._decoder.prepare(data, self._preparation)
        except PictureFailure:
            return BROKEN
        except VstoreError as err:
            raise VstoreError(str(err), "close other programs, and run it again") from err
        thumb = Thumb(stat, facts.width, facts.height, _jpeg(picture))
        if self._keeps and self._source.cache is not None:
            self._keeps = write_thumb(self._source.cache, key, thumb)
            self._made.append(key)
        return thumb


def _jpeg(picture: Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()
