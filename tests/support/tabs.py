"""A browser for tests of the page: Chromium without a window, and tabs in which every error counts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.page_server import PageServer
from support.signalled import wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, Route

NARROW, WIDE = 400, 1280
_NEEDED = "VSTORE_NEEDS_BROWSER"  # set by .ci/run: a browser that is missing fails the tests
_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Where a view of the page is tested, a slow machine is no failure.
_PATIENCE_MS = 60_000


def missing(reason: str) -> None:
    """Skip the test, or fail it where a browser is needed."""
    if os.environ.get(_NEEDED):
        pytest.fail(f"{reason}, and {_NEEDED} is set")
    pytest.skip(reason)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start Chromium."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        missing("no Chromium: install the package chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("no Playwright: pip install playwright")
    with sync_playwright() as playwright:
        # Without its sandbox: Chromium refuses to run as root with one. Shared memory is small in containers.
        words = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--force-color-profile=srgb"]
        browser = playwright.chromium.launch(executable_path=program, args=words)
        try:
            yield browser
        finally:
            browser.close()


class Held:
    """Requests that are held back. routes: of them, the first one first."""

    def __init__(self, page: Page) -> None:
        self.routes: list[Route] = []
        self._page = page

    def wait(self, many: int = 1) -> None:
        """Wait until there are as many."""
        wait_for(lambda: self._page.wait_for_timeout(20) is None and len(self.routes) >= many)


class Tab:
    """A tab of a browser of its own cookies, with an open page of a server.

    page:    the page, as Playwright has it.
    server:  the server.
    errors:  errors so far: of scripts, on the console, requests that failed. None may be left when the test ends.
    allowed: texts of errors that the test expects.
    """

    def __init__(self, context: BrowserContext, server: PageServer, shots: Path) -> None:
        self.server = server
        self.errors: list[str] = []
        self.allowed: list[str] = []
        self._answers: list[Response] = []  # that say of an error of the server
        self._shots = shots
        self._context = context
        context.request.get(server.address)  # the token is exchanged for the cookie
        self.page = self.another()

    def another(self) -> Page:
        """Open one more page, with the same cookie."""
        page = self._context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"script: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", lambda response: self._answers.append(response) if response.status >= 500 else None)
        return page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page left, and needs the answer no more
            self.errors.append(f"request: {request.url}: {request.failure}")

    def answer(self, address: str | re.Pattern[str], how: Callable[[Route], object], times: int | None = None) -> None:
        """Answer requests in the place of the server. Said before a page is open: those of one pass for a moment."""
        assert self.page.url == "about:blank", "first say what is answered, then open the page"
        self.page.route(address, how, times=times)

    def hold(self, address: str | re.Pattern[str], times: int | None = None) -> Held:
        """Hold requests back: the same way."""
        held = Held(self.page)
        self.answer(address, lambda route: held.routes.append(route), times)  # Playwright takes no builtin
        return held

    def go(self, path: str) -> Page:
        """Open an address of the page: `/search?t=…`."""
        self.page.goto(self.server.origin + path)
        return self.page

    def look(self, path: str, *, dark: bool = False, width: int = WIDE, height: int = 800) -> Page:
        """Open an address in a window of this width, in light or dark."""
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.set_viewport_size({"width": width, "height": height})
        return self.go(path)

    def shot(self, name: str, **options: Any) -> Path:
        """Save a picture of the window, to look at: into the folder VSTORE_SHOTS, if it is set."""
        path = self._shots / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path, **options)
        return path

    def is_too_wide(self) -> bool:
        """Tell whether the page scrolls sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))

    def check(self) -> None:
        """Fail if there was an error that is not allowed."""
        left = [error for error in self.errors if not any(text in error for text in self.allowed)]
        assert not left, (left, [answer.text() for answer in self._answers], self.server.errors)


@contextmanager
def opened_tab(browser: Browser, server: PageServer, shots: Path, **options: Any) -> Iterator[Tab]:
    """Open a tab; its errors are checked at the end. options: of the context, as Playwright has them."""
    context = browser.new_context(viewport={"width": WIDE, "height": 800}, locale="en-GB", **options)
    try:
        tab = Tab(context, server, shots)
        yield tab
        tab.check()
    finally:
        context.close()
