"""The worker process: it loads a model, embeds the requests on stdin and answers on stdout. `Worker` is its owner."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

from vstore import errors
from vstore.embed.faults import said
from vstore.embed.workers.wire import receive, send
from vstore.embed.workers.worker import Job
from vstore.errors import VstoreError

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats
    from vstore.embed.hf.transformer import TransformerEmbedder


def serve() -> None:
    """Load the model of the first request, embed those that follow, and answer on stdout, until stdin ends."""
    # A library's prints must not land among the answers, and no child process of a library may hold an end of these
    # pipes: the owner would wait for this process after its death. Descriptors made by `dup` are not inherited.
    source, answers_file = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    _in_thread(_hear, source, requests)
    answers = _Answers(answers_file)
    made: list[Any] = []

    def load() -> Any:
        made.append(_load(requests.get()))
        return made[0].environment

    answers.send(load)
    embedder = made[0]
    # As in one process: while a batch runs on a GPU, the next one is copied there and queued behind it.
    slots = threading.Semaphore(embedder.in_flight)
    begun: queue.SimpleQueue[tuple[int, Callable[[], Floats]]] = queue.SimpleQueue()

    def finish() -> None:
        while True:
            number, vectors = begun.get()
            answers.send(lambda: (number, vectors()), number)  # noqa: B023  # called at once
            slots.release()

    _in_thread(finish)
    while True:
        slots.acquire()
        number, what = requests.get()
        begun.put((number, _begun(embedder, what)))


class _Answers:
    """The pipe to the owner, for several threads."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lock = threading.Lock()

    def send(self, make: Callable[[], Any], number: int | None = None) -> None:
        """Send the result of `make`, or its error.

        number: of the batch: an error that nobody foresaw costs that batch. After others this process does nothing.
        """
        message: tuple[Any, ...]
        try:
            message = ("done", make())
        except VstoreError as err:
            number = None
            known = next(cls.__name__ for cls in type(err).__mro__ if cls.__module__ == errors.__name__)
            message = ("known", known, err.message, err.next_step)
        except BaseException as err:
            number = number if isinstance(err, Exception) else None
            message = ("unknown", said(err), traceback.format_exc(), number)
        with self._lock:
            send(self._file, message)
        if message[0] != "done" and number is None:
            # The owner ends this process. Until then its requests are still read: a broken pipe could reach it before
            # this error does.
            threading.Event().wait()


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
    return load(job.recipe, job.words, job.settings, Digests(known=job.digests), known=job.known)


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
