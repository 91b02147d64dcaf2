"""Work shared between this thread and others: the order of results and errors, and threads that never begin."""

from __future__ import annotations

import _thread
import threading
from typing import Any

import pytest

from vstore.search.threads import share


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
