"""Threads and forks: a child of a fork waits for no thread that it does not have."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support.folders import World, put

from vstore import Store, turns
from vstore.pictures import decoding
from vstore.search import chosen
from vstore.turns import Finished, Turn
from vstore.where import engine

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def code_of_child(work: Callable[[], object]) -> int:
    """Run something in a child of a fork. Returns: 0 if it ended well; it has 20 seconds."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            signal.alarm(20)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


@contextmanager
def held(lock: AbstractContextManager[object]) -> Iterator[None]:
    """Let another thread have a lock."""
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            inside.set()
            go_on.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(60)
    try:
        yield
    finally:
        go_on.set()
        thread.join()


def test_a_child_goes_on_with_a_view_that_others_were_asking(world: World) -> None:
    put(world.pictures, {f"{number}.png": number for number in range(3)})
    world.sync()
    with world.store.view() as view:
        (key, *_) = view

        def ask() -> None:
            assert len(view.search(key, where="width > 0")) == 3

        ask()
        tables = view._opened._tables  # type: ignore[union-attr]
        ((table, _),) = tables._tables.values()  # type: ignore[union-attr]
        for turn in (view._opened._turn, tables._turn, table._turn, chosen._turn, decoding._alone):  # type: ignore[union-attr]
            with held(turn):
                assert code_of_child(lambda: view.search(key, where="width > 1")) == 0
        ask()


def test_a_child_goes_on_with_a_store_that_keeps_its_model(world: World) -> None:
    put(world.pictures, {"1.png": 1})
    world.sync()
    with Store(world.store.folder, load_embedder=lambda _: world.fake, keep_model=True) as store, held(store._turn):
        assert code_of_child(lambda: store.search(world.pictures / "1.png")) == 0


def test_a_thread_that_forks_in_its_turn_has_it_in_the_child() -> None:
    turn = Turn()
    with turn:

        def go_on() -> None:
            with turn:
                pass
            turn.__exit__(None, None, None)

        assert code_of_child(go_on) == 0
    with pytest.raises(RuntimeError):
        turn.__exit__(None, None, None)


def test_a_fork_waits_for_work_that_no_child_could_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_works", [])
    work = Finished(60)
    with work, work:  # the thread that forks does not wait for itself
        assert code_of_child(lambda: None) == 0
    ended: list[float] = []
    inside = threading.Event()

    def run() -> None:
        with work:
            inside.set()
            time.sleep(0.2)
            ended.append(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    assert inside.wait(60)
    assert code_of_child(lambda: work.__enter__() if ended else os._exit(3)) == 0
    thread.join()


def test_a_fork_waits_so_long_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_works", [])
    work = Finished(0.05)
    with held(work):
        assert code_of_child(work.__enter__) == 0
    with work:
        pass


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module that is being imported by another thread."""
    (tmp_path / "vstore_test_slow.py").write_text(
        "import sys, threading\nsys.vstore_begun.set()\nsys.vstore_go_on.wait(60)\nvalue = 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(sys, "vstore_begun", begun, raising=False)
    monkeypatch.setattr(sys, "vstore_go_on", go_on, raising=False)
    thread = threading.Thread(target=importlib.import_module, args=("vstore_test_slow",))
    thread.start()
    assert begun.wait(60)
    yield "vstore_test_slow"
    go_on.set()
    thread.join()
    sys.modules.pop("vstore_test_slow", None)


def test_a_fork_waits_for_imports_of_other_threads(slow: str) -> None:
    later = threading.Timer(0.2, sys.vstore_go_on.set)  # type: ignore[attr-defined]
    later.start()
    assert code_of_child(lambda: importlib.import_module(slow)) == 0
    later.join()


def test_a_fork_waits_for_an_import_so_long_alone(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_IMPORT", 0.0)
    assert code_of_child(lambda: None) == 0
    assert not sys.vstore_go_on.is_set()  # type: ignore[attr-defined]


def test_sqlite_is_never_forked_while_it_computes() -> None:
    with engine.Engine(["INTEGER"]) as table:
        table.load([(number,) for number in range(200_000)])
        begun, found = threading.Event(), []

        def ask() -> None:
            begun.set()
            found.append(table.fitting("c0 % 7 = 3 and c0 || '' like '%3%3%'"))

        thread = threading.Thread(target=ask)
        thread.start()
        assert begun.wait(60)
        while not engine._sqlite._inside and thread.is_alive():
            time.sleep(0)

        def look() -> None:
            with engine.Engine(["TEXT"]) as other:
                other.load([("a",)])
                assert other.fitting("c0 = 'a'") == "1"

        assert code_of_child(look) == 0
        thread.join()
        assert found[0].count("1") == sum(n % 7 == 3 and str(n).count("3") > 1 for n in range(200_000))
