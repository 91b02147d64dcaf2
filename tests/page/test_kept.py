"""Values that are dear to make."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vstore_page.kept import Kept


def test_the_values_that_were_asked_for_last_are_kept() -> None:
    made: list[str] = []
    kept: Kept[str, str] = Kept(2)
    for name in "abacab":
        assert kept.of(name, lambda name=name: made.append(name) or name.upper()) == name.upper()  # type: ignore[func-returns-value,misc]
    assert "".join(made) == "abcb"
    kept.clear()
    assert kept.of("a", lambda: "new") == "new"


def test_several_that_ask_for_one_make_it_once_and_others_do_not_wait() -> None:
    kept: Kept[str, int] = Kept(2)
    has_begun, may_end, made = threading.Event(), threading.Event(), []

    def make() -> int:
        has_begun.set()
        assert may_end.wait(60)
        made.append(1)
        return len(made)

    with ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(kept.of, "slow", make) for _ in range(2)]
        try:
            assert has_begun.wait(60)
            assert pool.submit(kept.of, "quick", lambda: 7).result(60) == 7
        finally:
            may_end.set()
        assert [one.result(60) for one in slow] == [1, 1]
    assert made == [1]


def test_a_value_that_could_not_be_made_is_tried_again() -> None:
    kept: Kept[str, int] = Kept(1)
    with pytest.raises(ZeroDivisionError):
        kept.of("a", lambda: 1 // 0)
    assert kept.of("a", lambda: 3) == 3
