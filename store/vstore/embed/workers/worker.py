"""A model in a process of its own: both ends of the pipes between the process and its owner.

The process is another Python, as CUDA does not survive a fork. It ends when its stdin ends, whatever it is doing: it
holds nothing that must be saved.
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

_SECONDS = 5.0  # until a process that has closed its pipes is killed
_LAST_WORDS = 1.0  # seconds for the last lines of a dead process to arrive: a child of its own may hold its stderr open
_SAID = 20  # last lines of a process's stderr, for the message where it dies


class Job(NamedTuple):
    """The model that a worker loads.

    recipe:   of its space.
    words:    name the model.
    settings: with one device.
    known:    digests of the model's files, from `Digests.known`.
    share:    number of workers that share the cores.
    """

    recipe: Recipe
    words: Words
    settings: Settings
    known: Mapping[str, list[object]]
    share: int


class WorkerFault(RuntimeError):
    """An unexpected error in a worker, with the traceback from there."""

    def __init__(self, device: str, kind: str, trace: str) -> None:
        super().__init__(f"{kind}, in the worker process on {device}\n{trace}")


class Worker:
    """One process with the model on one device. It is an embedder, one batch at a time.

    `send` and `receive`, each called in a thread of its own, keep several batches under way.
    """

    def __init__(self, family: Family, job: Job) -> None:
        """Start the process. Raises: ModelError where the system refuses."""
        self.device = job.settings.device
        self.recipe = family.recipe
        self.dim: int = family.recipe["dim"]
        self.environment: dict[str, Any] = {}
        self._family = family
        # Ctrl-C, or a service manager's signal to all processes, is meant for the owner: it finishes the batches and
        # ends this process. Signals that are blocked here stay blocked there, from the first instruction on.
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
                f"a worker process for {self.device} cannot be started: {err.strerror}", "name one device with --device"
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
        """Wait until the process has loaded the model. Raises: the error that loading raised there."""
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
        """Send a batch (a list) or texts (a tuple). Raises: ModelError where the process has died."""
        self._write((number, what))

    def receive(self) -> tuple[int, Floats]:
        """Wait for the number and the vectors of a batch. Raises: ModelError, or the error that was raised there."""
        number, rows = self._read()
        return number, rows

    def kill(self) -> None:
        """End the process, whatever it is doing: who waits for an answer learns that it has died."""
        self._process.kill()

    def close(self) -> None:
        """End the process and close its pipes. No other thread uses it any more."""
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
        """Remember the last lines of its stderr."""
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self._said.extend(line.decode("utf-8", "replace").strip() for line in lines)

    def _death(self) -> ModelError:
        try:
            code = self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:  # its pipes are closed, but it runs on
            self._process.kill()
            code = self._process.wait()
        self._ear.join(_LAST_WORDS)
        how = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = signal.Signals(-code).name
        last = next((f": {line}" for line in reversed(self._said.copy()) if line), "")
        why = "the system kills processes where memory is short; " if -code == signal.SIGKILL else ""
        return ModelError(
            f"the worker process on {self.device} has died ({how}){last}",
            f"{why}finished vectors are safe: run the command again, without that device in --device if it dies again",
        )


def _same_error(device: str, name: str, message: str, next_step: str) -> VstoreError:
    """Make the error that a worker raised again in this process, with the device named."""
    cls = getattr(errors, name)
    made: VstoreError = cls.__new__(cls)
    VstoreError.__init__(made, f"{message} (in the worker process on {device})", next_step)
    return made


# The process itself


def serve() -> None:
    """Load the model of the first request, embed those that follow, answer on stdout: the other end of `Worker`."""
    # A library's prints must not land among the answers, and no child process of a library may hold an end of these
    # pipes: the owner would wait for this process after its death. Descriptors made by `dup` are not inherited.
    source, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    _in_thread(_hear, source, requests)
    mute = threading.Lock()

    def answer(make: Callable[[], Any]) -> None:
        """Send the result of `make`, or its error; after an error this process does nothing more."""
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
            # The owner ends this process. Until then its requests are still read: a broken pipe could reach it before
            # this error does.
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
    """Begin a request. Its error is raised by the returned function: earlier requests are answered first."""
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
        torch.cuda.set_device(job.settings.device)  # else pinned memory would use some of the first GPU's
    return load(job.recipe, job.words, job.settings, Digests(known=job.known))


def _in_thread(work: Callable[..., None], *args: Any) -> None:
    """Run vital work in a thread: where it fails, the process ends, and the owner learns of it."""

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
