"""A model that runs in a process of its own: both ends of the pipes between it and whoever asks.

The process is another Python, as CUDA does not survive a fork. It leaves when its stdin ends, whatever it is at: it
holds nothing.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from vstore import errors
from vstore.child_python import command
from vstore.embed.hf.family import Family, Prepared
from vstore.embed.model_words import Settings, Words
from vstore.embed.workers.wire import receive, send, widen_pipe
from vstore.errors import ModelError, VstoreError

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats
    from vstore.embed.hf.transformer import TransformerEmbedder
    from vstore.format.recipes import Recipe

_SECONDS = 5.0  # for a process that has closed its pipes to end
_LAST_WORDS = 1.0  # seconds for what a dead process has said to arrive: a child of its own may hold its stderr open
_SAID = 20  # lines of a process's stderr that are kept for the case that it dies


class Job(NamedTuple):
    """What a worker is to load. known: digests of files, as `Digests.known` has them. share: of the cores, one nth."""

    recipe: Recipe
    words: Words
    settings: Settings
    known: Mapping[str, list[object]]
    share: int


class WorkerFault(RuntimeError):
    """What a worker met that nobody foresaw, with its own traceback."""

    def __init__(self, device: str, kind: str, trace: str) -> None:
        super().__init__(f"{kind}, in the worker process on {device}\n{trace}")


class Worker:
    """One process with the model on one device. By itself it embeds as any embedder, one batch at a time.

    Several batches may be under way by `send` and `receive`, called in one thread each.
    """

    def __init__(self, family: Family, job: Job) -> None:
        """Start the process. Raises: ModelError where the system starts none."""
        self.device = job.settings.device
        self.recipe = family.recipe
        self.dim: int = family.recipe["dim"]
        self.environment: dict[str, Any] = {}
        self._family = family
        # Ctrl-C, or a service manager's signal to all processes, is for whoever runs the sync: it lets the batches be
        # finished, and ends this process. What is blocked here stays so there, from its first instruction on.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self._process = subprocess.Popen(
                command("from vstore.embed.workers.worker import serve; serve()"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as err:
            raise ModelError(
                f"no worker process for {self.device} can be started: {err.strerror}", "name one device with --device"
            ) from err
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.pid = self._process.pid
        widen_pipe(self._process.stdin)
        self._said: deque[str] = deque(maxlen=_SAID)
        self._ear = threading.Thread(target=self._listen, name=f"vstore-stderr-{self.device}", daemon=True)
        self._ear.start()
        self._job: Job | None = job

    def load(self) -> Worker:
        """Wait until the process has the model. Raises: what loading it raised there."""
        self._write(self._job)
        self._job = None
        self.environment = self._read()
        return self

    def embed_images(self, pictures: Sequence[Image]) -> Floats:
        self.send(0, [self._family.prepare(picture) for picture in pictures])
        return self.receive()[1]

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        self.send(0, tuple(texts))
        return self.receive()[1]

    def send(self, number: int, what: Sequence[Prepared | None] | tuple[str, ...]) -> None:
        """Give it a batch (a list) or texts (a tuple). Raises: ModelError where it has died."""
        self._write((number, what))

    def receive(self) -> tuple[int, Floats]:
        """The number of what it has embedded, and the vectors. Raises: ModelError, or what was raised there."""
        number, rows = self._read()
        return number, rows

    def kill(self) -> None:
        """End the process, whatever it is at: whoever waits for its answer is told that it has died."""
        self._process.kill()

    def close(self) -> None:
        """End the process and all that belongs to it. No other thread uses it any more."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        self._ear.join(_LAST_WORDS)

    def _write(self, message: Any) -> None:
        assert self._process.stdin is not None
        try:
            send(self._process.stdin, message)
        except (OSError, ValueError) as err:
            raise self._death() from err

    def _read(self) -> Any:
        assert self._process.stdout is not None
        try:
            kind, *rest = receive(self._process.stdout)
        except (OSError, EOFError, ValueError) as err:
            raise self._death() from err
        if kind == "known":
            raise _same_error(self.device, *rest)
        if kind == "unknown":
            raise WorkerFault(self.device, *rest)
        return rest[0]

    def _listen(self) -> None:
        """Keep the end of what it says on stderr."""
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self._said.extend(line.decode("utf-8", "replace").strip() for line in lines)

    def _death(self) -> ModelError:
        try:
            code = self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:  # it talks no more, and is not dead
            self._process.kill()
            code = self._process.wait()
        self._ear.join(_LAST_WORDS)
        how = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = signal.Signals(-code).name
        last = next((f": {line}" for line in reversed(self._said.copy()) if line), "")
        why = "the system ends a process so where memory is short; " if -code == signal.SIGKILL else ""
        return ModelError(
            f"the worker process on {self.device} has died ({how}){last}",
            f"{why}vectors that were finished are kept: run it again, without that device in --device if it dies again",
        )


