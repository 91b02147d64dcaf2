"""A served model: its vectors arrive unchanged, and whatever is wrong with its process, the caller loads the model."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vstore.disk.lock import Lock
from vstore.embed.embedder import Embedder
from vstore.embed.served import address, caller, server
from vstore.embed.served.address import address_of
from vstore.embed.served.caller import ServedEmbedder, call
from vstore.embed.served.messages import receive, send
from vstore.embed.served.server import SYNC, ModelServer, claim, give_back
from vstore.errors import Locked, ModelError
from vstore.repository.repository import Repository
from vstore.repository.serving import serve, serving_beside
from vstore.store import Store

RECIPE: dict[str, Any] = {"family": "fake", "dim": 3}
SPACE = "5" * 64


class Fake:
    """An embedder whose vectors tell what it was given."""

    def __init__(self, factor: float = 1.0) -> None:
        self.recipe, self.dim = RECIPE, 3
        self.factor = factor
        self.environment = {"device": "fake"}
        self.running = self.most_running = 0

    def embed_images(self, pictures: Sequence[Image.Image]) -> Any:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        time.sleep(0.001)
        rows = [[self.factor, *np.asarray(one, np.float32).mean((0, 1))[:2]] for one in pictures]
        self.running -= 1
        return np.array(rows, np.float32)

    def embed_texts(self, texts: Sequence[str]) -> Any:
        if "sick" in texts:
            raise ModelError("the device is sick", "")
        return np.array([[self.factor, len(text), sum(map(ord, text))] for text in texts], np.float32)


class Loader:
    """The loading of the model in the caller's process."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Embedder:
        self.calls += 1
        return Fake(2.0)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer than a caller waits to be greeted."""
    monkeypatch.setattr(caller, "_GREETING", 60.0)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = address_of(tmp_path / ".vstore", SPACE)
    assert found is not None
    return found


def served(place: Path, embedder: Fake | None = None) -> ModelServer:
    made = embedder or Fake()
    return ModelServer(place, SPACE, made, made.environment, lock=claim(place, "model serve"))


@pytest.fixture
def running(place: Path) -> Iterator[ModelServer]:
    with served(place) as found:
        yield found


def called(place: Path, load: Callable[[], Embedder], **recipe: Any) -> ServedEmbedder | None:
    return call(place, SPACE, {**RECIPE, **recipe}, load)


def picture(shade: int, size: tuple[int, int] = (7, 5)) -> Image.Image:
    return Image.new("RGB", size, (shade, 2 * shade, 0))


def test_vectors_arrive_as_they_are(running: ModelServer, place: Path) -> None:
    load = Loader()
    found = called(place, load)
    assert found is not None
    pictures = [picture(3), picture(90, (1, 300))]
    texts = ["a red car", "", "Straße 🚗"]
    np.testing.assert_array_equal(found.embed_images(pictures), Fake().embed_images(pictures))
    np.testing.assert_array_equal(found.embed_texts(texts), Fake().embed_texts(texts))
    assert found.embed_images([]).shape == (0, 3)
    assert found.embed_texts(texts).dtype == np.float32
    assert found.environment == {"device": "fake"}
    assert load.calls == 0
    assert running.searches == 1


def test_an_environment_of_a_plug_in_may_hold_anything(place: Path) -> None:
    odd = Fake()
    odd.environment = {"device": Path("cuda")}  # type: ignore[dict-item]
    with served(place, odd):
        found = called(place, Loader())
        assert found is not None
        assert found.environment == {"device": "cuda"}


def test_nobody_serves(place: Path) -> None:
    assert called(place, Loader()) is None


def test_a_killed_server_leaves_a_name_that_the_next_one_takes(place: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(os.fspath(place))
    left.close()
    assert called(place, Loader()) is None
    with served(place):
        assert called(place, Loader()) is not None
    assert not [one for one in place.parent.iterdir() if one.name.startswith(place.name)], "nothing is left"


def test_one_process_serves_a_model(running: ModelServer, place: Path) -> None:
    with pytest.raises(Locked, match=f"the process {os.getpid()} has this model loaded, and serves it"):
        claim(place, "model serve")
    running.close()
    running.close()
    give_back(claim(place, SYNC))
    lock = claim(place, SYNC)
    with pytest.raises(Locked, match=f"the process {os.getpid()}, a sync, serves this model until it ends"):
        claim(place, "model serve")
    give_back(lock)
    assert not lock.path.exists()


def test_a_lock_that_lost_its_name_is_not_enough(place: Path) -> None:
    """Its holder removes the file before it frees it: who opened it before that has a lock that nobody sees."""
    plain, names = Lock._take, []

    def take(self: Lock, *args: Any) -> None:
        plain(self, *args)
        if not names:
            self.path.unlink()
        names.append(self.path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lock, "_take", take)
        lock = claim(place, SYNC)
    assert len(names) == 2
    lock.refuse_lost()
    give_back(lock)


@pytest.mark.parametrize(
    "change", [{"vstore": "0.0.1"}, {"space": "6" * 64}, {"dim": 4}, {"text": False}, {"environment": "cpu"}]
)
def test_another_model_is_not_asked(running: ModelServer, place: Path, change: dict[str, Any]) -> None:
    running._greeting.update(change)
    assert called(place, Loader()) is None


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\n\r\n" * 9, b"vsm1" + b"\xff" * 8, b"vsm1\x02\0\0\0\0\0\0\0[]"]
)
def test_another_program_at_the_address(place: Path, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(place))
        listener.listen()

        def answer() -> None:
            with listener.accept()[0] as other:
                other.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        assert called(place, Loader()) is None
        thread.join()
    place.unlink()


def test_a_process_that_says_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "_GREETING", 0.05)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(place))
        listener.listen()
        assert called(place, Loader()) is None
    place.unlink()


def test_a_server_that_ends_costs_no_answer(running: ModelServer, place: Path) -> None:
    load = Loader()
    found = called(place, load)
    assert found is not None
    assert found.embed_texts(["one"])[0, 0] == 1
    running.close()
    assert found.embed_texts(["one"])[0, 0] == 1 or load.calls  # the answer under way may still come
    assert found.embed_texts(["one"])[0, 0] == 2
    assert found.embed_images([picture(1), picture(2)]).shape == (2, 3)
    assert load.calls == 1


def test_a_server_that_hangs_costs_no_answer(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    class Slow(Fake):
        def embed_texts(self, texts: Sequence[str]) -> Any:
            go.wait(60)
            return super().embed_texts(texts)

    with served(place, Slow()):
        found = called(place, Loader())
        assert found is not None
        monkeypatch.setattr(caller, "_PATIENCE", 0.05)
        assert found.embed_texts(["one"])[0, 0] == 2
        go.set()


def test_an_error_of_the_server_is_met_where_the_model_is_loaded(running: ModelServer, place: Path) -> None:
    load = Loader()
    found = called(place, load)
    assert found is not None
    with pytest.raises(ModelError, match="the device is sick"):
        found.embed_texts(["sick"])
    assert load.calls == 1


@pytest.mark.parametrize(
    "request_",
    [{}, {"texts": 5}, {"texts": [5]}, {"size": "7x5"}, {"size": [7]}, {"size": [7, -5]}, {"size": [7000, 5000]}],
)
def test_a_request_that_makes_no_sense(running: ModelServer, place: Path, request_: dict[str, Any]) -> None:
    with socket.socket(socket.AF_UNIX) as to:
        to.connect(os.fspath(place))
        receive(to)
        send(to, request_, b"abc")
        answer, _ = receive(to)
        assert set(answer) == {"failed"}
    assert called(place, Loader()) is not None


@pytest.mark.parametrize("said", [b"x" * 100, b"vsm1" + b"\xff" * 8, b"vsm1", b""])
def test_noise_ends_its_own_call_alone(running: ModelServer, place: Path, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as to:
        to.connect(os.fspath(place))
        receive(to)
        to.sendall(said)
        to.shutdown(socket.SHUT_WR)
        to.settimeout(60)
        with contextlib.suppress(ConnectionResetError):
            assert to.recv(1) == b""
    found = called(place, Loader())
    assert found is not None
    assert found.embed_texts(["one"])[0, 0] == 1


@pytest.mark.parametrize(("of_json", "of_raw"), [((1 << 20) + 1, 0), (2, (1 << 28) + 1)])
def test_a_message_has_limits(of_json: int, of_raw: int) -> None:
    one, other = socket.socketpair()
    with one, other:
        one.sendall(struct.pack("<4sII", b"vsm1", of_json, of_raw) + b"{}")
        one.shutdown(socket.SHUT_WR)
        with pytest.raises(ValueError, match="not a message of a served model"):
            receive(other)


def test_silent_callers_do_not_keep_others_out_for_long(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PATIENCE", 0.05)
    with served(place):
        silent = [socket.socket(socket.AF_UNIX) for _ in range(server._CALLERS)]
        try:
            for one in silent:
                one.connect(os.fspath(place))
                receive(one)  # the server waits for its request now
            monkeypatch.setattr(server, "_PATIENCE", 60.0)
            found = called(place, Loader())
            assert found is not None
            assert found.embed_texts(["one"])[0, 0] == 1
        finally:
            for one in silent:
                one.close()


def test_one_request_is_embedded_at_a_time(place: Path) -> None:
    fake = Fake()
    with served(place, fake):

        def ask() -> None:
            found = called(place, Loader())
            assert found is not None
            for shade in range(10):
                assert found.embed_images([picture(shade)])[0, 1] == shade

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert fake.most_running == 1


def test_the_address_is_of_the_store_and_the_space(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    one = address_of(tmp_path / "a", SPACE)
    assert one == address_of(tmp_path / "link", SPACE)
    assert len({one, address_of(tmp_path / "b", SPACE), address_of(tmp_path / "a", "6" * 64)}) == 3


def test_the_folder_of_sockets_is_this_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address.tempfile, "gettempdir", lambda: os.fspath(tmp_path))
    folder = tmp_path / f"vstore-{os.getuid()}"
    found = address_of(tmp_path, SPACE)
    assert found is not None
    assert found.parent == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o750)
    assert address_of(tmp_path, SPACE) is None
    folder.rmdir()
    (tmp_path / "other").mkdir(0o700)
    folder.symlink_to(tmp_path / "other")
    assert address_of(tmp_path, SPACE) is None
    folder.unlink()
    folder.write_bytes(b"")
    assert address_of(tmp_path, SPACE) is None
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    (tmp_path / "vstore-12345").mkdir(0o700)
    assert address_of(tmp_path, SPACE) is None, "somebody else's"
    monkeypatch.setattr(address.tempfile, "gettempdir", lambda: os.fspath(tmp_path / "none"))
    assert address_of(tmp_path, SPACE) is None


def test_the_model_of_a_run_is_served_only_if_it_stands_several_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An embedder of a plug-in, or of a program, promises nothing about threads."""
    repo = Repository(Path(Store.init(tmp_path / ".vstore").store))
    with serving_beside(repo, SPACE, Fake()):
        found = address_of(repo.layout.folder, SPACE)
        assert found is not None
        assert not found.exists()
    with serve(repo, SPACE, Fake):
        assert found.exists()
