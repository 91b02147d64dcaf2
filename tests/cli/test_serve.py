"""`vstore serve`: where it is, what it says, and how it ends. What it shows is tested in tests/page."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.lines import COMMAND, Line, environment, process
from support.page_server import PageServer
from support.signalled import wait_for

from vstore import Store
from vstore_cli.commands.serve import PORT


@pytest.fixture
def store(line: Line) -> Path:
    line.put({"pictures/a.png": 1, "pictures/b.png": 2})
    line("sync", "pictures", "-q")
    return line.store


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program has."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_it_prints_its_address_and_how_to_end_it(store: Path) -> None:
    with PageServer(store) as server:
        assert server.get("/state")["current"] == "v1"
        ran = server.stop()
    assert ran.code == 0
    assert ran.out == f"The page is at {server.address}\n"
    assert ran.err == f"End it with Ctrl-C, or: kill {server.pid}\n"
    assert urlsplit(server.address).hostname == "127.0.0.1"


def test_json_is_one_line_with_the_address(store: Path) -> None:
    with PageServer(store, "--json", "--write") as server:
        ran = server.stop()
    assert ran.err == ""
    port = urlsplit(server.address).port
    assert ran.json == {
        "address": server.address, "host": "127.0.0.1", "port": port, "can_write": True, "store": str(store),
    }  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_a_signal_ends_it_whoever_is_connected(store: Path, number: int) -> None:
    with PageServer(store) as server:
        address = urlsplit(server.origin)
        with (
            socket.create_connection((address.hostname, address.port)) as idle,
            socket.create_connection((address.hostname, address.port)) as begun,
            socket.create_connection((address.hostname, address.port)) as answered,
        ):
            begun.sendall(b"POST /uploads HTTP/1.1\r\nHost: ")
            answered.sendall(
                f"GET /state HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {server.cookie}\r\n\r\n".encode()
            )
            assert answered.recv(12) == b"HTTP/1.1 200"
            assert server.stop(number).code == 0
            for one in (idle, begun):
                assert one.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.hostname, address.port))


# An answer that does not come: the call of the library goes on for an hour.
STUCK = """
import time
from vstore import Store
def names(self, begin=""):
    open("reached", "w").close()
    time.sleep(3600)
Store.names = names
"""


def test_an_answer_under_way_does_not_hold_up_the_end(store: Path) -> None:
    with PageServer(store, before=STUCK) as server:
        address = urlsplit(server.origin)
        with socket.create_connection((address.hostname, address.port)) as asking:
            asking.sendall(f"GET /state HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {server.cookie}\r\n\r\n".encode())
            wait_for((store.parent / "reached").exists)
            assert server.stop(signal.SIGTERM).code == 0


# A file that does not come, as one on a network that is gone.
HANGING = """
import time
from vstore.gallery import thumbnails
def read_up_to(*args):
    open("reached", "w").close()
    time.sleep(3600)
