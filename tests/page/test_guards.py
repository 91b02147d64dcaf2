"""The guards of the page, each by a raw socket: what no browser and no program would send is sent here, too."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from vstore import Store
from vstore_page import app, body, guards, server
from vstore_page.accounts import GONE, UNKNOWN
from vstore_page.answers import Json, json_route, write_route
from vstore_page.guards import BODY, UPLOAD, UPLOADS
from vstore_page.hosts import Hosts
from vstore_page.page import Page
from vstore_page.server import Serving

HEADERS = {
    "content-security-policy": "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
}


class Answer(NamedTuple):
    """An answer of the server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of the error."""
        return str(json.loads(self.body)["error"]["code"])


class Wire:
    """A page that is served in this process, and requests to it, byte by byte.

    did: what was changed.
    """

    def __init__(self, serving: Serving, did: list[Json]) -> None:
        self.serving = serving
        self.did = did
        self.host = f"127.0.0.1:{serving.port}"
        self.origin = f"http://{self.host}"
        self.cookie = ""

    def send(self, data: bytes) -> Answer:
        """Send some bytes, and read until the server closes."""
        with socket.create_connection(("127.0.0.1", self.serving.port), 30) as wire:
            wire.sendall(data)
            return self.read(wire)

    @staticmethod
    def read(wire: socket.socket) -> Answer:
        found = b""
        while part := wire.recv(65536):
            found += part
        head, _, body = found.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(int(first.split()[1]), headers, body)

    def ask(self, target: str, method: str = "GET", body: bytes = b"", /, **headers: str | None) -> Answer:
        """Send a request that has all it needs, but for the headers that are given: None is none."""
        usual: dict[str, str | None] = {"Host": self.host, "Connection": "close", "Cookie": self.cookie}
        if method == "POST":
            usual |= {"Origin": self.origin, "X-Vstore": "1", "Sec-Fetch-Site": "same-origin"}
            usual |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        given = {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
        lines = [f"{name}: {value}" for name, value in given.items() if value is not None]
        return self.send("\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body)

    def enter(self, token: str) -> Answer:
        return self.ask(f"/?token={token}", Cookie=None)


@contextlib.contextmanager
def served(folder: Path, host: str = "127.0.0.1", *, can_write: bool = True) -> Iterator[Wire]:
    """Serve an empty store, with a view that writes, one that fails, and one that takes pictures."""
    if not folder.exists():
        Store.init(folder)
    did: list[Json] = []
    stop, begun = threading.Event(), threading.Event()

    def do(page: Page, sent: dict[str, Json]) -> Json:
        did.append(sent)
        return {"did": len(did)}

    view = ModuleType("view")
    view.routes = lambda page: [  # type: ignore[attr-defined]
        write_route(page, "/change", do),
        json_route("/broken", lambda request: 1 // 0),
        app.Route(UPLOADS, _upload, methods=["POST"]),
    ]
    with Store(folder) as store, Page(store, can_write=can_write) as shown:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(app, "VIEWS", (view,))
            serving = Serving(shown, host=host)
        thread = threading.Thread(target=serving.run, args=(stop,), kwargs={"ready": begun.set})
        thread.start()
        try:
            assert begun.wait(60)
            wire = Wire(serving, did)
            wire.cookie = wire.enter(token_of(serving.address)).headers["set-cookie"].partition(";")[0]
            yield wire
        finally:
            stop.set()
            thread.join()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with served(tmp_path_factory.mktemp("guards") / "store") as wire:
        yield wire


@pytest.fixture
def page(shared: Wire, tmp_path: Path) -> Iterator[Callable[..., Wire]]:
    """Serve such a store: without any words, the same one for all tests."""
    with contextlib.ExitStack() as stack:

        def serve(*words: str, **options: bool) -> Wire:
            if words or options:
                return stack.enter_context(served(tmp_path / "store", *words, **options))
            shared.did.clear()
            return shared

        yield serve


async def _upload(request: Any) -> Any:
    return app.Response(str(len(await request.body())))


def token_of(address: str) -> str:
    return urlsplit(address).query.removeprefix("token=")


# The Host, before anything else


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:{port}.evil.example",
     "localhost.:{port}", "[::2]:{port}", "0.0.0.0:{port}", "127.0.0.2:{port}", "", " "],
)  # fmt: skip
def test_another_host_is_refused_before_anything_is_looked_at(page: Callable[..., Wire], host: str) -> None:
    wire = page()
    wrong = host.format(port=wire.serving.port)
    for target in ("/state", f"/?token={token_of(wire.serving.address)}", "/static/app.js"):
        found = wire.ask(target, Host=wrong)
        assert found.status == 421
        assert "set-cookie" not in found.headers
    assert wire.ask("/change", "POST", b"{}", Host=wrong, Origin=f"http://{wrong}").status == 421
    assert wire.did == []


def test_without_a_host_and_with_two_nothing_is_answered(page: Callable[..., Wire]) -> None:
    wire = page()
    assert wire.send(f"GET /state HTTP/1.0\r\nCookie: {wire.cookie}\r\n\r\n".encode()).status == 421
    assert wire.ask("/state", Host=None).status == 400
    two = f"GET /state HTTP/1.1\r\nHost: {wire.host}\r\nHost: evil.example\r\nCookie: {wire.cookie}\r\n\r\n"
    assert wire.send(two.encode()).status == 400


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_the_names_of_this_machine_are_answered(page: Callable[..., Wire], name: str) -> None:
    wire = page()
    assert wire.ask("/state", Host=f"{name}:{wire.serving.port}").status == 200


def test_a_page_at_all_addresses_is_answered_by_number_alone(page: Callable[..., Wire]) -> None:
    wire = page("0.0.0.0")
    port = wire.serving.port
    assert not wire.serving.is_local
    for host in (f"127.0.0.1:{port}", f"192.0.2.7:{port}", f"[2001:db8::1]:{port}", f"localhost:{port}"):
        assert wire.ask("/state", Host=host).status == 200, host
    for host in (f"evil.example:{port}", f"1:{port}", f"0x7f.1:{port}", f"[evil]:{port}", f"2130706433:{port}"):
        assert wire.ask("/state", Host=host).status == 421, host


def test_a_page_at_one_address_has_no_other_name() -> None:
    hosts = Hosts("192.0.2.7", 80)
    assert hosts.has(b"192.0.2.7:80")
    assert not hosts.has(b"127.0.0.1:80") and not hosts.has(b"localhost:80")
    assert Hosts("2001:db8::1", 80).has(b"[2001:db8::1]:80")


def test_a_browser_leaves_the_port_of_http_out() -> None:
    hosts = Hosts("127.0.0.1", 80)
    assert hosts.has(b"127.0.0.1") and hosts.has(b"[::1]") and hosts.has(b"localhost:80")
    assert not hosts.has(b"127.0.0.1:") and not hosts.has(b"127.0.0.1:8080") and not hosts.has(b"")
    assert not Hosts("127.0.0.1", 8377).has(b"127.0.0.1")


# The token, and the cookie


def test_the_token_is_exchanged_for_a_cookie_of_this_port(page: Callable[..., Wire]) -> None:
    wire = page()
    token = token_of(wire.serving.address)
    assert len(token) == 43, "256 bits"
    found = wire.enter(token)
    assert found.status == 200
    name, _, rest = found.headers["set-cookie"].partition("=")
    value, *attributes = rest.split("; ")
    assert name == f"vstore-{wire.serving.port}"
    assert len(value) == 43 and value != token
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert found.headers["cache-control"] == "no-store"
    assert token.encode() not in found.body


def test_two_servers_have_nothing_in_common(page: Callable[..., Wire]) -> None:
    one, two = page(), page("127.0.0.1")
    assert one.enter(token_of(two.serving.address)).status == 401
    value = two.cookie.partition("=")[2]
    assert one.ask("/state", Cookie=f"vstore-{one.serving.port}={value}").status == 401


@pytest.mark.parametrize("target", ["/", "/state", "/static/app.js", "/static/icon.svg", "/nothing", "/thumbnail/00"])
def test_nothing_is_shown_without_the_cookie(page: Callable[..., Wire], target: str) -> None:
    wire = page()
    name, _, value = wire.cookie.partition("=")
    for cookie in (
        None,
        "",
        name,
        f"{name}=",
        f"{name}={value[:-1]}",
        f"{name}={value}x",
        f"other={value}",
        f"{name}=é",
    ):
        for method in ("GET", "HEAD"):
            found = wire.ask(target, method, Cookie=cookie)
            assert found.status == 401, (cookie, method)
    assert wire.ask("/change", "POST", b"{}", Cookie=None).status == 401
    assert wire.did == []


@pytest.mark.parametrize(
    "query",
    [
        "token=",
        "token={0}x",
        "token={0}&token={0}",
        "Token={0}",
        "token={1}",
        "",
        "token=%00",
        "a=1&" * 60 + "token={0}",
    ],
)
def test_a_wrong_token_lets_nobody_in(page: Callable[..., Wire], query: str) -> None:
    wire = page()
    cookie = wire.cookie.partition("=")[2]
    found = wire.ask("/?" + query.format(token_of(wire.serving.address), cookie), Cookie=None)
    assert found.status == 401
    assert "set-cookie" not in found.headers
    assert wire.ask(f"/state?token={token_of(wire.serving.address)}", Cookie=None).status == 401, "only at the door"


def test_the_token_in_the_command_line_of_a_browser_is_good_for_one_use(page: Callable[..., Wire]) -> None:
    wire = page("127.0.0.1")
    once = token_of(wire.serving.once)
    assert once != token_of(wire.serving.address)
    assert wire.enter(once).status == 200
    assert wire.enter(once).status == 401
    assert wire.enter(token_of(wire.serving.address)).status == 200


def test_cookies_of_other_servers_at_this_machine_are_passed_over(page: Callable[..., Wire]) -> None:
    wire = page()
    name = wire.cookie.partition("=")[0]
    for others in ('a={"b": [1, 2]}; ', "x; =; ;;", f"{name}=forged; "):
        assert wire.ask("/state", Cookie=f"{others}{wire.cookie}; more=1").status == 200


def test_secrets_are_compared_in_a_time_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr(guards.hmac, "compare_digest", lambda *both: compared.append(both) or False)
    assert not guards._is_same("given", "wanted")
    assert compared == [(b"given", b"wanted")]


# Other accounts of this machine


def test_a_cookie_is_of_no_use_to_another_account(page: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser sends it to every server at this host, whoever runs it."""
    wire = page("127.0.0.1")
    assert wire.ask("/state").status == 200
    for other in ("54001", UNKNOWN, GONE):
        monkeypatch.setattr(server, "account_of", lambda connection, other=other: other)
        assert wire.ask("/state").status == 401
        assert wire.ask("/change", "POST", b"{}").status == 401
    assert wire.did == []


