"""A request to stop a run. Pure: whoever makes it decides what a run that finishes nothing is to do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from vstore.errors import Interrupted


class Stop(threading.Event):
    """An event that ends a run when it is set, as any event does; it also knows what the run finishes first.

    finishing: "this batch", for example; "" while the run has nothing to finish: then an exception, such as the
               KeyboardInterrupt of a signal handler, may end it anywhere, sooner than the event would.
    """

    def __init__(self) -> None:
        super().__init__()
        self.finishing = ""


@contextlib.contextmanager
def finishing(stop: threading.Event | None, what: str) -> Iterator[None]:
    """Tell a `Stop` what the run finishes before it ends; "" for a part of that which may be ended anywhere."""
    if not isinstance(stop, Stop):
        yield
        return
    before, stop.finishing = stop.finishing, what
    try:
        yield
    finally:
        stop.finishing = before


def finish_all(stop: threading.Event | None, what: str) -> None:
    """Tell a `Stop` that the run has come to its end, which takes moments, and which it finishes."""
    if isinstance(stop, Stop):
        stop.finishing = what


def refuse_stopped(stop: threading.Event | None) -> None:
    """End a run that has nothing to finish, if it was asked to stop. Raises: Interrupted."""
    if stop is not None and stop.is_set():
        raise Interrupted("stopped while folders were listed; finished work is saved", "run the command again")
