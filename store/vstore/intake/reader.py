"""Reads, hashes and decodes files ahead of the embedder: each file once, each picture once, in bounded memory."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from vstore.format.hashing import Hash
from vstore.intake.survey import GONE, KNOWN, LOOSE, TOO_LARGE, TROUBLE, UNKNOWN, Item
from vstore.limits import refuse_limit
from vstore.pictures.elsewhere import Elsewhere, program_of_pointer
from vstore.pictures.failures import PictureFailure
from vstore.pictures.preparation import Preparation
from vstore.progress import Stages
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from concurrent.futures import Future

    from PIL.Image import Image

    from vstore.format.facts import Column, Value
    from vstore.pictures.decoding import Facts
    from vstore.pictures.folder import FileStat
    from vstore.pictures.isolation import IsolatedDecoder
    from vstore.repository.looks import Look

WORKERS = max(2, os.cpu_count() or 2)
SETTLED_NS = 2_000_000_000  # a stat younger than this when its file was read proves nothing later (git's racy rule)
_ATTEMPTS = 3
PIECE = 1 << 25  # bytes read, or hashed, between two looks whether the run was asked to stop
_GROUP = 32  # files that a thread hashes in one go: handing over one at a time would cost more than the hash
_GROUP_BYTES = 8 << 20  # of these at most: larger ones are handed over alone


class Answer(NamedTuple):
    """The result of reading one file.

    item:    the file.
    state:   one of the states in `survey`.
    key:     where it could be read.
    size:    bytes of the file.
    made:    the result of `finish`, where the picture was to be decoded.
    look:    the result of `look`, there too.
    facts:   format and size of the picture.
    about:   the result of `about`, there too.
    failure: the reason why it was not read, or has no vector.
    """

    item: Item
    state: int
    key: bytes | None = None
    size: int = 0
    made: Any = None
    look: Look | None = None
    facts: Facts | None = None
    about: Mapping[Column, Value] | None = None
    failure: PictureFailure | None = None


class Reader:
    """Worker threads that read files."""

    def __init__(
        self,
        hash: Hash,
        preparation: Preparation,
        *,
        max_size: int,
        stop: threading.Event,
        wants: Callable[[bytes], bool] = lambda key: False,
        finish: Callable[[Image], Any] = lambda picture: picture,
        look: Callable[[Image], Look | None] = lambda picture: None,
        about: Callable[[bytes], Mapping[Column, Value] | None] = lambda data: None,
        least: Callable[[bytes, bytes], int] = lambda path, key: 0,
        ahead: Callable[[], int] = lambda: 0,
        isolated: IsolatedDecoder | None = None,
        stages: Stages | None = None,
    ) -> None:
        """
        max_size: larger files are not read.
        wants:    decides, once per key and under a lock, whether a picture is decoded.
        finish:   turns a picture into an input of the embedder, never None; called in any of the threads.
        look:     looks at the pixels of a picture; called in any of the threads, before `finish`.
        about:    reads the header of a picture that was decoded; called in any of the threads.
        least:    tells of a stored path and its key from which percent of its lines on a cut picture is decoded; called
                  in any of the threads.
        ahead:    pictures to hold ready at least; may change at any time.
        isolated: decodes in other processes; without it pictures are decoded in this one.
        stages:   is told which files are at hand.
        """
        self._hash = hash
        self._isolated = isolated
        self._stages = stages or Stages()
        self._preparation = preparation
        self._max_size = max_size
        self._wants = wants
        self._finish = finish
        self._look = look
        self._about = about
        self._least = least
        self._ahead = ahead
        self._stop = stop
        self._is_left = False  # nobody takes answers any more
        self._lock = threading.Lock()
        self._claimed: set[bytes] = set()

    def answers(self, items: Iterable[Item], *, decode: bool) -> Generator[Answer, None, None]:
        """Read files in parallel, answers in the order of the items; ends early, amid a file, when asked to stop."""
        from concurrent.futures import ThreadPoolExecutor  # costs 4 ms, which a run that reads nothing saves

        self._claimed.clear()  # a picture that an earlier reading decoded and nobody took must be decoded again
        self._is_left = False
        rest = ([item] for item in items) if decode else _groups(items)
        waiting: deque[Future[list[Answer]]] = deque()
        with ThreadPoolExecutor(WORKERS, "vstore-read") as pool:
            try:
                while not self._stop.is_set():
                    window = self._ahead() + WORKERS if decode else WORKERS * 3
                    for some in islice(rest, max(0, window - len(waiting))):
                        waiting.append(pool.submit(self._answer_all, some, decode))
                    if not waiting:
                        return
                    yield from waiting.popleft().result()
            except _Stopped:
                return
            finally:
                self._is_left = True
                for future in waiting:
                    future.cancel()

    def _answer_all(self, items: list[Item], decode: bool) -> list[Answer]:
        first = items[0]
        self._stages.take(os.path.join(first.chunk.place, first.file.name))  # for each file it would cost a hundredth
        answers = []
        try:
            for item in items:
                self._refuse_stopped()
                answers.append(self._answer(item, decode))
            return answers
        finally:
            self._stages.put_down()

    def _answer(self, item: Item, decode: bool) -> Answer:
        try:
            # A file that was too large for the scan already is not even opened.
            data = None
            if item.file.size <= self._max_size:
                data, state = self._read(os.path.join(item.chunk.place, item.file.name), item.file)
        except OSError as err:
            if err.errno == errno.ENOMEM:
                return Answer(item, TROUBLE, failure=_no_memory())
            refuse_limit(err, f"read {os.fsdecode(item.path)}")
            if err.errno in (errno.ENOENT, errno.ENOTDIR):
                return Answer(item, GONE)
            kind = "permission" if err.errno in (errno.EACCES, errno.EPERM) else "io"
            return Answer(item, TROUBLE, failure=PictureFailure(kind, err.strerror or str(err)))
        except MemoryError:
            return Answer(item, TROUBLE, failure=_no_memory())
        if data is None:
            limit = self._max_size
            shown = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit} bytes"
            reason = f"it is larger than {shown}; raise the limit with --max-file-size"
            return Answer(item, TOO_LARGE, failure=PictureFailure("too_large", reason))
        program = program_of_pointer(data)
        if program is not None:
            return Answer(item, TROUBLE, failure=Elsewhere(program))
        key = self._digest(data)
        if not decode or not self._claim(key):
            return Answer(item, state, key, len(data))
        from vstore.pictures.decoding import prepare  # a run that reads nothing saves its import

        try:
            decode_it = self._isolated.prepare if self._isolated is not None else prepare
            preparation = self._preparation
            if least := self._least(item.path, key):
                preparation = preparation._replace(least=least)
            whole = bytes(data)
            picture, facts = decode_it(whole, preparation)
        except PictureFailure as failure:
            return Answer(item, state, key, len(data), failure=failure)
        look = self._look(picture)
        about = self._about(whole)
        return Answer(item, state, key, len(data), made=self._finish(picture), look=look, facts=facts, about=about)

    def let_go(self, keys: Iterable[bytes]) -> None:
        """Forget pictures to which `wants` says no from now on: else memory would grow with their number."""
        with self._lock:
            self._claimed.difference_update(keys)

    def _claim(self, key: bytes) -> bool:
        with self._lock:
            if key in self._claimed or not self._wants(key):
                return False
            self._claimed.add(key)
            return True

    def _read(self, path: bytes, seen: FileStat) -> tuple[bytes | bytearray | None, int]:
        """Read a whole file between two stats that agree.

        Returns: its bytes, or None if it is too large; its state.
        Raises: OSError; with EBUSY where it changes faster than it can be read.
        """
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            for _ in range(_ATTEMPTS):
                now = time.time_ns()
                before = os.fstat(fd)
                if not stat.S_ISREG(before.st_mode):
                    raise OSError(errno.ENOENT, "it is no longer a regular file")
                if before.st_size > self._max_size:
                    return None, UNKNOWN
                data = self._bytes(fd, before.st_size)
                after = os.fstat(fd)
                if _same(before, after) and len(data) == before.st_size:
                    named = os.stat(path)  # ENOENT: it vanished while it was read
                    if (named.st_dev, named.st_ino) != (before.st_dev, before.st_ino):
                        return data, LOOSE  # another file took its name meanwhile
                    return data, KNOWN if _settled(before, seen, now) else LOOSE
            raise OSError(errno.EBUSY, "it changed while it was being read")
        finally:
            os.close(fd)

    def _bytes(self, fd: int, size: int) -> bytes | bytearray:
        """Read an open file of about this size; one byte more if it has grown."""
        if size <= PIECE:
            data = os.pread(fd, size + 1, 0)
            while len(data) < size and (more := os.pread(fd, size - len(data), len(data))):
                data += more
            return data
        room = bytearray(size + 1)
        with memoryview(room) as view:
            at = 0
            while at <= size and (count := os.preadv(fd, [view[at : at + PIECE]], at)):
                at += count
                self._refuse_stopped()
        del room[at:]
        return room

    def _digest(self, data: bytes | bytearray) -> bytes:
        if len(data) <= PIECE:
            return self._hash.digest(data)
        hasher = self._hash.new()
        with memoryview(data) as view:
            for at in range(0, len(data), PIECE):
                hasher.update(view[at : at + PIECE])
                self._refuse_stopped()
        digest: bytes = hasher.digest()
        return digest

    def _refuse_stopped(self) -> None:
        if self._is_left or self._stop.is_set():
            raise _Stopped


class _Stopped(Exception):
    """The end of a reading amid a file."""


def _groups(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Divide files into groups: many small ones, or single large ones, whose end is soon told."""
    rest = iter(items)
    while some := list(islice(rest, _GROUP)):
        if sum([item.file.size for item in some]) <= _GROUP_BYTES:
            yield some
        else:
            yield from ([item] for item in some)


def _no_memory() -> PictureFailure:
    """Return the failure of a picture too large for the memory that is left: others may well fit."""
    return PictureFailure("io", "there was not enough memory to read it")


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_size, one.st_mtime_ns, one.st_ctime_ns) == (other.st_size, other.st_mtime_ns, other.st_ctime_ns)


def _settled(found: os.stat_result, seen: FileStat, now: int) -> bool:
    """Tell whether the scan saw this file's stat, and it is old enough that a later edit must change it."""
    same = (found.st_size, found.st_mtime_ns) == (seen.size, seen.mtime_ns)
    same = same and seen.inode in (0, found.st_ino) and seen.ctime_ns in (0, found.st_ctime_ns)
    young = max(found.st_mtime_ns if not seen.ctime_ns else 0, found.st_ctime_ns)
    return same and young <= now - SETTLED_NS
