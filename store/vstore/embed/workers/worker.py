"""A worker: a model in a process of its own, seen from its owner.

The process is another Python, as CUDA does not survive a fork. It ends when its stdin ends, whatever it is doing: it
holds nothing that must be saved.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore import errors
from vstore.child_python import command
from vstore.embed.hf.families.family import Family, Prepared
from vstore.embed.model_words import Settings, Words
from vstore.embed.workers.wire import receive, send, widen_pipe
from vstore.errors import ModelError, VstoreError

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats
    from vstore.embed.hf.digests import Remembered
    from vstore.embed.hf.identity import Known
    from vstore.format.recipes import Recipe

_SECONDS = 5.0  # until a process that has closed its pipes is killed
_LAST_WORDS = 1.0  # seconds for the last lines of a dead process to arrive: a child of its own may hold its stderr open
_SAID = 20  # last lines of a process's stderr, for the message where it dies


class Job(NamedTuple):
    """The model that a worker loads.

    recipe:   of its space.
    words:    name the model.
    settings: with one device.
    digests:  of the model's files, from `Digests.known`.
    known:    its space.
    share:    number of workers that share the cores.
    """

    recipe: Recipe
    words: Words
    settings: Settings
    digests: Remembered
    known: Known
    share: int


class WorkerFault(RuntimeError):
    """An unexpected error in a worker, with the traceback from there.

    kind:   the class and the message of the error there.
    number: of the batch that met it; the worker goes on with the next one. None if it does not.
    """

    def __init__(self, device: str, kind: str, trace: str, number: int | None = None) -> None:
        super().__init__(f"{kind}, in the worker process on {device}\n{trace}")
        self.kind = kind
        self.number = number


class _WorkerDied(ModelError):
    """The end of a worker process that nobody asked for."""


def is_death(err: BaseException) -> bool:
    """Tell whether an error says that a worker process has died."""
    return isinstance(err, _WorkerDied)


class Worker:
    """One process with the model on one device. It is an embedder, one batch at a time.

    `send` and `receive`, each called in a thread of its own, keep several batches under way.
    """

    def __init__(self, family: Family, job: Job) -> None:
        """Start the process. Raises: ModelError if the system refuses."""
        self.device = job.settings.device
        self.recipe = family.recipe
        self.dim: int = family.recipe["dim"]
        self.environment: dict[str, Any] = {}
        self._family = family
        # Ctrl-C, or a service manager's signal to all processes, is meant for the owner: it finishes the batches and
        # ends this process. Signals that are blocked here stay blocked there, from the first instruction on.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            self._process = subprocess.Popen(
                command("from vstore.embed.workers.process import serve; serve()"),
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
        """Send a batch (a list) or texts (a tuple). Raises: ModelError if the process has died."""
        self._write((number, what))

    def receive(self) -> tuple[int, Floats]:
        """Wait for the number and the vectors of a batch.

        Raises: ModelError if the process has died; WorkerFault, or the error of vstore that was raised there.
        """
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

    def _death(self) -> _WorkerDied:
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
        return _WorkerDied(
            f"the worker process on {self.device} has died ({how}){last}",
            f"{why}finished vectors are safe: run the command again, without that device in --device if it dies again",
        )


def _same_error(device: str, name: str, message: str, next_step: str) -> VstoreError:
    """Make the error that a worker raised again in this process, with the device named."""
    cls = getattr(errors, name)
    made: VstoreError = cls.__new__(cls)
    VstoreError.__init__(made, f"{message} (in the worker process on {device})", next_step)
    return made