thumbnails.read_up_to = read_up_to
"""


def test_a_file_that_does_not_come_does_not_hold_up_the_end(store: Path) -> None:
    with PageServer(store, before=HANGING) as server:
        address, key = urlsplit(server.origin), server.get("/names")["pictures"][0]["key"]
        ask = f"GET /thumbnail/{key} HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {server.cookie}\r\n\r\n"
        with socket.create_connection((address.hostname, address.port)) as asking:
            asking.sendall(ask.encode())
            wait_for((store.parent / "reached").exists)
            assert server.stop(signal.SIGTERM).code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda one: one.name)
def test_it_leaves_nothing_behind(store: Path, number: int) -> None:
    with Store(store) as opened:
        key = next(iter(opened.view())).hex()
    with PageServer(store) as server:
        assert server.ask("GET", f"/thumbnail/{key}")[0] == 200
        decoding = children(server.pid)
        assert decoding, "pictures are decoded in processes of their own"
        server.stop(number)
    wait_for(lambda: not any(map(is_running, decoding)))
    assert not [path for path in store.rglob("*") if path.is_file() and path.suffix in (".tmp", ".part")]
    assert process("check", "--json", cwd=store.parent).json["problems"] == []


def children(pid: int) -> list[int]:
    """List the processes that a process started, and those that these did."""
    found = [
        int(child)
        for task in os.listdir(f"/proc/{pid}/task")
        for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()
    ]
    return [*found, *(below for child in found for below in children(child))]


def is_running(pid: int) -> bool:
    try:
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_port_that_is_in_use_is_another_one_and_that_is_said(store: Path, taken: int) -> None:
    with PageServer(store, "--port", str(taken)) as server:
        port = urlsplit(server.address).port
        assert port is not None and port != taken
        assert server.get("/state")["current"] == "v1"
        ran = server.stop()
    assert ran.err.startswith(f"Note: port {taken} is in use; the page is at port {port}\n")


def test_two_servers_of_a_store_go_beside_one_another(store: Path) -> None:
    with PageServer(store, "--port", str(PORT)) as one, PageServer(store, "--port", str(PORT)) as two:
        assert one.origin != two.origin
        assert one.get("/state") == two.get("/state")


@pytest.mark.parametrize(
    ("words", "message", "step"),
    [
        (["--host", "192.0.2.1"], "192.0.2.1 is no address of this machine", "list them with: ip address"),
        (["--host", "example.org"], "'example.org' is no address of numbers", "give one, as 127.0.0.1 is"),
        (["--host", "localhost"], "'localhost' is no address of numbers", "give one, as 127.0.0.1 is"),
    ],
)
def test_a_host_that_is_none_is_refused(store: Path, line: Line, words: list[str], message: str, step: str) -> None:
    error = line("serve", "--no-open", "--port", "0", *words, "--json", code=2).error
    assert (error["message"], error["next"]) == (message, step)


def test_a_port_that_is_none_is_refused(store: Path, line: Line) -> None:
    assert line("serve", "--port", "65536", "--json", code=2).error["code"] == "usage"


def test_another_host_is_said_to_let_others_in(store: Path) -> None:
    with PageServer(store, "--host", "0.0.0.0", "--write") as server:
        assert server.get("/state")["can_write"] is True
        ran = server.stop()
    assert "Note: other machines reach the page at every address of this machine: put one in the place of" in ran.err
    assert "can change the store" in ran.err and "it is not encrypted" in ran.err


def test_another_address_of_this_machine_alone_is_no_danger(store: Path) -> None:
    with PageServer(store, "--host", "127.0.0.2") as server:
        assert urlsplit(server.address).hostname == "127.0.0.2"
        assert "Note" not in server.stop().err


@pytest.mark.parametrize("name", ["starlette", "uvicorn", "h11"])
def test_a_missing_package_is_named_with_what_installs_it(store: Path, name: str) -> None:
    ran = process("serve", "--no-open", "--json", cwd=store.parent, before=f"import sys; sys.modules[{name!r}] = None")
    assert ran.code == 1
    assert ran.error["code"] == "missing_package"
    assert name in ran.error["message"]
    assert ran.error["next"] == "install them with: pip install 'vstore-index[page]'"


def test_without_a_store_nothing_is_served(line: Line) -> None:
    assert line("serve", "--no-open", "--json", code=10).error["code"] == "no_store"


def test_a_reader_that_goes_away_ends_it(store: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "serve", "--no-open", "--port", "0"],
        cwd=store.parent, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        assert running.wait(60) == 141
        assert running.stderr.read() == b""


def test_a_store_that_goes_away_is_said_and_comes_back(store: Path) -> None:
    with PageServer(store) as server:
        store.rename(store.with_name("away"))
        assert server.get("/state", 503)["error"]["code"] in ("no_store", "store_gone")
        shutil.copytree(store.with_name("away"), store)
        assert server.get("/state")["current"] == "v1"
        assert server.stop().code == 0


def test_a_browser_is_opened_where_there_is_a_screen(store: Path, tmp_path: Path) -> None:
    """With an address that is good for one use: whoever lists processes sees it."""
    said = tmp_path / "said"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho noise\nprintf %s "$1" > {said}.part\nmv {said}.part {said}\n')
    browser.chmod(0o755)
    command = [*COMMAND, "--store", str(store), "serve", "--port", "0"]
    env = environment(BROWSER=str(browser))
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        wait_for(said.exists)
        running.terminate()
        out, _ = running.communicate(timeout=60)
    printed = out.removeprefix("The page is at ").strip()
    assert "noise" not in out
    opened = said.read_text()
    assert opened != printed
    assert opened.partition("?")[0] == printed.partition("?")[0]
