"""Progress on stderr: rows on a terminal, a line every 30 s elsewhere, or JSON lines for programs."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TextIO

from vstore import Stage
from vstore_cli.output import openable, shown
from vstore_cli.progress.pace import Pace
from vstore_cli.progress.rows import View, line, rows
from vstore_cli.progress.screen import Screen
from vstore_cli.progress.strays import Descriptor, Stderr, Strays, crashes_to, warned
from vstore_cli.suggestions import typed
from vstore_cli.terminal.outlets import send

TICK = 0.2  # seconds between two looks at the stage
SOON = 0.5  # seconds of a command before a terminal shows its progress
EVERY = 30.0  # seconds between two lines
_PATIENCE = 0.3  # seconds to wait for another thread where the process is about to end
STILL = 1.0  # seconds after which a program hears of a stage in which nothing happened


class Face(Protocol):
    """A way to show progress."""

    def begin(self, view: View) -> None:
        """Show that a stage begins, or goes on."""

    def look(self, view: View) -> None:
        """Show how far a stage is; called every moment."""

    def end(self, view: View) -> None:
        """Show that a stage ends, or is left for another one."""

    def rest(self) -> None:
        """Leave nothing behind: no stage goes on."""

    def say(self, text: str, about: str = "") -> None:
        """Show a line. about: the picture or the model that a line of a library is about."""


class Nothing:
    """No progress: lines alone."""

    def __init__(self, out: Callable[[bytes], None]) -> None:
        self._out = out

    def begin(self, view: View) -> None:
        pass

    def look(self, view: View) -> None:
        pass

    def end(self, view: View) -> None:
        pass

    def rest(self) -> None:
        pass

    def say(self, text: str, about: str = "") -> None:
        self._out((_named(text, about) + "\n").encode(_encoding(), "backslashreplace"))


class Lines(Nothing):
    """A line every half minute, for a log."""

    def __init__(self, out: Callable[[bytes], None]) -> None:
        super().__init__(out)
        self._next = EVERY

    def begin(self, view: View) -> None:
        self._next = view.seconds + EVERY

    def look(self, view: View) -> None:
        if view.seconds >= self._next:
            self._next = view.seconds + EVERY
            self.say(line(view))


class Rows(Nothing):
    """Rows at the foot of a terminal.

    half: tells of a line that a library has not ended, such as a bar that it draws.
    """

    def __init__(self, fd: int) -> None:
        self._screen = Screen(fd, _encoding())
        self._plain = not _can_show("…█░", _encoding())
        self._began = time.monotonic()
        self.half: Callable[[], str] = str

    def look(self, view: View) -> None:
        if time.monotonic() - self._began >= SOON and self._screen.is_ours:
            columns, lines = self._screen.size
            drawn = view._replace(file=shown(self.half()) or view.file)
            self._screen.draw(rows(drawn, columns - 1, lines, plain=self._plain))

    def say(self, text: str, about: str = "") -> None:
        self._screen.write(_named(text, about))

    def rest(self) -> None:
        self._screen.clear()
        self._began = time.monotonic()


class Documents(Nothing):
    """A JSON document a line, for programs. docs/reference/json.md says what they hold."""

    def __init__(self, out: Callable[[bytes], None]) -> None:
        super().__init__(out)
        self._told: tuple[object, ...] = ()
        self._due = 0.0

    def begin(self, view: View) -> None:
        self._tell("begin", view)

    def look(self, view: View) -> None:
        if time.monotonic() >= self._due or (view.files, view.size, view.path) != self._told:
            self._tell("running", view)

    def end(self, view: View) -> None:
        self._tell("end", view)

    def _tell(self, event: str, view: View) -> None:
        self._told = (view.files, view.size, view.path)
        self._due = time.monotonic() + STILL
        document: dict[str, Any] = {
            "event": event,
            "stage": view.stage,
            "unit": view.unit,
            "files": view.files,
            "files_total": view.files_total,
            "bytes": view.size,
            "bytes_total": view.size_total,
            "failed": view.failed,
            "seconds": round(view.seconds, 3),
            "eta": None if view.left is None else round(view.left, 1),
            "about": view.about or None,
            "file": None if view.path is None else os.path.abspath(view.path).decode("utf-8", "replace"),
        }
        if view.path is not None and not _is_utf_8(view.path):
            document["file_b64"] = base64.b64encode(os.path.abspath(view.path)).decode()
        self._write({"progress": document})

    def say(self, text: str, about: str = "") -> None:
        self._write({"note": {"text": text, "about": about or None}})

    def _write(self, document: dict[str, Any]) -> None:

        # ASCII only: a name that is not UTF-8 cannot break the line.
        self._out(json.dumps(document).encode() + b"\n")


class _Timed:
    """The times of one stage. Other stages may come between its parts.

    seconds: of its parts that ended.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._seconds = 0.0
        self._since = self._looked = time.monotonic()
        self._pace = Pace()
        self._files = self._measure = 0

    def go_on(self) -> None:
        """Begin a part."""
        self._since = self._looked = time.monotonic()

    def pause(self) -> None:
        """End a part."""
        self._seconds += time.monotonic() - self._since

    def view(self) -> View:
        """Look at the stage."""
        stage, now = self.stage, time.monotonic()
        total, all_bytes = stage.files_total, stage.bytes_total
        files, measure = (0, stage.work) if stage.work_total else (stage.files, stage.bytes if all_bytes else 0)
        self._pace.add(now - self._looked, files - self._files, measure - self._measure)
        self._looked, self._files, self._measure = now, files, measure
        left = share = None
        if stage.work_total:
            left, share = self._pace.left(0, max(0, stage.work_total - measure)), measure / stage.work_total
        elif total:
            rest = max(0, all_bytes - measure) if all_bytes else 0
            left = self._pace.left(max(0, total - files), rest)
            share = measure / all_bytes if all_bytes else files / total
        return View(
            stage=stage.name,
            unit=stage.unit,
            files=stage.files,
            files_total=total,
            size=stage.bytes,
            size_total=all_bytes,
            failed=stage.failed,
            seconds=self._seconds + now - self._since,
            left=left,
            share=None if share is None else min(1.0, share),
            file=shown(stage.about) or _name(stage.file),
            about=stage.about,
            path=stage.file,
        )


