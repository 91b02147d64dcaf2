"""Pictures of the page, as its server gives them: small, large, in rows, one by one."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from support.page_server import PageServer

from vstore import Store
from vstore_page.page import Page
from vstore_page.server import Serving, _Patient
from vstore_page.views.pictures import _Turns

JSON = {"Accept": "application/json"}


def keys_of(server: PageServer, at: str = "current") -> list[str]:
    status, headers, body = server.ask("GET", f"/keys?at={at}")
    assert (status, headers["Content-Type"]) == (200, "application/octet-stream")
    size = body[0]
    return [body[at : at + size].hex() for at in range(1, len(body), size)]


def key_at(folder: Path, path: str, at: str = "current") -> str:
    with Store(folder / ".vstore") as store:
        return store.show(path, at=at, no_neighbours=True).key.hex()


def names_of(server: PageServer, query: str = "") -> Any:
    return server.get(f"/names?{query}")


def test_all_pictures_of_a_snapshot_come_in_the_order_of_their_paths(page_server: PageServer) -> None:
    found = names_of(page_server, "count=500")
    first = [one["paths"][0] for one in found["pictures"]]
    assert (found["snapshot"], found["images"], found["from"]) == ("v3", len(first), 0)
    assert first == sorted(first)
    assert [one["key"] for one in found["pictures"]] == keys_of(page_server)
    copied = next(one for one in found["pictures"] if one["name"] == "cat-3.jpg")
    assert copied["folder"] == "pictures/animals"
    assert copied["path_count"] == 2 or copied["paths"][0].endswith("copied.jpg")
    part = names_of(page_server, "from=3&count=2&at=v3")
    assert part["pictures"] == found["pictures"][3:5]
    assert names_of(page_server, "from=99999")["pictures"] == []
    assert keys_of(page_server, "v1") != keys_of(page_server)


@pytest.mark.parametrize("query", ["from=-1", "count=501", "from=x", "at=v1&at=v2", "from=" + "9" * 30])
def test_rows_that_cannot_be_are_refused(page_server: PageServer, query: str) -> None:
    assert page_server.get(f"/names?{query}", 400)["error"]["code"] == "usage"


def test_a_snapshot_that_is_not_there_is_not_found(page_server: PageServer) -> None:
    for path in ("/names?at=v99", "/keys?at=v99", f"/thumbnail/{'0' * 32}?at=v99", f"/picture/{'0' * 32}?at=v99"):
        assert page_server.get(path, 404)["error"]["code"] == "no_such_snapshot", path


@pytest.mark.parametrize(("address", "side"), [("/thumbnail/", 256), ("/preview/", 480)])
def test_a_picture_comes_made_anew_and_may_be_kept_for_ever(page_server: PageServer, address: str, side: int) -> None:
    key = keys_of(page_server)[0]
    status, headers, body = page_server.ask("GET", address + key)
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert max(Image.open(io.BytesIO(body)).size) == side
    about = page_server.get(address + key)
    assert (about["missing"], about["picture"]["key"], about["width"], about["height"]) == (None, key, 480, 360)


@pytest.mark.parametrize("key", ["", "0", "0" * 31, "g" * 32, "A" * 32, "..%2f..%2fetc%2fpasswd", "0" * 33, "%00" * 32])
@pytest.mark.parametrize("address", ["/thumbnail/", "/preview/", "/picture/"])
def test_what_is_no_key_opens_nothing(page_server: PageServer, address: str, key: str) -> None:
    status, _, body = page_server.ask("GET", address + key, JSON)
    assert status in (400, 404), body
    assert b"root:" not in body


@pytest.mark.parametrize("address", ["/thumbnail/", "/preview/", "/picture/"])
def test_a_key_that_no_picture_has_is_not_found(page_server: PageServer, address: str) -> None:
    assert page_server.get(address + "0" * 32, 404)["error"]["code"] == "not_found"


def test_a_picture_of_an_older_snapshot_is_shown_by_its_place_of_today(page_server: PageServer, library: Path) -> None:
    gone = key_at(library, "pictures/animals/cat-2.jpg", "v2")
    assert page_server.get(f"/thumbnail/{gone}", 404)["error"]["next"].startswith("name the snapshot")
    assert page_server.get(f"/thumbnail/{gone}?at=v2")["missing"] == "no longer there"
    kept = key_at(library, "pictures/animals/cat-3.jpg", "v2")
    assert page_server.get(f"/thumbnail/{kept}?at=v1")["missing"] is None


def test_a_picture_that_changed_or_vanished_is_said_and_not_shown(
    own_library: Path, serve: Callable[..., PageServer]
) -> None:
    server = serve(own_library / ".vstore")
    key = key_at(own_library, "pictures/animals/cat-3.jpg")
    assert server.ask("GET", f"/preview/{key}")[0] == 200
    for name in ("cat-3.jpg", "copied.jpg"):
        (own_library / "pictures" / "animals" / name).write_bytes(b"<script>alert(1)</script>")
    for address in ("/thumbnail/", "/preview/"):
        status, headers, body = server.ask("GET", address + key)
        assert (status, body, headers["Cache-Control"]) == (204, b"", "no-store")
        assert server.get(address + key)["missing"] == "another picture now"
    for name in ("cat-3.jpg", "copied.jpg"):
        (own_library / "pictures" / "animals" / name).unlink()
    assert server.get(f"/thumbnail/{key}")["missing"] == "no longer there"
    assert server.get(f"/picture/{key}")["status"] == "gone"


def test_a_link_that_takes_the_place_of_a_picture_leads_nowhere(
    own_library: Path, serve: Callable[..., PageServer], tmp_path: Path
) -> None:
    server = serve(own_library / ".vstore")
    key = key_at(own_library, "pictures/animals/fish-2.jpg")
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    (own_library / "pictures" / "animals" / "fish-2.jpg").unlink()
    (own_library / "pictures" / "animals" / "fish-2.jpg").symlink_to(secret)
    status, _, body = server.ask("GET", f"/thumbnail/{key}")
    assert (status, body) == (204, b"")


def test_what_else_is_in_a_file_is_not_served(tmp_path: Path, serve: Callable[..., PageServer]) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    script = b"<html><script>alert(1)</script>"
    Image.new("RGB", (64, 48), (200, 30, 30)).save(pictures / "a.jpg", comment=script)
    with open(pictures / "a.jpg", "ab") as file:
        file.write(script)
    Store.sync_new(tmp_path / ".vstore", [pictures])
    server = serve(tmp_path / ".vstore")
    (key,) = keys_of(server)
    for address in ("/thumbnail/", "/preview/"):
        _, headers, body = server.ask("GET", address + key)
        assert script not in body
        assert body.startswith(b"\xff\xd8")
        assert (headers["Content-Type"], headers["X-Content-Type-Options"]) == ("image/jpeg", "nosniff")
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("is_gone", [False, True])
def test_whoever_has_scrolled_on_is_not_worked_for(is_gone: bool) -> None:
    left = [{"type": "http.request", "body": b"", "more_body": False}]
    left += [{"type": "http.disconnect"}] * is_gone

    async def receive() -> Any:
        if not left:
            await asyncio.sleep(3600)
        return left.pop(0)

    answered: list[int] = []

    def answer() -> Response:
        answered.append(1)
        return Response(b"a picture")

    async def ask() -> Response:
        request = Request({"type": "http", "method": "GET", "path": "/", "headers": []}, receive)
        return await _Turns().run(request, answer)

    with ThreadPoolExecutor(1) as thread:  # in this one the loop of the browser's tests runs
        status = thread.submit(asyncio.run, ask()).result().status_code
    assert status == (204 if is_gone else 200)
    assert len(answered) == (not is_gone)


def test_all_that_is_known_of_a_picture_comes_with_those_like_it(page_server: PageServer, library: Path) -> None:
    key = key_at(library, "pictures/animals/cat-3.jpg")
    found = page_server.get(f"/picture/{key}")
    assert (found["snapshot"], found["status"], found["key"]) == ("v3", "here", key)
    assert [name["path"] for name in found["names"]] == found["picture"]["paths"]
    assert (found["facts"]["width"], found["facts"]["format"]) == (480, "JPEG")
    assert 5 <= len(found["neighbours"]) <= 12
    assert key not in [one["picture"]["key"] for one in found["neighbours"]]
    scores = [one["score"] for one in found["neighbours"]]
    assert scores == sorted(scores, reverse=True)
    older = key_at(library, "pictures/animals/cat-2.jpg", "v2")
    gone = page_server.get(f"/picture/{older}")
    assert (gone["status"], gone["neighbours"], gone["picture"]["paths"]) == ("older", [], [])
    assert page_server.get(f"/picture/{older}?at=v2")["neighbours"]


def test_names_that_are_no_text_are_shown_as_far_as_they_are(tmp_path: Path, serve: Callable[..., PageServer]) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    name = b"caf\xe9 <b>\n\"'.png"
    with open(os.path.join(os.fsencode(pictures), name), "wb") as file:
        Image.new("RGB", (8, 8), (9, 99, 199)).save(file, "PNG")
    Store.sync_new(tmp_path / ".vstore", [pictures])
    (one,) = names_of(serve(tmp_path / ".vstore"))["pictures"]
    assert one["name"] == "caf\ufffd <b>\n\"'.png"


def test_an_empty_snapshot_has_no_rows(tmp_path: Path, serve: Callable[..., PageServer]) -> None:
    folder, pictures = tmp_path / ".vstore", tmp_path / "pictures"
    Store.init(folder)
    server = serve(folder)
    assert server.get("/names", 404)["error"]["message"] == "this store has no snapshot yet"
    pictures.mkdir()
    Image.new("RGB", (8, 8)).save(pictures / "a.png")
    with Store(folder) as store:
        store.sync([pictures])
        assert names_of(server)["images"] == 1
        (pictures / "a.png").unlink()
        store.sync([pictures], allow_mass_delete=True)
    assert names_of(server)["images"] == 0
    assert server.ask("GET", "/keys")[2] == b"\0"


def test_answers_do_not_wait_for_acknowledgements(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent_at_once = []
    made = _Patient.connection_made

    def looked_at(self: _Patient, transport: asyncio.Transport) -> None:
        own = transport.get_extra_info("socket")
        sent_at_once.append(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        made(self, transport)

    monkeypatch.setattr(_Patient, "connection_made", looked_at)
    stop = threading.Event()
    with Store(library / ".vstore") as store, Page(store) as page:
        serving = Serving(page)

        def ask() -> None:
            with socket.create_connection(("127.0.0.1", serving.port), timeout=60) as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert client.recv(100)
            stop.set()

        asking = threading.Thread(target=ask)
        serving.run(stop, ready=asking.start)
        asking.join()
    assert sent_at_once == [1]


def test_ten_clients_at_once_get_their_pictures(page_server: PageServer) -> None:
    keys = keys_of(page_server)[:8]
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(page_server.ask, "GET", f"/preview/{key}") for _ in range(10) for key in keys]
        found = [one.result(120) for one in asked]
    assert {status for status, _, _ in found} == {200}
    assert len({body for _, _, body in found}) == len(keys)
