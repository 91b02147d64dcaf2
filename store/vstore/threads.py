"""Work on many items in threads: begun now and awaited later, or shared with this thread."""

from __future__ import annotations

import _thread
import os
import threading

# The module `queue` loads `heapq` for other queues.
from _queue import Empty, SimpleQueue
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

_MOST = 8  # memory is read as fast as it goes by then; each thread has a buffer of 1 MiB
_IDLE = 10.0  # seconds that a thread waits for the next query


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start(work: Callable[[S], T], items: Sequence[S], threads: int) -> Callable[[], list[T]]:
    """Begin to work on each item, in so many threads, or as many as are of use.

    Returns: a function that waits for the end and gives the results, in the order of the items, or raises the first
    error in that order.
    """
    results: dict[int, T] = {}
    errors: dict[int, BaseException] = {}
    left = iter(list(enumerate(items)))  # hands out each item once, whichever thread asks

    def run() -> None:
        for at, item in left:
            try:
                results[at] = work(item)
            except BaseException as err:
                errors[at] = err

    running = [threading.Thread(target=run, daemon=True) for _ in range(min(threads, _MOST, len(items)))]
    for thread in running:
        thread.start()

    def wait() -> list[T]:
        for thread in running:
            thread.join()
        if errors:
            raise errors[min(errors)]
        return [results[at] for at in range(len(items))]

    return wait


def share(work: Callable[[S], T], items: Sequence[S], threads: int) -> list[T]:
    """Work on each item, in this thread and in others beside it, and give the results in the order of the items.

    Nothing waits for a thread that the system has not yet begun: this one takes its items, too. The others stay a
    while for the next call: beginning one costs a query of a million pictures 0.3 ms (`bench_view.py --only overhead`).
    threads: how many, with this one, or as many as are of use. Raises: the first error, in the order of the items.
    """
    results: dict[int, T] = {}
    errors: dict[int, BaseException] = {}
    left = iter(list(enumerate(items)))  # hands out each item once, whichever thread asks
    done: SimpleQueue[None] = SimpleQueue()

    def run() -> None:
        for at, item in left:
            try:
                results[at] = work(item)
            except BaseException as err:
                errors[at] = err
            done.put(None)

    for _ in range(min(threads, _MOST, len(items)) - 1):
        _begin(run)
    run()
    for _ in items:
        done.get()
    if errors:
        raise errors[min(errors)]
    return [results[at] for at in range(len(items))]


class _Helper:
    """A thread that works, and then waits for other work."""

    def __init__(self) -> None:
        self._works: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def take(self, work: Callable[[], None]) -> None:
        self._works.put(work)

    def run(self) -> None:
        while (work := self._next()) is not None:
            work()
            del work  # it has arrays
            _idle.append(self)

    def _next(self) -> Callable[[], None] | None:
        while True:
            try:
                return self._works.get(timeout=_IDLE)
            except Empty:
                try:
                    _idle.remove(self)
                except ValueError:  # it was just chosen
                    continue
                return None


_idle: list[_Helper] = []
os.register_at_fork(after_in_child=_idle.clear)  # a child has none of these threads


def _begin(work: Callable[[], None]) -> None:
    """Let a thread work that waits, or else another one."""
    try:
        helper = _idle.pop()
    except IndexError:
        helper = _Helper()
        with suppress(RuntimeError):  # the system has no thread to spare
            _thread.start_new_thread(helper.run, ())  # threading.Thread would wait until it runs
    helper.take(work)
