"""Ctrl-C of a long run, and of a server."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from vstore_cli.progress import interject


@contextlib.contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C set `stop`: the run finishes its batch and commits. The second one ends it at once."""

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        interject("Stopping after this batch; finished work is saved. Press Ctrl-C again to stop at once.")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def ending(end: threading.Event) -> Iterator[None]:
    """Let Ctrl-C, and a request to terminate, set an event: that is how a server ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: end.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
