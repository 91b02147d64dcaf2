"""The frame of the page in a browser: addresses, going back, keys, and what it says of the store meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.lines import process
from support.page_server import PageServer
from support.signalled import wait_for
from support.tabs import NARROW, WIDE, Tab

from vstore_page.statics import _TYPES

STATIC = Path(__file__).parents[2] / "cli/vstore_page/static"
WAYS = [
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "createContextualFragment", "srcdoc",
    "javascript:", "eval(", "Function(", "https://", "http://",
]  # fmt: skip
VIEWS = ["/search", "/snapshots", "/compare", "/duplicates", "/health"]


def test_the_home_is_the_search(tab: Tab) -> None:
    page = tab.go("/")
    page.wait_for_url("**/search")
    page.wait_for_function("() => document.title === 'Search – vstore'")
    assert page.locator("#nav [aria-current=page]").inner_text() == "Search"


def test_an_address_of_nothing_says_so(tab: Tab) -> None:
    tab.allowed.append("404")
    page = tab.go("/nothing")
    assert page.locator("main h1").inner_text() == "There is nothing at this address"
    page.click("#nav a:text-is('Snapshots')")
    page.wait_for_url("**/snapshots")
    assert tab.server.ask("GET", "/nothing", {"Accept": "text/html"})[0] == 404


def test_a_view_that_is_left_can_be_gone_back_to_where_it_was(tab: Tab) -> None:
    page = tab.look("/search", height=300)
    page.locator("#main img").first.wait_for()
    page.evaluate("scrollTo(0, 150)")
    assert page.evaluate("scrollY") == 150
    page.click("#nav a:text-is('Snapshots')")
    page.wait_for_url("**/snapshots")
    page.locator("h1").first.wait_for()
    assert page.evaluate("document.activeElement.id") == "main", "the keyboard goes on in the view"
    page.go_back()
    page.wait_for_url("**/search")
    page.locator("#main img").first.wait_for()
    # Its answer comes, and then it is scrolled.
    wait_for(lambda: page.wait_for_timeout(20) is None and page.evaluate("scrollY") == 150)


def test_keys_are_shown_and_go_away(tab: Tab) -> None:
    page = tab.go("/snapshots")
    page.locator("h1").first.wait_for()
    page.keyboard.press("?")
    assert "show the keys" in page.locator("dialog").inner_text()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    page.click("#help")
    page.locator("dialog button").click()
    page.locator("dialog").wait_for(state="detached")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_view_scrolls_sideways_on_a_phone(tab: Tab, view: str, dark: bool) -> None:
    page = tab.look(view, dark=dark, width=NARROW)
    page.locator("#main h1, #main img").first.wait_for()
    assert not tab.is_too_wide()
    for link in page.locator("#nav a").all():
        box = link.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= NARROW, "each view is at hand"


def test_a_store_that_changes_meanwhile_is_said(writing: Tab) -> None:
    page = writing.go("/snapshots")
    page.locator("h1").first.wait_for()
    home = writing.server.store.parent
    assert process("rollback", "v1", cwd=home).code == 0
    banner = page.locator("#banner")
    banner.locator("button").wait_for()
    assert "v1 is current now" in banner.inner_text()
    banner.locator("button").click()
    banner.locator("button").wait_for(state="detached")
    assert banner.inner_text() == ""


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_who_has_scrolled_sees_that_the_store_changed(writing: Tab, width: int) -> None:
    page = writing.look("/search", width=width)
    page.locator(".grid .name").first.wait_for()
    page.evaluate("scrollTo(0, 600)")
    assert process("rollback", "v1", cwd=writing.server.store.parent).code == 0
    page.locator("#banner button").wait_for()
    box, bar = page.locator("#banner").bounding_box(), page.locator(".bar").bounding_box()
    assert box is not None and bar is not None
    assert page.evaluate("scrollY") >= 600
    assert abs(box["y"] - (bar["y"] + bar["height"])) <= 1, "it stands below the bar"
    writing.shot(f"banner-{width}")


def test_a_server_that_ended_is_said(
    own_library: Path, serve: Callable[..., PageServer], open_tab: Callable[..., Tab]
) -> None:
    server = serve(own_library / ".vstore")
    tab = open_tab(server)
    page = tab.go("/snapshots")
    page.locator("h1").first.wait_for()
    tab.allowed += ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"]
    assert server.stop().code == 0
    page.locator("#banner span").wait_for()
    assert "vstore serve" in page.inner_text("#banner")
    page.click("#nav a:text-is('Search')")
    page.locator(".failure").wait_for()
    assert "does not answer" in page.inner_text(".failure")


def test_every_file_of_the_page_has_a_type_and_makes_no_html() -> None:
    """Names are put into the page as texts: no module has a way to make HTML of them, or to run a text."""
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert path.suffix.removeprefix(".") in {*_TYPES, "html"}, path
        text = path.read_text(encoding="utf-8")
        for way in WAYS:
            assert way not in text.replace("http://www.w3.org/2000/svg", ""), (path, way)
