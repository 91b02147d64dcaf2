"""Ctrl-C and the other requests to end: SIGINT, SIGTERM, and SIGHUP of a terminal that is closed.

One rule for every command. Where a run finishes something (see `vstore.Stop`), the first signal asks it to stop after
that. Elsewhere it ends the command: KeyboardInterrupt rises in the main thread wherever that is, which a store stands
as it stands a power cut. The second signal ends any command so. It rises once: what comes after that is left to the
second thread.

Python calls a handler between two steps of the main thread, which may be in one long call of a library. So a second
thread hears of every signal too, and after `PATIENCE` seconds it does what the main thread has not done.

A signal that comes after Python looked for one, and before the main thread waits for a key, ends no wait: Python would
see it at the next key. So at a prompt the second thread wakes the main thread until that has looked.
"""

from __future__ import annotations

# The module `signal` makes enums of all signals first, which most commands never need.
import _signal as signal  # type: ignore[import-not-found]
import _thread
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn, TypeVar

from vstore import VstoreError
from vstore_cli.terminal.outlets import hurry, leave_terminal, take_time

if TYPE_CHECKING:
    from vstore import Interrupted

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 0.7  # seconds that the main thread has to heed a signal
_ONCE = 0.05  # seconds in which two signals are one: `timeout` sends its own to the process, and then to its group
_WAKES = signal.SIGURG  # does nothing but end a wait; where it is not handled, the system ignores it
_STEP = 0.05  # seconds between two of them
_SOON = 0.3  # seconds for all else, once what a process was for has ended
AGAIN = "Press Ctrl-C again to stop at once."


class Shown:
    """A display on standard error while a run goes on, with room for a word amid it. This one shows nothing."""

    def interject(self, text: str) -> bool:
        """Show a line in a moment, from the handler of a signal. Returns: whether it will be shown."""
        return False

    def abandon(self) -> None:
        """Take away what is shown, as the process ends in this moment, in whatever thread."""


_shown: list[Shown] = []


@contextlib.contextmanager
def showing(shown: Shown) -> Iterator[None]:
    """Let words about signals stand amid what is shown meanwhile."""
    _shown.append(shown)
    try:
        yield
    finally:
        _shown.remove(shown)


def _interject(text: str) -> None:
    """Show a line amid whatever goes on, from the handler of a signal."""
    if not (_shown and _shown[-1].interject(text)):
        # Not through sys.stderr: the handler may have come in the middle of a write there.
        with contextlib.suppress(OSError):
            os.write(2, f"\n{text}\n".encode())


class _Requests:
    """The requests to end this process, and what it is doing.

    stop:    of the run, if one was handed out.
    is_told: a word is said when `stop` is set.
    said:    makes the error of a command that is ended.
    raised:  how many signals ended the command: at the first KeyboardInterrupt rises.
    at:      when the last signal came, of the monotonic clock.
    heeded:  the main thread has handled a signal since the second thread last looked.
    is_late: the second thread has handled one that the main thread has yet to see.
    cancels: Ctrl-C ends what a person just asked for, and not the command.
    is_open: there is something that it ends, now.
    is_cancelled: it came when there was nothing: it ends what comes next.
    is_awake: the main thread has looked for signals since it was last woken.
    report:  says why a command is ended; None while no signal is heeded.
    """

    def __init__(self) -> None:
        self.stop: threading.Event | None = None
        self.is_told = True
        self.said: Callable[[], Interrupted] | None = None
        self.cancels = False
        self.is_open = False
        self.is_cancelled = False
        self.is_awake = False
        self.raised = 0
        self.at = -_ONCE
        self.heeded = False
        self.is_late = False
        self.report: Callable[[BaseException], int] | None = None

    def handle(self, number: int, frame: object) -> None:
        """Handle a signal in the main thread. Raises: KeyboardInterrupt."""
        if self.cancels and number == signal.SIGINT:
            self.cancel()
            return
        self.heeded = True
        if number == signal.SIGHUP:
            leave_terminal()
        before, self.at = self.at, time.monotonic()
        if self.at - before < _ONCE:
            return
        if self.is_late:
            self.is_late = False
        elif not self.ask():
            self.raised += 1
            hurry()
            if self.raised == 1:  # another would break into what takes away the progress; the second thread ends it all
                raise KeyboardInterrupt

    def cancel(self) -> None:
        """End what a person asked for, or what is asked next. Raises: KeyboardInterrupt."""
        self.is_cancelled, self.is_open = not self.is_open, False
        if not self.is_cancelled:
            raise KeyboardInterrupt

    def open(self) -> None:
        """Let Ctrl-C end what comes now. Raises: KeyboardInterrupt if it came already."""
        self.is_open = True
        if self.is_cancelled:
            self.cancel()

    def wake(self, number: int, frame: object) -> None:
        """Note, in the main thread, that it has looked for signals: those that came before are handled."""
        self.is_awake = True

    def ask(self) -> bool:
        """Ask the run to stop. Returns: False if it was asked before, or has nothing to finish."""
        stop = self.stop
        if stop is None or stop.is_set():
            return False
        what = getattr(stop, "finishing", "this batch")
        if not what:
            return False
        stop.set()
        hurry()
        if self.is_told:
            _interject(f"Stopping after {what}; finished work is saved. {AGAIN}")
        return True

    def watch(self, pipe: int, again: int) -> None:
        """Handle what the main thread does not, in a thread of its own.

        pipe:  gives a byte per signal.
        again: the other end of it.
        """
        while True:
            numbers = {number for number in os.read(pipe, 256) if number in SIGNALS}
            if not numbers:
                continue
            if signal.SIGHUP in numbers:
                leave_terminal()
            self.wait()
            if self.cancels and numbers == {signal.SIGINT}:
                if not self.is_awake:
                    os.write(again, bytes(numbers))
                continue
            was_asked = self.stop is not None and self.stop.is_set()
            if not self.heeded:
                if self.raised == 0 and self.ask():
                    self.is_late = True
                else:
                    self.end()
            elif self.raised and (self.raised > 1 or was_asked):
                self.end()
            elif self.raised:
                _interject(f"Stopping. {AGAIN}")
            self.heeded = False

    def wait(self) -> None:
        """Wait for the main thread to heed a signal; where it may wait for a key, wake it until it looks for one."""
        self.is_awake = False
        until = time.monotonic() + PATIENCE
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(_STEP, left))
            if self.cancels and not self.is_awake:
                signal.pthread_kill(threading.main_thread().ident, _WAKES)

    def end(self) -> NoReturn:
        """End the process in this moment, as kill -9 would; only say why first."""
        report, codes = self.report, [130]
        if report is not None:

            def say() -> None:
                for one in _shown:
                    one.abandon()
                codes.append(report(self.error()))

            said = threading.Thread(target=say, daemon=True)
            said.start()
            said.join(PATIENCE)  # whoever should read it may have stopped to
        os._exit(codes[-1])

    def error(self) -> BaseException:
        return KeyboardInterrupt() if self.said is None else self.said()


