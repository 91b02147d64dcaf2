"""What the views of the page share: snapshots that are open, for several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vstore import DiskTrouble, Store, View
from vstore_page.page import Page


class Slow(Store):
    """A store that opens v1 at once, and others once they may.

    opened: those that were opened. fails: opening another one fails.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.opened: list[str] = []
        self.fails = False
        self.begun, self.may = threading.Event(), threading.Event()

    def view(self, at: str = "current", **options: object) -> View:  # type: ignore[override]
        self.opened.append(at)
        if at != "v1":
            self.begun.set()
            assert self.may.wait(60)
            if self.fails:
                raise DiskTrouble("the disk is gone")
        return super().view(at)


@pytest.fixture
def store(own_library: Path) -> Iterator[Slow]:
    with Slow(own_library / ".vstore") as found:
        yield found


def test_a_snapshot_is_opened_once_and_others_are_shown_meanwhile(store: Slow) -> None:
    with Page(store) as page, ThreadPoolExecutor(4) as threads:
        first = page.view("v1")
        asked = [threads.submit(page.view, name) for name in ("current", "v3", "v3")]
        assert store.begun.wait(60)
        assert page.view("v1") is first, "nobody waits for what another one opens"
        store.may.set()
        assert len({id(one.result(60)) for one in asked}) == 1
        assert store.opened == ["v1", "v3"]


def test_a_snapshot_that_could_not_be_opened_is_tried_once_more(store: Slow) -> None:
    store.fails = True
    store.may.set()
    with Page(store) as page:
        for _ in range(2):
            with pytest.raises(DiskTrouble):
                page.view("v3")
        store.fails = False
        assert page.view("v3").snapshot == "v3"
        assert store.opened == ["v3"] * 3


def test_the_end_waits_for_no_snapshot_that_is_opened(store: Slow) -> None:
    with ThreadPoolExecutor(1) as threads:
        page = Page(store)
        asked = threads.submit(page.view, "v3")
        assert store.begun.wait(60)
        page.close()
        assert not asked.done()
        store.may.set()
        asked.exception(60)
