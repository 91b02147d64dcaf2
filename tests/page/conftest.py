"""One store, one server and one browser for all tests of the page that only read; copies for those that write.

Where to begin: a test takes `tab` (a page of `library`, read only), or `writing` (a page of a copy that it may change).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.page_library import build
from support.page_server import PageServer
from support.tabs import Tab, opened_tab, running_browser
from support.two_spaces import add_space_other

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="package")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the store of sample pictures, and of its pictures. No test changes it."""
    return build(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="package")
def page_server(library: Path) -> Iterator[PageServer]:
    """A server of `library`, read only."""
    with PageServer(library / ".vstore") as server:
        yield server


@pytest.fixture(scope="package")
def two_spaces(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `library` whose v4, current, is of the space `other`. No test changes it."""
    return add_space_other(Path(shutil.copytree(library, tmp_path_factory.mktemp("two") / "two", symlinks=True)))


@pytest.fixture(scope="package")
def two_server(two_spaces: Path) -> Iterator[PageServer]:
    """A server of `two_spaces`, read only."""
    with PageServer(two_spaces / ".vstore") as server:
        yield server


@pytest.fixture
def own_library(library: Path, tmp_path: Path) -> Path:
    """A copy of `library` that the test may change."""
    return Path(shutil.copytree(library, tmp_path / "own", symlinks=True))


@pytest.fixture
def serve() -> Iterator[Callable[..., PageServer]]:
    """Start servers of other stores: `serve(folder_of_store, "--write")`. They end with the test."""
    with ExitStack() as stack:
        yield lambda store, *words, **options: stack.enter_context(PageServer(store, *words, **options))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # Of the package, not of the session: while it runs, asyncio believes that its loop runs in this thread, so that a
    # test of the page that needs one of its own runs it in another thread.
    with running_browser() as found:
        yield found


@pytest.fixture
def open_tab(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Tab]]:
    """Open tabs of servers: `open_tab(server)`. Their errors fail the test at its end."""
    shots = Path(os.environ.get("VSTORE_SHOTS") or tmp_path / "shots")
    with ExitStack() as stack:

        def opened(server: PageServer, **options: Any) -> Tab:
            return stack.enter_context(opened_tab(browser, server, shots, **options))

        yield opened


@pytest.fixture
def tab(open_tab: Callable[..., Tab], page_server: PageServer) -> Tab:
    """A tab with the page of `library`, read only."""
    return open_tab(page_server)


@pytest.fixture
def writing(own_library: Path, serve: Callable[..., PageServer], open_tab: Callable[..., Tab]) -> Tab:
    """A tab with the page of a copy of `library`, served with `--write`."""
    return open_tab(serve(own_library / ".vstore", "--write"))