class Bar:
    """A listener that shows the stages of a run by a face, with a clock of its own."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self.real = sys.stderr
        self.descriptor: Descriptor | None = None
        self.strays = Strays(face.say, self._about)
        self._now: _Timed | None = None
        self._known: dict[Stage, _Timed] = {}
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
            self._now = self._known.setdefault(stage, _Timed(stage))
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
        return _name(now.stage.held_by(thread) if thread is not None else None) or now.stage.about or now.stage.model

    def _names(self, file: bytes) -> str:
        """Name a file that was put down, and those that are still at hand: either may be meant."""
        now = self._now
        others = [] if now is None else [one for one in list(now.stage.hands.values()) if one != file]
        return " or ".join([_name(file), *map(_name, others[:1])] + ["another"] * (len(others) > 1))


@contextlib.contextmanager
def showing(how: str) -> Iterator[Bar]:
    """Show the progress of a run, and catch stray lines. how: `bar`, `lines`, `json` or `none`."""
    with contextlib.ExitStack() as stack:
        descriptor = Descriptor() if _is_real() else None
        fd = 2 if descriptor is None else descriptor.real
        face = _face(
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
            sys.stderr = bar.real
            bar.stop()
            for text in descriptor.close() if descriptor else []:
                bar.strays.of_any(text)
            bar.strays.end()
            if descriptor is not None:
                os.close(descriptor.real)


def _face(how: str, fd: int, out: Callable[[bytes], None]) -> Nothing:
    if how == "bar":
        return Rows(fd)
    return {"lines": Lines, "json": Documents, "none": Nothing}[how](out)


def _to_stream(stream: TextIO, data: bytes) -> None:
    stream.write(data.decode(_encoding(), "replace"))
    stream.flush()


def _is_real() -> bool:
    """Tell whether what Python writes to stderr goes where compiled code writes, too."""
    try:
        return sys.stderr.fileno() == 2
    except (AttributeError, OSError, ValueError):
        return False


def _encoding() -> str:
    return getattr(sys.stderr, "encoding", None) or "utf-8"


def _can_show(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeError:
        return False
    return True


def _is_utf_8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def _named(text: str, about: str) -> str:
    return f"{about}: {text}" if about else text


def _name(file: bytes | None) -> str:
    return "" if file is None else shown(openable(file))