_requests = _Requests()


def heed(report: Callable[[BaseException], int]) -> None:
    """Heed the signals until this process ends, those apart that it was started to ignore.

    report: says why a command is ended, in any thread. Returns the exit code.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    _requests.report = report
    signal.signal(_WAKES, _requests.wake)
    _thread.start_new_thread(_requests.watch, (read, write))  # threading.Thread would wait until it runs
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _requests.handle)


def was_interrupted(err: BaseException) -> BaseException:
    """Return the error to report: a library may have turned a KeyboardInterrupt into an error of its own."""
    is_said = isinstance(err, VstoreError) and err.code == "interrupted"
    return _requests.error() if _requests.raised and not is_said else err


@contextlib.contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Let the first signal set `stop`, if it is a `vstore.Stop` while that has something to finish."""
    with _asking(stop, is_told=True):
        yield


@contextlib.contextmanager
def ending(end: threading.Event) -> Iterator[None]:
    """Let the first signal set an event, and say nothing: that is how a server ends."""
    with _asking(end, is_told=False):
        yield


def end_soon() -> None:
    """End this process in a moment, whatever its other threads wait for: a disk that does not answer, a huge file.

    What they write meanwhile is left as a power cut leaves it.
    """
    if _requests.report is not None:  # else the process is somebody else's
        end = threading.Timer(_SOON, os._exit, (0,))
        end.daemon = True
        end.start()


@contextlib.contextmanager
def _asking(stop: threading.Event, *, is_told: bool) -> Iterator[None]:
    before = _requests.stop, _requests.is_told
    _requests.stop, _requests.is_told = stop, is_told
    take_time()
    try:
        yield
    finally:
        _requests.stop, _requests.is_told = before


@contextlib.contextmanager
def saying(said: Callable[[], Interrupted]) -> Iterator[None]:
    """Say what a command that is ended here leaves, and how to go on. said: makes the error, in any thread."""
    before, _requests.said = _requests.said, said
    try:
        yield
    except KeyboardInterrupt as err:
        raise said() from err
    except VstoreError as err:
        if err.code == "interrupted":
            err.next_step = said().next_step
        raise
    finally:
        _requests.said = before


@contextlib.contextmanager
def cancelling() -> Iterator[None]:
    """Let Ctrl-C end what is `cancellable`, and nothing else; the other signals end the command."""
    _requests.cancels = True
    try:
        yield
    finally:
        _requests.cancels = _requests.is_cancelled = False


def cancellable(do: Callable[[], T], say: Callable[[], None]) -> list[T]:
    """Do what a person asked for, which Ctrl-C ends at any moment, or as soon as it begins.

    say:     says that it ended; Ctrl-C does not break into it.
    Returns: the answer; none if it was ended.
    Raises:  what `do` raises; KeyboardInterrupt where the command ends.
    """
    try:
        try:
            _requests.open()
            return [do()]
        finally:
            _requests.is_open = False
    except KeyboardInterrupt:
        if is_ending() or not _requests.cancels:
            raise
    say()
    return []


def is_ending() -> bool:
    """Tell whether a KeyboardInterrupt is one that ends the command."""
    return _requests.raised > 0