def _same_error(device: str, name: str, message: str, next_step: str) -> VstoreError:
    """A VstoreError of a worker as this process would have raised it, with the device named."""
    cls = getattr(errors, name)
    made: VstoreError = cls.__new__(cls)
    VstoreError.__init__(made, f"{message} (in the worker process on {device})", next_step)
    return made


# The process itself


def serve() -> None:
    """Load what stdin says first, then embed what it brings, and answer on stdout. The other end of `Worker`."""
    # What a library prints must not stand among the answers; and no process that one starts may hold an end of these
    # pipes: whoever asks would wait for this one after its death. Descriptors that `dup` makes are not inherited.
    source, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    _in_thread(_hear, source, requests)
    mute = threading.Lock()

    def answer(make: Callable[[], Any]) -> None:
        """Answer what `make` gives, or raises; after an error there is nothing more to be done."""
        message: tuple[Any, ...]
        try:
            message = ("done", make())
        except VstoreError as err:
            known = next(cls.__name__ for cls in type(err).__mro__ if cls.__module__ == errors.__name__)
            message = ("known", known, err.message, err.next_step)
        except BaseException as err:
            kind = f"{type(err).__name__}: {' '.join(str(err).split())[:300]}"
            message = ("unknown", kind, traceback.format_exc())
        with mute:
            send(answers, message)
        if message[0] != "done":
            # Whoever asked ends this process. Until then what is sent is still taken: a broken pipe could be met there
            # before this error.
            threading.Event().wait()

    made: list[Any] = []

    def load() -> Any:
        made.append(_load(requests.get()))
        return made[0].environment

    answer(load)
    embedder = made[0]
    # As in one process: while a batch runs on a GPU, the next one is copied there and queued behind it.
    slots = threading.Semaphore(embedder.in_flight)
    begun: queue.SimpleQueue[tuple[int, Callable[[], Floats]]] = queue.SimpleQueue()

    def finish() -> None:
        while True:
            number, vectors = begun.get()
            answer(lambda: (number, vectors()))  # noqa: B023  # called at once
            slots.release()

    _in_thread(finish)
    while True:
        slots.acquire()
        number, what = requests.get()
        begun.put((number, _begun(embedder, what)))


def _begun(embedder: TransformerEmbedder, what: Any) -> Callable[[], Floats]:
    """Begin what was asked for. An error is raised by what is returned: what was begun before is answered first."""
    try:
        if isinstance(what, list):
            return embedder.start(what)
        rows = embedder.embed_texts(what)
        return lambda: rows
    except BaseException as err:
        met = err

        def fail() -> Floats:
            raise met

        return fail


def _load(job: Job) -> TransformerEmbedder:
    from vstore.embed.hf.digests import Digests
    from vstore.embed.hf.libraries import libraries
    from vstore.embed.hf.loading import load

    torch, _ = libraries()
    torch.set_num_threads(max(1, torch.get_num_threads() // job.share))
    if job.settings.device.startswith("cuda"):
        torch.cuda.set_device(job.settings.device)  # else pinned memory would take some of the first GPU's
    return load(job.recipe, job.words, job.settings, Digests(known=job.known))


def _in_thread(work: Callable[..., None], *args: Any) -> None:
    """Run in a thread what the process cannot do without: where that fails the process ends, and so tells who asked."""

    def guarded() -> None:
        try:
            work(*args)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)

    threading.Thread(target=guarded, daemon=True).start()


def _hear(source: IO[bytes], requests: queue.SimpleQueue[Any]) -> None:
    with contextlib.suppress(OSError, EOFError):
        while True:
            requests.put(receive(source))
    os._exit(0)
