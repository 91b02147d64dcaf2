"""One loaded model for several processes: a search beside a server, or beside a sync, needs no model of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.embedders import embedder
from support.folders import put
from support.model_store import World
from support.shell import Shell
from support.zoo import Zoo

from vstore.embed.hf.transformer import TransformerEmbedder
from vstore.embed.served.address import address_of
from vstore.embed.text_cache import cached_text, text_name
from vstore.errors import Locked, ModelError, UsageError
from vstore.progress import Silent
from vstore.repository import serving
from vstore.repository.embedders import Embedders
from vstore.search.query import Operand
from vstore.store import Store


@pytest.fixture
def world(tmp_path: Path, zoo: Zoo) -> World:
    made = World(tmp_path, Path(shutil.copytree(zoo["clip"], tmp_path / "clip")))
    made.sync()
    return made


class Serving:
    """A model that a thread serves while a block runs."""

    def __init__(self, store: Store, **options: Any) -> None:
        self._ready, self._stop = threading.Event(), threading.Event()
        self.report: Any = None
        self.error: Exception | None = None

        def run() -> None:
            try:
                self.report = store.model_serve(ready=lambda name: self._ready.set(), stop=self._stop, **options)
            except Exception as err:
                self.error = err
            self._ready.set()

        self._thread = threading.Thread(target=run)

    def __enter__(self) -> Serving:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *of_an_error: object) -> None:
        self._stop.set()
        self.join()

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


def text_vector(world: World, text: str) -> Any:
    """Search for a text, and read the vector that it was searched with."""
    world.store.search([Operand(1.0, None, text)])
    repo = world.repo
    (space,) = repo.state.spaces
    found = cached_text(repo.layout.cache, text_name(space, repo.recipe(space), text), repo.state.spaces[space].dim)
    assert found is not None
    return found


@contextlib.contextmanager
def serving_process(world: World, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """`vstore model serve` as a process, which does not outlive its block."""
    command = [sys.executable, "-m", "vstore_cli", "model", "serve", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=world.folder.parent, stdout=pipe, stderr=pipe) as running:
        try:
            yield running
        finally:
            running.kill()


def never(*_: object, **__: object) -> Any:
    raise AssertionError("the model was loaded in the process of the search")


def test_a_search_uses_the_served_model(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = embedder(world.model)
    put(tmp_path, {"new.png": 77})
    new = Operand(1.0, os.fsencode(tmp_path / "new.png"))
    alone = world.store.search([new])
    with Serving(world.store) as server:
        monkeypatch.setattr(Embedders, "load", never)
        np.testing.assert_array_equal(text_vector(world, "a blue car"), own.embed_texts(["a blue car"])[0])
        assert world.store.search([new]) == alone
    assert server.report.space_name == "one"
    assert server.report.searches == 2
    assert not address_of(world.folder, server.report.space).exists()  # type: ignore[union-attr]


def test_a_named_device_is_used(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with Serving(world.store):
        monkeypatch.setattr(Embedders, "load", never)
        with pytest.raises(AssertionError):
            world.store.search([Operand(1.0, None, "a dog")], device="cpu")


def test_a_served_model_with_other_vectors_is_not_used(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    right = text_vector(world, "a red dog")
    shutil.rmtree(world.repo.layout.cache)
    plain = TransformerEmbedder.embed_texts
    with Serving(world.store):
        # As a server of other files would: only its process has these vectors.
        main = threading.get_ident()

        def other(self: Any, texts: Any) -> Any:
            rows = plain(self, texts)
            return rows if threading.get_ident() == main else np.roll(rows, 1, axis=1)

        monkeypatch.setattr(TransformerEmbedder, "embed_texts", other)
        np.testing.assert_array_equal(text_vector(world, "a red dog"), right)


def test_a_search_beside_a_sync_uses_its_model(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put(world.pictures, {f"more-{i}.png": 100 + i for i in range(40)})
    other = Store(world.folder)
    monkeypatch.setattr(other._embedders, "load", never)
    plain = TransformerEmbedder.start
    found: list[Any] = []

    def start(self: Any, inputs: Any) -> Any:
        if len(inputs) > 1 and not found:  # a batch of the sync
            thread = threading.Thread(target=lambda: found.append(other.search([Operand(1.0, None, "a cat")])))
            thread.start()
            thread.join(60)
        return plain(self, inputs)

    monkeypatch.setattr(TransformerEmbedder, "start", start)
    world.sync()
    assert len(found) == 1
    assert len(found[0].hits) == 5
    (space,) = world.repo.state.spaces
    address = address_of(world.folder, space)
    assert address is not None
    assert not address.exists(), "the sync has ended"


def test_a_sync_does_not_need_to_serve(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put(world.pictures, {"more.png": 100})
    with Serving(world.store):
        assert Store(world.folder).sync([world.pictures], device="cpu").embedded == 1
    put(world.pictures, {"yet-more.png": 101})
    monkeypatch.setattr(serving, "address_of", lambda store, space: None)
    assert world.sync().embedded == 1


def test_a_model_computes_one_batch_at_a_time(zoo: Zoo) -> None:
    """Qwen-VL models keep the positions of a batch in themselves."""
    found = embedder(zoo["qwen2_vl"])
    running: list[int] = []
    most: list[int] = []

    def noted(plain: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            running.append(1)
            most.append(len(running))
            time.sleep(0.02)
            try:
                return plain(*args)
            finally:
                running.pop()

        return run

    found.family.forward = noted(found.family.forward)
    found.family.forward_text = noted(found.family.forward_text)
    from support.embedders import probes

    inputs = [found.prepare(probes()["tiny"])]
    expected = found.embed_prepared(inputs)
    threads = [threading.Thread(target=lambda: found.embed_texts(["a dog", "a cat"])) for _ in range(4)]
    for thread in threads:
        thread.start()
    rows = [found.embed_prepared(inputs) for _ in range(6)]
    for thread in threads:
        thread.join()
    assert max(most) == 1
    for one in rows:
        np.testing.assert_array_equal(one, expected)


def test_one_server_of_a_model(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with Serving(world.store):
        second = Store(world.folder)
        monkeypatch.setattr(second._embedders, "load", never)
        with pytest.raises(Locked, match=f"the process {os.getpid()} has this model loaded"):
            second.model_serve()


class Told(Silent):
    """A listener that keeps the names of stages."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def stage(self, name: str, total: int | None) -> None:
        self.told.append(name)


