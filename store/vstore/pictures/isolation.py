"""Decodes pictures in worker processes: one that crashes, hangs or runs out of memory costs one picture.

A worker is another Python: it reads lengths and bytes from stdin and answers on stdout. The kernel limits its memory.
The waiting process limits its time, and ends it.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
import weakref
from typing import IO, TYPE_CHECKING, Any

from vstore.child_python import command
from vstore.errors import VstoreError
from vstore.pictures.decoding import Facts, prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.preparation import Preparation

if TYPE_CHECKING:
    from PIL.Image import Image

SECONDS = 60.0  # for one picture; the largest allowed, 179 million pixels, needs less than 10
MEMORY = 2 << 30  # bytes for one picture, beyond what the worker has when it begins
_LENGTH = struct.Struct("<Q")
# Signals from outside: a person, a system that shuts down or has no memory left. A decoder that crashes dies of others.
_OF_OTHERS = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGKILL})


class IsolatedDecoder:
    """A `vstore.pictures.decoding.prepare` in other processes: as many as threads ask at once.

    They are kept for the next pictures until it is closed, or nobody refers to it any longer. After a fork the child
    starts its own.
    """

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self._seconds = seconds
        self._memory = memory
        self._all: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._is_stopped = False
        weakref.finalize(self, _end, self._all)

    def prepare(self, data: bytes, preparation: Preparation) -> tuple[Image, Facts]:
        """Decode a picture. Raises: PictureFailure, also if its decoder crashed or did not finish in time."""
        if not data:
            return prepare(data, preparation)  # raises that it is empty
        worker = self._taken()
        try:
            answer = worker.ask(data, preparation, self._seconds)
        finally:
            with self._lock:
                if worker.is_alive and not worker.is_asked:
                    self._idle.append(worker)
        if answer[0] == "failed":
            raise PictureFailure(answer[1], answer[2])
        from PIL.Image import frombytes

        _, size, pixels, facts = answer
        return frombytes("RGB", size, pixels), Facts(*facts)

    def _taken(self) -> _Worker:
        """Take a worker that nobody asks, or start one."""
        if self._pid != os.getpid():
            self._lock, self._pid = threading.Lock(), os.getpid()  # another thread of the parent may have had it
            self.close()  # the parent goes on with its processes
        with self._lock:
            if self._is_stopped:
                raise PictureFailure("io", "decoding was stopped")
            if self._idle:
                return self._idle.pop()
            worker = _Worker(self._memory)
            self._all[:] = [one for one in self._all if one.is_alive]
            self._all.append(worker)
            return worker

    def stop(self) -> None:
        """Kill the processes. Pictures that are being decoded fail, in their threads, and so do later ones."""
        with self._lock:
            self._is_stopped = True
            for worker in self._all:
                worker.kill()
            _end(self._idle)  # the others are ended by the threads that ask them

    def close(self) -> None:
        """End the processes, once no thread asks any longer."""
        with self._lock:
            self._idle.clear()
            _end(self._all)

    def __enter__(self) -> IsolatedDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.end()
    workers.clear()


class _Worker:
    """One process, asked by one thread at a time.

    is_alive: it may be asked.
    is_asked: its answer is on the way, or was never taken: nobody else may ask it.
    """

    def __init__(self, memory: int) -> None:
        try:
            self._process = subprocess.Popen(
                command(f"from vstore.pictures.isolation import serve; serve({memory})"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                process_group=0,  # Ctrl-C at the terminal is for the sync, which finishes its batch
            )
        except OSError as err:
            raise VstoreError(
                f"cannot start a process for decoding: {err.strerror}", "run it again without --isolate-decoding"
            ) from err
        self.is_alive = True
        self.is_asked = False

    def ask(self, data: bytes, preparation: Preparation, seconds: float) -> tuple[Any, ...]:
        """Let the worker decode a picture. A lost worker gives the answer that its decoder failed."""
        until = time.monotonic() + seconds
        self.is_asked = True
        try:
            self._send(marshal.dumps((data, tuple(preparation))), until)
            length = _LENGTH.unpack(self._receive(_LENGTH.size, until))[0]
            answer: tuple[Any, ...] = marshal.loads(self._receive(length, until))
            self.is_asked = False
            return answer
        except _TimeIsUp:
            self.end()
            return "failed", "not_an_image", f"decoding it took longer than {seconds:.0f} s"
        except (OSError, EOFError, ValueError):
            self.end()
            code = self._process.returncode
            if -code in _OF_OTHERS:
                return "failed", "io", f"the process that decoded it was killed ({_how(code)})"
            return "failed", "not_an_image", f"its decoder crashed ({_how(code)})"

    def _send(self, body: bytes, until: float) -> None:
        assert self._process.stdin is not None
        fd = self._process.stdin.fileno()
        os.set_blocking(fd, False)
        left = memoryview(_LENGTH.pack(len(body)) + body)
        while left:
            _wait([], [fd], until)
            left = left[self._process.stdin.write(left) or 0 :]

    def _receive(self, size: int, until: float) -> bytes:
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        found = bytearray()
        while len(found) < size:
            _wait([fd], [], until)
            part = os.read(fd, min(1 << 20, size - len(found)))
            if not part:
                raise EOFError
            found += part
        return bytes(found)

    def kill(self) -> None:
        """Kill the process; the thread that asks it notices."""
        self._process.kill()

    def end(self) -> None:
        self.is_alive = False
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        if self._process.poll() is None:
            # A crashed worker ends by itself, and its signal says more than ours.
            try:
                self._process.wait(0.2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class _TimeIsUp(Exception):
    pass


def _wait(reads: list[int], writes: list[int], until: float) -> None:
    poll = select.poll()
    for fd in reads:
        poll.register(fd, select.POLLIN)
    for fd in writes:
        poll.register(fd, select.POLLOUT)
    if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
        raise _TimeIsUp


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
    return f"exit code {code}"


def serve(memory: int) -> None:
    """Decode pictures from stdin and answer on stdout. The other end of `IsolatedDecoder`."""
    with contextlib.suppress(PictureFailure):
        prepare(b"GIF89a", Preparation())  # loads the decoders, which do not count against the limit
    _limit(memory)
    source: IO[bytes] = sys.stdin.buffer
    out: IO[bytes] = sys.stdout.buffer
    while head := source.read(_LENGTH.size):
        data, preparation = marshal.loads(source.read(_LENGTH.unpack(head)[0]))
        answer = marshal.dumps(_answer(data, Preparation(*preparation), memory))
        out.write(_LENGTH.pack(len(answer)) + answer)
        out.flush()
    os._exit(0)


def _answer(data: bytes, preparation: Preparation, memory: int) -> tuple[Any, ...]:
    try:
        picture, facts = prepare(data, preparation)
        return "done", picture.size, picture.tobytes(), tuple(facts)
    except PictureFailure as failure:
        if isinstance(failure.__cause__, MemoryError):
            return "failed", "too_large", f"decoding it takes more than {memory >> 20} MiB of memory"
        return "failed", failure.kind, failure.reason


def _limit(memory: int) -> None:
    """Limit the memory of this process to what it has now plus `memory` bytes, where the kernel has such a limit."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with open("/proc/self/statm", "rb") as file:
            has = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (has + memory, has + memory))
    except (OSError, ValueError):
        return
