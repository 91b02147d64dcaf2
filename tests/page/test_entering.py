"""The way into the page, in a browser: by the printed address, from wherever it is followed, and by no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.page_server import PageServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Page]:
    """A tab without any page."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def site() -> Iterator[Callable[[str], str]]:
    """A web site of somebody else, with one page: `site(html)` is its address, at another host than the page."""
    html = ""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    def serve(given: str) -> str:
        nonlocal html
        html = given
        return f"http://localhost:{server.server_address[1]}/"

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield serve
        server.shutdown()
        thread.join()


def is_in(page: Page, server: PageServer) -> bool:
    """Tell whether a browser shows the page, at an address without the token."""
    for before in ("#main noscript", "#main > .waiting"):
        page.locator(before).wait_for(state="detached")
    assert page.locator("#main .failure").count() == 0
    return page.url.startswith(server.origin) and "token" not in page.url


def test_the_printed_address_lets_a_browser_in(visitor: Page, page_server: PageServer) -> None:
    visitor.goto(page_server.address)
    visitor.wait_for_url(lambda url: "token" not in url)
    assert is_in(visitor, page_server)
    assert visitor.evaluate("document.cookie") == "", "no script reads the cookie"
    visitor.goto(page_server.origin + "/")
    assert is_in(visitor, page_server)


@pytest.mark.parametrize("how", ["a file", "another site"])
def test_it_does_so_when_it_is_followed_from_elsewhere(
    how: str, visitor: Page, page_server: PageServer, site: Callable[[str], str], tmp_path: Path
) -> None:
    html = f'<a id="link" href="{page_server.address}">the page</a>'
    if how == "a file":
        (tmp_path / "mail.html").write_text(html)
        visitor.goto((tmp_path / "mail.html").as_uri())
    else:
        visitor.goto(site(html))
    visitor.click("#link")
    visitor.wait_for_url(lambda url: url.startswith(page_server.origin) and "token" not in url)
    assert is_in(visitor, page_server)


def test_the_token_stays_in_no_history(visitor: Page, page_server: PageServer) -> None:
    visitor.goto("about:blank")
    visitor.goto(page_server.address)
    visitor.wait_for_url(lambda url: "token" not in url)
    visitor.go_back()
    assert visitor.url == "about:blank"


def test_without_it_a_browser_is_told_what_to_do(visitor: Page, page_server: PageServer) -> None:
    answer = visitor.goto(page_server.origin + "/search")
    assert answer is not None and answer.status == 401
    assert "Open the address that vstore serve printed" in visitor.inner_text("body")


def test_a_web_site_sees_nothing_of_the_page(
    visitor: Page, page_server: PageServer, site: Callable[[str], str]
) -> None:
    """Of a user who is in: neither a picture, nor an answer, nor the page in a frame."""
    visitor.goto(page_server.address)
    visitor.wait_for_url(lambda url: "token" not in url)
    here = page_server.origin
    visitor.goto(site(f'<iframe id="frame" src="{here}/"></iframe><img id="image" src="{here}/static/icon.svg">'))
    visitor.wait_for_load_state("load")
    assert visitor.evaluate("document.getElementById('image').naturalWidth") == 0
    for words in ("", "{mode: 'no-cors', credentials: 'include'}", "{credentials: 'include'}"):
        got = visitor.evaluate(
            f"fetch('{here}/state', {words or '{}'}).then((found) => found.text(), (err) => 'refused')"
        )
        assert got in ("refused", "")
    inner = next(frame for frame in visitor.frames if frame != visitor.main_frame)
    assert not inner.url.startswith(here) or inner.evaluate("document.body.innerText") == ""
