"""Progress of a long run. Pure: the run counts, and the listener decides what to show."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from threading import get_ident
from typing import Protocol, runtime_checkable

SHARED = 1.0  # seconds after which others are told how far a run is, and told again


class Progress(Protocol):
    """A listener to the progress of a run. All its methods are called in the thread of the run.

    Files, bytes and the file at hand come by one more method, for listeners that have it: see `Watching`.
    """

    def stage(self, name: str, total: int | None) -> None:
        """Begin the next stage. total: the number of its items, if it is known."""
        ...

    def advance(self, n: int = 1) -> None:
        """Count finished items of the current stage."""
        ...

    def note(self, text: str) -> None:
        """Show a line outside any stage."""
        ...

    def close(self) -> None:
        """End the current stage."""
        ...


@runtime_checkable
class Watching(Protocol):
    """A listener that also looks at a stage while it runs: it finds the counts there, and `advance` is not called."""

    def watch(self, stage: Stage) -> None:
        """Take the stage that has just begun, or goes on. It may be read at any time, from any thread."""
        ...

    def put_down(self, file: bytes) -> None:
        """Hear, in any thread, that this thread has a file no longer at hand."""
        ...


class Stage:
    """A stage of a run as it stands. The run changes it.

    name:        in words of users: `listing folders`, `reading`, `loading the model`, …
    unit:        the noun of its items.
    files:       finished items.
    files_total: all items; None if their number is unknown.
    bytes:       bytes of the finished items, where they have a size.
    bytes_total: bytes of all items; None if it is unknown.
    work:        of the finished items, in a measure of its own, where neither files nor bytes take even times.
    work_total:  of all items; None if there is no such measure.
    failed:      finished items without success.
    about:       what it is about as a whole, such as a model; else empty.
    hands:       the files at hand, by thread, the longest-held one first.
    model:       the name of the model in use, if one was loaded.
    """

    __slots__ = (
        "about", "bytes", "bytes_total", "failed", "files", "files_total", "hands", "model", "name", "unit", "work",
        "work_total",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        total: int | None = None,
        *,
        size: int | None = None,
        work: int | None = None,
        unit: str = "files",
        about: str = "",
        hands: dict[int, bytes] | None = None,
        model: str = "",
    ) -> None:
        self.name = name
        self.unit = unit
        self.files = 0
        self.files_total = total
        self.bytes = 0
        self.bytes_total = size
        self.work = 0
        self.work_total = work
        self.failed = 0
        self.about = about
        self.hands = {} if hands is None else hands
        self.model = model

    @property
    def file(self) -> bytes | None:
        """The file that has been at hand for the longest time."""
        return next(iter(list(self.hands.values())), None)

    def held_by(self, thread: int) -> bytes | None:
        """Name the file that a thread has at hand."""
        return self.hands.get(thread)


class Silent:
    """A silent listener."""

    def stage(self, name: str, total: int | None) -> None:
        pass

    def advance(self, n: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


class Stages:
    """The stages of one run: they are counted here, and told to a listener.

    is_heard: somebody listens; who does not is spared the sizes of all files.
    """

    def __init__(self, listener: Progress | None = None) -> None:
        self.is_heard = listener is not None and type(listener) is not Silent
        self._listener: Progress = listener or Silent()
        self._watching = listener if isinstance(listener, Watching) else None
        self._now = Stage("")
        self._hands: dict[int, bytes] = {}
        self._model = ""
        self._tell: Callable[[Stage], None] | None = None
        self._grown_at = self._due = 0.0

    def share(self, tell: Callable[[Stage], None]) -> None:
        """Tell somebody else, too, how far the run is: each stage, then about once a second.

        Nothing is told in the first second, which most runs end in, but for the loading of a model.
        """
        self._tell = tell
        self._grown_at = self._due = time.monotonic() + SHARED

    def _tell_others(self, due: float) -> None:
        if self._tell is not None and (now := time.monotonic()) >= due:
            self._due = now + SHARED
            self._tell(self._now)

    def begin(
        self,
        name: str,
        total: int | None = None,
        *,
        size: int | None = None,
        work: int | None = None,
        unit: str = "files",
        about: str = "",
    ) -> None:
        """Begin a stage. total, size, work: of all its items, where they are known. unit, about: as in `Stage`."""
        self.put_down()
        stage = Stage(name, total, size=size, work=work, unit=unit, about=about, hands=self._hands, model=self._model)
        self._go_on(stage)
        self._tell_others(self._grown_at)

    def _go_on(self, stage: Stage) -> None:
        self._now = stage
        self._listener.stage(stage.name, stage.files_total)
        if stage.files:
            self._listener.advance(stage.files)
        if self._watching is not None:
            self._watching.watch(stage)

    def advance(self, n: int = 1, size: int = 0, *, failed: int = 0, work: int = 0) -> None:
        """Count finished items. size: their bytes. failed: how many of them. work: as in `Stage`."""
        now = self._now
        now.bytes += size
        now.failed += failed
        now.work += work
        now.files += n
        if self._watching is None:
            self._listener.advance(n)
        self._tell_others(self._due)

    def note(self, text: str) -> None:
        """Show a line outside any stage."""
        self._listener.note(text)

    @contextlib.contextmanager
    def loading(self, model: str) -> Iterator[None]:
        """Load a model, as a stage of its own amid the current one, whose counts go on afterwards."""
        before = self._now
        self.begin("loading the model", about=model)
        self._tell_others(0)
        yield
        self._model = before.model = model
        if before.name:
            self._go_on(before)
            self._tell_others(0)
        else:
            self.close()

    def take(self, file: bytes) -> None:
        """Take a file in hand, in any thread; it is put down with `put_down`, or for the next one."""
        thread = get_ident()
        self._hands.pop(thread, None)  # else the longest-held file would not come first
        self._hands[thread] = file

    def put_down(self) -> None:
        """Put down what this thread has in hand."""
        thread = get_ident()
        file = self._hands.get(thread)
        if file is not None:
            if self._watching is not None:
                self._watching.put_down(file)  # still at hand: what it wrote may be read by another thread just now
            self._hands.pop(thread, None)

    def close(self) -> None:
        """End the current stage."""
        self._now = Stage("")
        self._listener.close()
