"""Work shared between this thread and others: the order of results and errors, and threads that never begin."""

from __future__ import annotations

import _thread
import gc
import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from vstore import threads as module
from vstore.threads import share


@pytest.fixture(autouse=True)
def no_thread_waits() -> Iterator[None]:
    """Let each test begin its own threads."""
    module._idle.clear()
    yield


@pytest.mark.parametrize("threads", [1, 2, 5, 100])
@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_results_have_the_order_of_the_items(count: int, threads: int) -> None:
    assert share(lambda item: item * item, range(count), threads) == [item * item for item in range(count)]


def test_the_first_error_in_the_order_of_the_items_is_raised() -> None:
    def work(item: int) -> int:
        if item in (3, 7):
            raise ValueError(item)
        return item

    for _ in range(20):
        with pytest.raises(ValueError, match="3"):
            share(work, range(10), 4)


def test_other_threads_work_beside_this_one() -> None:
    both = threading.Barrier(2, timeout=60)

    def work(item: int) -> int:
        both.wait()
        return threading.get_ident()

    assert len(set(share(work, range(2), 2))) == 2


def never(run: Any, args: Any) -> int:
    return 0


def refused(run: Any, args: Any) -> int:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("begin", [never, refused])
def test_it_ends_without_threads_that_do_not_begin(monkeypatch: pytest.MonkeyPatch, begin: Any) -> None:
    monkeypatch.setattr(_thread, "start_new_thread", begin)
    assert share(lambda item: -item, range(5), 3) == [0, -1, -2, -3, -4]


def waiting() -> None:
    """Wait until a thread waits for work."""
    end = time.monotonic() + 60
    while not module._idle:
        assert time.monotonic() < end
        time.sleep(0.001)


def two_threads() -> set[int]:
    both = threading.Barrier(2, timeout=60)

    def work(item: int) -> int:
        both.wait()
        return threading.get_ident()

    return {*share(work, range(2), 2)}


def test_a_thread_stays_for_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    two_threads()
    waiting()
    monkeypatch.setattr(_thread, "start_new_thread", refused)
    assert len(two_threads()) == 2


def test_a_thread_ends_when_no_call_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE", 0.01)
    for _ in range(20):  # one may be chosen while it ends
        assert len(two_threads()) == 2
        time.sleep(0.009)
    end = time.monotonic() + 60
    while module._idle:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_waiting_thread_holds_nothing_of_what_it_did() -> None:
    class Data:
        pass

    data = Data()
    gone = weakref.ref(data)
    both = threading.Barrier(2, timeout=60)

    def work(item: int, data: object = data) -> None:
        both.wait()

    share(work, range(2), 2)
    waiting()
    del work, data
    gc.collect()
    assert gone() is None


def test_a_child_of_a_fork_begins_its_own_threads() -> None:
    two_threads()
    waiting()
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if len(two_threads()) == 2 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
