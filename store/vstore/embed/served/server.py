"""The server of a loaded model: threads that answer other processes of this user."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from vstore._version import __version__
from vstore.disk.lock import Lock
from vstore.embed.embedder import Embedder, text_side
from vstore.embed.served.messages import receive, send
from vstore.errors import Locked, VstoreError

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats

SYNC = "sync"  # the command of a run that serves its model meanwhile
_TICK = 0.2  # seconds until a closed server has noticed it
_PATIENCE = 60.0  # seconds that a caller may be silent
_CALLERS = 16  # at once; the others wait


def claim(address: Path, command: str) -> Lock:
    """Take the lock of an address. It outlives a crash no longer than its process; the name of the socket may.

    command: the one that is running, for others.
    Raises:  Locked if another process serves the model; DiskTrouble, ReadOnly.
    """
    lock = Lock(address.parent, address.name + ".lock")
    try:
        lock.acquire(command=command)
    except Locked as err:
        raise Locked(*_served_by(lock.path)) from err
    return lock


def give_back(lock: Lock) -> None:
    """Free the lock of an address, and leave no file behind."""
    with contextlib.suppress(OSError):
        lock.path.unlink()  # before it is free: nobody else has it
    lock.release()


class ModelServer:
    """A loaded model that other processes of this user may ask. Usable as a context manager.

    A request waits for its turn: one at a time is embedded.
    searches: callers so far.
    busy_at:  the monotonic time of the last request.
    """

    def __init__(
        self, address: Path, space: str, embedder: Embedder, environment: dict[str, Any], *, lock: Lock
    ) -> None:
        """Open the socket, and answer from now on.

        address:     of the socket.
        space:       id of the space whose model this is.
        environment: of the embedder, for the proofs of the callers.
        lock:        of the address; it is freed when the server is closed.
        Raises:      OSError if no socket can be opened there.
        """
        self.searches = 0
        self.busy_at = time.monotonic()
        self._address = address
        self._embedder = embedder
        self._greeting = {
            "vstore": __version__,
            "space": space,
            "dim": embedder.dim,
            "text": text_side(embedder) is not None,
            "environment": environment,
        }
        self._turn = threading.Lock()
        self._slots = threading.BoundedSemaphore(_CALLERS)
        self._closed = threading.Event()
        self._lock = lock
        self._listener = _listen(address)
        self._thread = threading.Thread(target=self._accept, name="vstore-serve", daemon=True)
        self._thread.start()

    def __enter__(self) -> ModelServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Answer nothing more, and remove the socket. A request that is being embedded is not waited for."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._address.unlink()
        self._listener.close()
        give_back(self._lock)

    def _accept(self) -> None:
        while not self._closed.is_set():
            if not self._slots.acquire(timeout=_TICK):
                continue
            try:
                caller, _ = self._listener.accept()
            except OSError:  # also after _TICK seconds without a caller
                self._slots.release()
                continue
            threading.Thread(target=self._talk, args=(caller,), name="vstore-answer", daemon=True).start()

    def _talk(self, caller: socket.socket) -> None:
        try:
            with caller, contextlib.suppress(OSError, EOFError, ValueError):
                caller.settimeout(_PATIENCE)
                send(caller, self._greeting)
                while not self._closed.is_set():
                    request, raw = receive(caller)
                    self._answer(caller, request, raw)
        finally:
            self._slots.release()

    def _answer(self, caller: socket.socket, request: dict[str, Any], raw: bytes) -> None:
        self.busy_at = time.monotonic()
        if request.get("begins"):
            with self._turn:
                self.searches += 1
            send(caller, {})
            return
        try:
            embed = _read(self._embedder, request, raw)
            with self._turn:
                rows = embed()
        except Exception as err:  # the caller loads the model itself, and meets the error there
            send(caller, {"failed": err.message if isinstance(err, VstoreError) else type(err).__name__})
            return
        self.busy_at = time.monotonic()
        send(caller, {"rows": len(rows)}, rows.astype("<f4").tobytes())


def _read(embedder: Embedder, request: dict[str, Any], raw: bytes) -> Callable[[], Floats]:
    """Read a request. Returns: the function that embeds it. Raises: ValueError, KeyError, TypeError."""
    texts, size = request.get("texts"), request.get("size")
    if texts is not None:
        side = text_side(embedder)
        if side is None or not all(isinstance(text, str) for text in texts):
            raise ValueError("no texts")
        return lambda: side(texts)
    from PIL import Image

    width, height = size  # type: ignore[misc]  # anything may come: what is no pair of numbers raises
    picture = Image.frombytes("RGB", (width, height), raw)
    return lambda: embedder.embed_images([picture])


def _listen(address: Path) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        address.unlink()  # of a process that was killed: its lock is free
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(address))
        listener.listen(_CALLERS)
        listener.settimeout(_TICK)
    except BaseException:
        listener.close()
        raise
    return listener


def _served_by(lock: Path) -> tuple[str, str]:
    """Say who has the lock of an address, and what to do."""
    try:
        about = json.loads(lock.read_bytes())
        who, command = f"the process {about['pid']}", about["command"]
    except (OSError, ValueError, KeyError, TypeError):
        who, command = "another process", ""
    if command == SYNC:
        return (
            f"{who}, a sync, serves this model until it ends",
            "searches use it already; run this again when it has ended",
        )
    return f"{who} has this model loaded, and serves it", "searches use it already; end it to serve the model here"
