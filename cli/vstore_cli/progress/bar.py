"""A listener that shows the stages of a run on standard error, with a clock of its own."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import TextIO

from vstore import Stage
from vstore_cli.progress.faces import Face, Rows, encoding, face_of
from vstore_cli.progress.strays import Descriptor, Stderr, Strays, crashes_to, warned
from vstore_cli.progress.view import Timed, name_of
from vstore_cli.suggestions import typed
from vstore_cli.terminal.outlets import send

TICK = 0.2  # seconds between two looks at the stage
_PATIENCE = 0.3  # seconds to wait for another thread where the process is about to end


class Bar:
    """A listener that shows the stages of a run by a face, with a clock of its own."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self.real = sys.stderr
        self.descriptor: Descriptor | None = None
        self.strays = Strays(face.say, self._about)
        self._now: Timed | None = None
        self._known: dict[Stage, Timed] = {}
        self._soon: deque[str] = deque()
        self._lock = threading.RLock()
        self._end = threading.Event()
        self._ticker: threading.Thread | None = None

    # The library tells

    def stage(self, name: str, total: int | None) -> None:
        pass  # `watch` tells more

    def advance(self, n: int = 1) -> None:
        pass

    def watch(self, stage: Stage) -> None:
        with self._lock:
            self._leave()
            self._now = self._known.setdefault(stage, Timed(stage))
            self._now.go_on()
            self.face.begin(self._now.view())
        if self._ticker is None:
            self._ticker = threading.Thread(target=self._tick, name="vstore-progress", daemon=True)
            self._ticker.start()

    def put_down(self, file: bytes) -> None:
        if self.descriptor is not None:
            for text in self.descriptor.lines():
                self.strays.of_any(text, self._names(file))

    def note(self, text: str) -> None:
        self.face.say(typed(text))

    def close(self) -> None:
        with self._lock:
            self._leave()
            self._known.clear()
            self.face.rest()

    def _leave(self) -> None:
        if self._now is not None:
            self.face.end(self._now.view())
            self._now.pause()
            self._now = None

    # The clock

    def _tick(self) -> None:
        while not self._end.wait(TICK):
            self.look()

    def look(self) -> None:
        """Show how things stand now."""
        while self._soon:
            self.face.say(self._soon.popleft())
        with self._lock:
            now = self._now
            if now is not None and not now.stage.hands:  # else they are about what is at hand, and named with it
                self._read_descriptor()
            if now is not None and not self._end.is_set():
                self.face.look(now.view())

    def soon(self, text: str) -> None:
        """Show a line in a moment. For handlers of signals: it waits for nothing that the interrupted code may hold."""
        self._soon.append(text)

    @property
    def is_ticking(self) -> bool:
        """True if a line that comes soon will be shown."""
        return self._ticker is not None and not self._end.is_set()

    def stop(self) -> None:
        """Stop the clock for good, and say what is left to say."""
        self._end.set()
        if self._ticker is not None:
            self._ticker.join()
        self.close()
        while self._soon:
            self.face.say(self._soon.popleft())

    def abandon(self) -> None:
        """Show nothing more, and leave standard error as it was: the process is about to end."""
        is_mine = self._lock.acquire(timeout=_PATIENCE)  # whoever has it may never go on
        self._end.set()
        self.face.rest()
        if is_mine:
            self._lock.release()
        sys.stderr = self.real
        if self.descriptor is not None:
            self.descriptor.give_back()

    # Stray lines

    def _read_descriptor(self) -> None:
        if self.descriptor is not None:
            for text in self.descriptor.lines():
                self.strays.of_any(text)

    def _about(self, thread: int | None) -> str:
        """Name what a thread is about: the file that it has in hand, or the model."""
        now = self._now
        if now is None:
            return ""
        return name_of(now.stage.held_by(thread) if thread is not None else None) or now.stage.about or now.stage.model

    def _names(self, file: bytes) -> str:
        """Name a file that was put down, and those that are still at hand: either may be meant."""
        now = self._now
        others = [] if now is None else [one for one in list(now.stage.hands.values()) if one != file]
        return " or ".join([name_of(file), *map(name_of, others[:1])] + ["another"] * (len(others) > 1))


@contextlib.contextmanager
def drawing(how: str) -> Iterator[Bar]:
    """Show the progress of a run, and catch stray lines. how: `bar`, `lines`, `json` or `none`."""
    with contextlib.ExitStack() as stack:
        descriptor = Descriptor() if _is_real() else None
        fd = 2 if descriptor is None else descriptor.real
        face = face_of(
            how, fd, (lambda data: send(fd, data)) if descriptor else (lambda data: _to_stream(bar.real, data))
        )
        bar = Bar(face)
        bar.descriptor = descriptor
        caught = Stderr(bar.real, bar.strays, face.say)
        if isinstance(face, Rows):
            face.half = lambda: caught.half
        stack.enter_context(warned(bar.strays))
        stack.enter_context(crashes_to(fd))
        sys.stderr = caught
        try:
            yield bar
        finally:
            try:
                sys.stderr = bar.real
                bar.stop()
                for text in descriptor.close() if descriptor else []:
                    bar.strays.of_any(text)
                bar.strays.end()
            except KeyboardInterrupt:
                bar.abandon()
                raise
            if descriptor is not None:
                os.close(descriptor.real)


def _to_stream(stream: TextIO, data: bytes) -> None:
    with contextlib.suppress(OSError):  # as `send`
        stream.write(data.decode(encoding(), "replace"))
        stream.flush()


def _is_real() -> bool:
    """Tell whether what Python writes to stderr goes where compiled code writes, too."""
    try:
        return sys.stderr.fileno() == 2
    except (AttributeError, OSError, ValueError):
        return False