def test_what_a_command_line_shows_lets_no_other_account_in(
    page: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = page("127.0.0.1")
    once = token_of(wire.serving.once)
    with monkeypatch.context() as other:
        other.setattr(server, "account_of", lambda connection: "54001")
        assert wire.enter(once).status == 401
        entered = wire.enter(token_of(wire.serving.address))  # who has that one was given it
        assert entered.status == 200
        cookie = entered.headers["set-cookie"].partition(";")[0]
        assert wire.ask("/state", Cookie=cookie).status == 200
    assert wire.ask("/state", Cookie=cookie).status == 401
    assert wire.enter(once).status == 200, "the other one has not used it up"


# Other sites


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_puts_into_its_page_is_refused(page: Callable[..., Wire], site: str) -> None:
    wire = page()
    for mode, dest in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe"), ("no-cors", "script")):
        found = wire.ask("/state", Sec_Fetch_Site=site, Sec_Fetch_Mode=mode, Sec_Fetch_Dest=dest)
        assert (found.status, found.code) == (403, "other_site")
    # A link that is followed; its cookie would not be sent by a browser, as it is Strict.
    assert wire.ask("/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "http://127.0.0.1:{port}.evil.example"},
        {"X-Vstore": None},
        {"X-Vstore": "0"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
def test_a_change_has_to_come_from_the_page_itself(page: Callable[..., Wire], headers: dict[str, str | None]) -> None:
    wire = page()
    given = {name: value and value.format(port=wire.serving.port) for name, value in headers.items()}
    for target in ("/change", UPLOADS):
        found = wire.ask(target, "POST", b"{}", **given)
        assert (found.status, found.code) == (403, "other_site")
    assert wire.did == []


def test_a_change_that_comes_from_the_page_is_made(page: Callable[..., Wire]) -> None:
    wire = page()
    assert json.loads(wire.ask("/change", "POST", b'{"a": 1}').body) == {"did": 1}
    assert wire.ask("/change", "POST", b"{}", Sec_Fetch_Site=None).status == 200, "an older browser"
    assert wire.did == [{"a": 1}, {}]


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_form_can_send_is_refused(page: Callable[..., Wire], kind: str | None) -> None:
    wire = page()
    assert wire.ask("/change", "POST", b"{}", Content_Type=kind).status == 415
    assert wire.ask(UPLOADS, "POST", b"{}", Content_Type=kind).status == 415
    assert wire.did == []


def test_no_other_origin_may_ask_whether_it_may(page: Callable[..., Wire]) -> None:
    wire = page()
    found = wire.ask("/change", "OPTIONS", Origin="http://evil.example", Access_Control_Request_Method="POST")
    assert found.status == 405
    assert not any(name.startswith("access-control") for name in found.headers)


def test_a_page_without_write_changes_nothing_and_takes_pictures_to_look_for(page: Callable[..., Wire]) -> None:
    wire = page(can_write=False)
    found = wire.ask("/change", "POST", b"{}")
    assert (found.status, found.code) == (403, "read_only")
    assert wire.did == []
    assert wire.ask(UPLOADS, "POST", b"picture", Content_Type="application/octet-stream").body == b"7"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "HACK"])
def test_other_methods_are_refused(page: Callable[..., Wire], method: str) -> None:
    wire = page()
    assert wire.ask("/change", method).status == 405
    assert wire.ask("/change", "GET").status == 405, "a change is no GET"


# Form and size


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b"{", b'"a"', b"\xff", b"[" * 100_000, b'{"a": 1' + b"0" * 5000 + b"}"]
)
def test_what_is_no_object_is_refused(page: Callable[..., Wire], body: bytes) -> None:
    wire = page()
    found = wire.ask("/change", "POST", body)
    assert (found.status, found.code) == (400, "usage")
    assert wire.did == []


