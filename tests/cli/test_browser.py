"""The page that is handed to a browser: to this one alone."""

from __future__ import annotations

import http.client
import time
import webbrowser

import pytest

from vstore import VstoreError
from vstore_cli import browser
from vstore_page import accounts


def answers(address: str, **headers: str) -> tuple[int, bytes]:
    host, _, path = address.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=5)
    connection.putrequest("GET", f"/{path}", skip_host=bool(headers))
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    found = connection.getresponse()
    return found.status, found.read()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")  # there is a screen
    monkeypatch.setattr(browser, "_LINGER", 0.2)
    monkeypatch.setattr(browser, "_PATIENCE", 0.5)


def test_who_does_not_know_the_address_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    def opened(address: str) -> bool:
        other = address[:-1] + ("A" if address[-1] != "A" else "B")
        host = address.split("/")[2]
        found.append(answers(other)[0])
        found.append(answers(f"http://{host}/")[0])
        found.append(answers(address, Host="evil.example")[0])
        found.append(answers(address, Host=host)[0])
        return True

    monkeypatch.setattr(webbrowser, "open", opened)
    browser.show_once(b"<p>mine")
    assert found == [404, 404, 421, 200]


def test_another_account_that_sees_the_command_line_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    def opened(address: str) -> bool:
        with monkeypatch.context() as other:
            other.setattr(accounts, "account_of", lambda connection: "54001")
            found.append(answers(address)[0])
        found.append(answers(address)[0])
        return True

    monkeypatch.setattr(webbrowser, "open", opened)
    browser.show_once(b"<p>mine")
    assert found == [403, 200]


def test_it_can_be_asked_for_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    def opened(address: str) -> bool:
        found.extend([answers(address), answers(address)])
        return True

    monkeypatch.setattr(webbrowser, "open", opened)
    browser.show_once(b"<p>mine")
    assert found == [(200, b"<p>mine")] * 2


def test_a_browser_that_never_asks_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda address: True)
    with pytest.raises(VstoreError, match="no browser asked for the page"):
        browser.show_once(b"<p>mine")


def test_a_client_that_says_nothing_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    silent = []

    def opened(address: str) -> bool:
        host, _, port = address.split("/")[2].partition(":")
        silent.append(socket.create_connection((host, int(port))))
        return answers(address)[0] == 200

    monkeypatch.setattr(webbrowser, "open", opened)
    begun = time.monotonic()
    browser.show_once(b"<p>mine")
    assert time.monotonic() - begun < 5
    silent[0].close()
