"""Work on many items in threads: begun now and awaited later, or shared with this thread."""

from __future__ import annotations

import _thread
import os
import threading

# The module `queue` loads `heapq` for other queues.
from _queue import SimpleQueue
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")

_MOST = 8  # memory is read as fast as it goes by then; each thread has a buffer of 1 MiB


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

    Nothing waits for a thread that the system has not yet begun: this one takes its items, too.
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
        with suppress(RuntimeError):  # the system has no thread to spare
            _thread.start_new_thread(run, ())  # threading.Thread would wait until it runs
    run()
    for _ in items:
        done.get()
    if errors:
        raise errors[min(errors)]
    return [results[at] for at in range(len(items))]
