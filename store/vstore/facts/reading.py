"""Reads pictures of the store again, several at a time: their headers, or all of them and their prepared pixels."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Collection, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from vstore.facts.known_stats import KnownStats
from vstore.format.facts import Column, Value
from vstore.format.recipes import Recipe
from vstore.pictures.failures import PictureFailure
from vstore.pictures.formats import MAX_PIXELS
from vstore.pictures.preparation import Preparation, preparation_of
from vstore.progress import Stages
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.cut_facts import cut_among, for_picture
from vstore.repository.looks import Look, look
from vstore.repository.repository import Repository
from vstore.repository.sampling import read_unchanged

if TYPE_CHECKING:
    from vstore.pictures.isolation import IsolatedDecoder

WORKERS = max(2, os.cpu_count() or 2)


class Read(NamedTuple):
    """The result of reading one picture. Without look, failure and about no file of it could be read, or all changed.

    key:     of the picture.
    path:    a stored path of it.
    look:    what is kept of its prepared pixels.
    failure: the reason why it does not decode.
    about:   what its header says, where that was asked for.
    cut:     of a picture whose file is cut: the lines that are there, and all.
    size:    bytes of the file, as far as they were read.
    """

    key: bytes
    path: bytes
    look: Look | None = None
    failure: PictureFailure | None = None
    cut: tuple[int, int] | None = None
    about: Mapping[Column, Value] | None = None
    size: int = 0


class PictureReader:
    """Reads pictures of the current snapshot: their headers, and their pixels as one recipe prepares them."""

    def __init__(
        self,
        repo: Repository,
        recipe: Recipe,
        *,
        headers: Collection[bytes],
        pixels: Collection[bytes],
        max_pixels: int | None,
        isolated: IsolatedDecoder | None,
        stages: Stages,
    ) -> None:
        """
        headers:    the keys of pictures whose headers are read.
        pixels:     of those whose pixels are.
        max_pixels: larger pictures are not decoded; None means 179 million.
        isolated:   decodes in other processes; without it pictures are decoded in this one.
        stages:     is told which files are at hand.
        """
        self._repo = repo
        self._stages = stages
        snapshot = repo.state.current_snapshot
        self._file_of = KnownFolders(repo).file_finder(snapshot)
        self._labels = repo.labels_in(snapshot)
        self._headers = headers
        self._pixels = pixels
        self._recipe = recipe
        self._max_pixels = max_pixels or MAX_PIXELS
        self._known = KnownStats(repo)
        self._isolated = isolated
        self._cut: Collection[bytes] = ()

    def close(self) -> None:
        """Close what is known of the files."""
        self._known.close()

    def reads(self, paths: Mapping[bytes, Sequence[bytes]], stop: threading.Event) -> Generator[Read, None, None]:
        """Read pictures in the order of their paths; ends early when asked to stop. paths: by key, one at least."""
        self._cut = cut_among(self._repo, self._pixels) if self._pixels else ()
        rest = iter(sorted(paths.items(), key=lambda item: item[1][0]))
        waiting: deque[Future[Read]] = deque()
        with ThreadPoolExecutor(WORKERS, "vstore-read") as pool:
            try:
                while not stop.is_set():
                    for key, some in islice(rest, 4 * WORKERS - len(waiting)):
                        waiting.append(pool.submit(self._read, key, some))
                    if not waiting:
                        return
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _read(self, key: bytes, paths: Sequence[bytes]) -> Read:
        for path in paths:
            file = self._file_of(path)
            if file is None:
                continue
            self._stages.take(file)
            try:
                found = self._seen(key, path, file) if key in self._pixels else self._header(key, path, file)
                if found is not None:
                    return found
            finally:
                self._stages.put_down()
        return Read(key, paths[0])

    def _preparation_of(self, key: bytes, path: bytes) -> Preparation:
        """Return the preparation of a picture: one that is marked as cut may be, and one whose folder takes such."""
        preparation = for_picture(preparation_of(self._recipe, self._max_pixels), key, self._cut)
        if preparation.least:
            return preparation
        root = self._repo.state.roots.get(os.fsdecode(self._labels.today(path).partition(b"/")[0]))
        share = self._repo.scan_options(root).accept_truncated if root is not None else 0
        return preparation._replace(least=share)

    def _header(self, key: bytes, path: bytes, file: bytes) -> Read | None:
        """Read the header of a picture. Its file is read whole where its stat does not prove that it is the picture."""
        from vstore.repository.headers import header_of

        found = header_of(self._repo, key, file, lambda now: self._known.proves(path, key, now))
        return None if found is None else Read(key, path, about=found.about, size=found.size)

    def _seen(self, key: bytes, path: bytes, file: bytes) -> Read | None:
        data = read_unchanged(self._repo, key, file)
        if data is None:
            return None
        about = None
        if key in self._headers:
            from vstore.pictures.metadata.reading import metadata_of

            about = metadata_of(data)
        from vstore.pictures.decoding import prepare

        try:
            decode = self._isolated.prepare if self._isolated is not None else prepare
            picture, facts = decode(data, self._preparation_of(key, path))
        except PictureFailure as failure:
            return Read(key, path, failure=failure, about=about, size=len(data))
        seen = look(self._repo.hash, self._recipe["prepare"], picture)
        return Read(key, path, seen, cut=facts.cut, about=about, size=len(data))