def test_an_idle_server_ends(world: World) -> None:
    told = Told()
    with Serving(world.store, idle=0.01, progress=told) as server:
        server.join()
    assert told.told == ["loading the model"]
    assert server.report.searches == 0
    with pytest.raises(UsageError, match="0 is no number of minutes to be idle"):
        world.store.model_serve(idle=0)


def test_a_space_without_a_model_cannot_be_served(tmp_path: Path) -> None:
    Store.init(tmp_path / ".vstore")
    with pytest.raises(UsageError, match="has the built-in embedder, which needs no server"):
        Store(tmp_path / ".vstore").model_serve()


def test_where_no_socket_can_be(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("d" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", os.fspath(long))
    with pytest.raises(ModelError, match=r"cannot open the socket .*too long") as caught:
        world.store.model_serve()
    assert "TMPDIR" in caught.value.next_step
    put(world.pictures, {"more.png": 100})
    assert world.sync().embedded == 1
    monkeypatch.setattr("tempfile.tempdir", os.fspath(tmp_path / "none"))
    with pytest.raises(ModelError, match="is not yours alone"):
        world.store.model_serve()
    assert len(world.store.search([Operand(1.0, None, "a cat")]).hits) == 6


def test_the_command(world: World, vstore: Shell) -> None:
    with serving_process(world, "--json") as running:
        assert running.stderr is not None
        said = running.stderr.readline().decode()
        assert said == (
            f"Searches in the space one use the model of this process now. End it with Ctrl-C, or: kill {running.pid}\n"
        )
        shutil.rmtree(world.model)  # nobody else can load it now
        assert vstore.json("search", "a photo of the sky")["snapshot"] == "v1"
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 0
    assert err == b""
    assert b'"space_name":"one"' in out.replace(b" ", b"")


def test_a_killed_server_is_no_obstacle(world: World) -> None:
    with serving_process(world) as running:
        assert running.stderr is not None
        assert running.stderr.readline()
        running.kill()
    (space,) = world.repo.state.spaces
    address = address_of(world.folder, space)
    assert address is not None
    assert address.exists(), "nobody could remove it"
    with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as to:
        to.connect(os.fspath(address))
    assert len(world.store.search([Operand(1.0, None, "a dog")]).hits) == 5
    with Serving(world.store) as server:
        assert server.error is None