@pytest.mark.parametrize(
    ("target", "kind", "most"),
    [("/change", "application/json", BODY), (UPLOADS, "application/octet-stream", UPLOAD)],
)
def test_a_body_is_no_longer_than_its_limit(page: Callable[..., Wire], target: str, kind: str, most: int) -> None:
    wire = page()
    assert wire.ask(target, "POST", b"", Content_Type=kind, Content_Length=str(most + 1)).status == 413
    # In parts, without a word of how many there are: refused once there are too many.
    head = (
        f"POST {target} HTTP/1.1\r\nHost: {wire.host}\r\nCookie: {wire.cookie}\r\nOrigin: {wire.origin}\r\n"
        f"X-Vstore: 1\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    chunk = b"40000\r\n" + bytes(0x40000) + b"\r\n"
    with socket.create_connection(("127.0.0.1", wire.serving.port), 30) as line:
        line.sendall(head)
        for _ in range(most // 0x40000):
            line.sendall(chunk)
        line.sendall(b"1\r\n0\r\n")
        assert wire.read(line).status == 413
    assert wire.did == []


def test_a_body_of_the_limit_is_taken(page: Callable[..., Wire]) -> None:
    wire = page()
    found = wire.ask(UPLOADS, "POST", bytes(UPLOAD), Content_Type="application/octet-stream")
    assert found.body == str(UPLOAD).encode()


def test_a_request_that_does_not_go_on_is_given_up(page: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PATIENCE", 0.2)
    monkeypatch.setattr(body, "_PATIENCE", 0.2)
    wire = page("127.0.0.1")
    for begun in (b"", b"GET /state HTTP/1.1\r\nHost: "):
        with socket.create_connection(("127.0.0.1", wire.serving.port), 30) as line:
            line.sendall(begun)
            assert line.recv(1) == b"", "closed without a word"
    with socket.create_connection(("127.0.0.1", wire.serving.port), 30) as line:  # the second request of a connection
        line.sendall(f"GET /state HTTP/1.1\r\nHost: {wire.host}\r\nCookie: {wire.cookie}\r\n\r\nGET /st".encode())
        assert wire.read(line).status == 200
    assert wire.ask("/change", "POST", b"{}", Content_Length="9").status == 408
    assert wire.did == []


def test_connections_that_say_nothing_keep_nobody_out(
    page: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any program of this machine may connect, as often as it likes."""
    monkeypatch.setattr(server, "_CONNECTIONS", 4)
    wire = page("127.0.0.1")
    with contextlib.ExitStack() as silent:
        there = [
            silent.enter_context(socket.create_connection(("127.0.0.1", wire.serving.port), 30)) for _ in range(12)
        ]
        for _ in range(3):
            assert wire.ask("/state").status == 200
        assert there[0].recv(1) == b"", "closed"


def test_a_lack_of_files_is_not_said_for_each_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    loop = asyncio.new_event_loop()
    monkeypatch.setattr(loop, "default_exception_handler", said.append)
    for number in (errno.EMFILE, errno.ENFILE):
        server._say(loop, {"message": "no file", "exception": OSError(number, "too many")})
    assert said == []
    other = {"message": "another error", "exception": OSError(errno.EIO, "broken")}
    server._say(loop, other)
    loop.close()
    assert said == [other]


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: +2",
        "Content-Length: 2, 3",
        "Content-Length: -1",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        " Content-Length: 2",
        "Content-Length: 2\r\n folded",
        "X-Vstore: 1\x00",
    ],
)
def test_a_request_whose_length_can_be_read_in_two_ways_is_refused(page: Callable[..., Wire], lines: str) -> None:
    wire = page()
    found = wire.send(
        f"POST /change HTTP/1.1\r\nHost: {wire.host}\r\nCookie: {wire.cookie}\r\nOrigin: {wire.origin}\r\n"
        f"X-Vstore: 1\r\nContent-Type: application/json\r\n{lines}\r\n\r\n{{}}".encode()
    )
    assert found.status in (400, 415, 501)
    assert wire.did == []


def test_a_get_has_no_body_and_no_request_hidden_in_it(page: Callable[..., Wire]) -> None:
    wire = page()
    hidden = f"POST /change HTTP/1.1\r\nHost: {wire.host}\r\n\r\n".encode()
    assert wire.ask("/state", "GET", hidden, Content_Length=str(len(hidden))).status == 400
    assert wire.did == []


@pytest.mark.parametrize(
    "target",
    ["//evil.example/", "http://evil.example/state", "*", "/state%00", "state"],
)
def test_what_is_no_address_of_the_page_is_refused(page: Callable[..., Wire], target: str) -> None:
    found = page().ask(target)
    assert found.status == 400
    assert "location" not in found.headers


def test_a_huge_head_is_refused(page: Callable[..., Wire]) -> None:
    wire = page()
    huge = "x" * 200_000
    for line in (f"GET /state?{huge} HTTP/1.1\r\nHost: {wire.host}", f"GET /state HTTP/1.1\r\nMore: {huge}"):
        found = b""
        with (
            contextlib.suppress(ConnectionError),  # it is closed while the rest is on its way
            socket.create_connection(("127.0.0.1", wire.serving.port), 30) as one,
        ):
            one.sendall(f"{line}\r\nCookie: {wire.cookie}\r\n\r\n".encode())
            while part := one.recv(65536):
                found += part
        assert found == b"" or found.startswith(b"HTTP/1.1 400 ")
    assert wire.ask("/state").status == 200


# Answers


@pytest.mark.parametrize(
    "target",
    ["/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static/..\\app.py", "/static//etc/passwd",
     "/static/%2fetc%2fpasswd", "/static/", "/static", "/static/views", "/static/views/../app.js", "/static/app.js/",
     "/static/app.js%00.css", "/static/....//app.py", "/static/index.html"],
)  # fmt: skip
def test_no_file_but_those_of_the_page_is_served(page: Callable[..., Wire], target: str) -> None:
    found = page().ask(target)
    assert found.status in (400, 404)
    assert set(json.loads(found.body)) == {"error"}


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/", 200),
        ("/state", 200),
        ("/static/app.js", 200),
        ("/static/style.css", 200),
        ("/nothing", 404),
        ("/broken", 500),
    ],
)
def test_every_answer_says_what_a_browser_may_do_with_it(
    page: Callable[..., Wire], target: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    wire = page()
    found = wire.ask(target)
    assert found.status == status
    assert HEADERS.items() <= found.headers.items()
    assert "server" not in found.headers
    for refused in (wire.ask(target, Cookie=None), wire.ask(target, Host="evil.example"), wire.ask(target, "PUT")):
        assert refused.status >= 400
        assert HEADERS.items() <= refused.headers.items()
    entered = wire.enter(token_of(wire.serving.address))
    assert HEADERS.items() <= entered.headers.items()


def test_what_was_sent_is_not_sent_back_as_a_page(page: Callable[..., Wire]) -> None:
    wire = page()
    hostile = "%3Cscript%3Ealert(1)%3C/script%3E"
    for target in (f"/{hostile}", f"/static/{hostile}", f"/state?{hostile}"):
        found = wire.ask(target)
        assert found.headers["content-type"] == "application/json"
        assert b"<script>" not in found.body
    refused = wire.ask(f"/{hostile}", Cookie="<script>", Accept="text/html")
    assert refused.headers["content-type"] == "text/html; charset=utf-8"
    assert b"script" not in refused.body and b"vstore serve" in refused.body


def test_a_browser_gets_the_page_and_a_program_json(page: Callable[..., Wire]) -> None:
    found = page().ask("/", Accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert found.headers["vary"] == "Accept"
    assert b'<script type="module" src="/static/app.js">' in found.body
    assert (
        found.body.count(b"<script") == 1
        and b"style=" not in found.body
        and b" on" not in found.body.partition(b"<body")[2]
    )


def test_only_this_machine_is_bound(page: Callable[..., Wire]) -> None:
    wire = page()
    for other in ("127.0.0.2", "::1"):
        with pytest.raises(OSError):
            socket.create_connection((other, wire.serving.port), 5)
