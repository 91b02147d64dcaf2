"""Threads and forks: locks that a child of a fork finds free, and work that a fork waits for."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType
from weakref import WeakSet

_IMPORT = 30.0  # seconds that a fork waits for imports: torch takes some from a slow disk


class Turn:
    """A lock that its thread may take again. In a child of a fork only the thread that forked may have it still."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _turns.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def forked(self) -> None:
        """Replace the lock if a thread has it that is not there."""
        if self._lock.acquire(blocking=False):
            self._lock.release()
        else:
            self._lock = threading.RLock()


class Finished:
    """Work in any number of threads that a fork waits for: of a library with locks of its own, which no child renews.

    most: seconds that a fork waits.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._inside: dict[int, int] = {}  # threads: how deep each one is in such work
        self._is_waited_for = False
        _works.append(self)

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._changed:
            while self._is_waited_for and me not in self._inside:
                self._changed.wait()
            self._inside[me] = self._inside.get(me, 0) + 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        me = threading.get_ident()
        with self._changed:
            self._inside[me] -= 1
            if not self._inside[me]:
                del self._inside[me]
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until no other thread is in such work, and let none begin."""
        me = threading.get_ident()
        self._changed.acquire()
        self._is_waited_for = True
        self._changed.wait_for(lambda: not self._inside.keys() - {me}, self._most)

    def go_on(self) -> None:
        """Let threads begin such work again."""
        self._is_waited_for = False
        self._changed.notify_all()
        self._changed.release()

    def begin(self) -> None:
        """Forget the threads that a child does not have."""
        me = threading.get_ident()
        self._changed = threading.Condition()
        self._inside = {me: self._inside[me]} if me in self._inside else {}
        self._is_waited_for = False


def _importers() -> set[int]:
    """Find the threads that import modules: Python has a lock for each such module, and renews none in a child."""
    locks = getattr(sys.modules.get("_frozen_importlib"), "_module_locks", {})
    return {owner for lock in list(locks.values()) if (owner := getattr(lock(), "owner", None)) is not None}


def _wait_for_imports() -> None:
    """Wait until no other thread imports a module, which a child could never import then; not amid an import."""
    me, end = threading.get_ident(), time.monotonic() + _IMPORT
    while (importers := _importers()) and me not in importers and time.monotonic() < end:
        time.sleep(0.001)


_turns: WeakSet[Turn] = WeakSet()
_works: list[Finished] = []  # few, and each as long as the process


def _before() -> None:
    _wait_for_imports()
    for work in _works:
        work.wait()


def _in_parent() -> None:
    for work in _works:
        work.go_on()


def _in_child() -> None:
    for work in _works:
        work.begin()
    for turn in list(_turns):
        turn.forked()


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
