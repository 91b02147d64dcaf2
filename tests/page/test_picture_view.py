"""The view of one picture, and pictures at large, in a browser."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page
from support.page_server import PageServer
from support.tabs import Tab

from vstore import Store

HOSTILE = "<img src=x onerror=alert(1)>\"'&.png"


def key_at(folder: Path, path: str, at: str = "current") -> str:
    with Store(folder / ".vstore") as store:
        return store.show(path, at=at, no_neighbours=True).key.hex()


def test_all_that_is_known_of_a_picture_is_shown(tab: Tab, library: Path) -> None:
    page = tab.look(f"/picture/{key_at(library, 'pictures/animals/cat-3.jpg')}")
    page.wait_for_selector(".cards img")
    text = page.inner_text("main")
    for words in ("cat-3.jpg", "480 × 360", "JPEG", "2 paths", "pictures/animals/copied.jpg", "v1 to v3", "builtin"):
        assert words in text
    assert page.title() == "cat-3.jpg – vstore"
    page.wait_for_function("() => document.querySelector('.large img')?.naturalWidth === 480")


def test_it_is_as_wide_as_a_small_window(tab: Tab, library: Path) -> None:
    tab.look(f"/picture/{key_at(library, 'pictures/animals/cat-3.jpg')}", width=400, dark=True)
    tab.page.wait_for_selector(".cards")
    assert not tab.is_too_wide()


def test_another_snapshot_is_chosen_and_kept_in_the_address(tab: Tab, library: Path) -> None:
    key = key_at(library, "pictures/animals/cat-2.jpg", "v2")
    page = tab.look(f"/picture/{key}")
    page.wait_for_selector("text=This snapshot does not have it.")
    page.click("text=Look at it in v2")
    page.wait_for_selector("h1:has-text('cat-2.jpg')")
    assert page.url.endswith(f"/picture/{key}?at=v2")
    page.select_option("select", "v1")
    page.wait_for_url("**at=v1")
    page.go_back()
    page.wait_for_url("**at=v2")


def test_pictures_at_large_are_gone_through_by_keys(tab: Tab, library: Path) -> None:
    page = tab.look(f"/picture/{key_at(library, 'pictures/animals/cat-3.jpg')}")
    page.wait_for_selector(".cards img")
    page.focus(".cards .well >> nth=0")
    page.keyboard.press("Enter")
    title = page.locator(".lightbox .title")
    title.get_by_text("1 of 12").wait_for()
    page.keyboard.press("ArrowRight")
    title.get_by_text("2 of 12").wait_for()
    page.keyboard.press("End")
    title.get_by_text("12 of 12").wait_for()
    assert page.locator(".lightbox .after").is_disabled()
    page.keyboard.press("ArrowLeft")
    title.get_by_text("11 of 12").wait_for()
    page.keyboard.press("+")
    assert "scale(1.5)" in page.locator(".lightbox .stage img").first.get_attribute("style")  # type: ignore[operator]
    page.keyboard.press("ArrowRight")  # of a picture that is zoomed, another part
    title.get_by_text("11 of 12").wait_for()
    page.keyboard.press("0")
    page.keyboard.press("Escape")
    page.wait_for_selector(".lightbox", state="detached")
    assert page.evaluate("document.activeElement.matches('.cards .well')")


def test_a_link_of_a_picture_at_large_closes_it(tab: Tab, library: Path) -> None:
    page = tab.look(f"/picture/{key_at(library, 'pictures/animals/cat-3.jpg')}")
    page.click(".cards .well >> nth=0")
    name = page.locator(".lightbox .title > div").first
    name.wait_for()
    wanted = name.inner_text()
    page.click("text=All that is known of it")
    page.wait_for_selector(".lightbox", state="detached")
    page.wait_for_selector(f"h1:has-text('{wanted}')")


def test_a_picture_that_vanished_has_its_name_and_the_reason(
    own_library: Path, serve: Callable[..., PageServer], open_tab: Callable[..., Tab]
) -> None:
    key = key_at(own_library, "pictures/animals/cat-3.jpg")
    (own_library / "pictures" / "animals" / "renamed.jpg").unlink()
    tab = open_tab(serve(own_library / ".vstore"))
    page = tab.look(f"/picture/{key}")
    card = page.locator(".card", has_text="renamed.jpg")
    card.get_by_text("no longer there").wait_for()
    card.locator(".well").click()
    page.wait_for_selector(".lightbox .missing:has-text('no longer there')")


def test_a_name_of_html_is_text(tmp_path: Path, serve: Callable[..., PageServer], open_tab: Callable[..., Tab]) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, name in enumerate([HOSTILE, "a.png"]):
        Image.new("RGB", (64, 48), (number * 90, 90, 200)).save(pictures / name, "PNG")
    Store.sync_new(tmp_path / ".vstore", [pictures])
    tab = open_tab(serve(tmp_path / ".vstore"))
    page = tab.look(f"/picture/{key_at(tmp_path, os.fspath('pictures/' + HOSTILE))}")
    page.wait_for_selector(".cards img")
    assert page.inner_text("h1") == HOSTILE
    assert page.locator("img[src=x]").count() == 0
    page.click(".large")
    page.locator(".lightbox .title").get_by_text(HOSTILE).wait_for()
    tab.look(f"/picture/{key_at(tmp_path, 'pictures/a.png')}").click(".cards .well")
    page.locator(".lightbox .title").get_by_text(HOSTILE).wait_for()


def test_what_a_camera_noted_is_told(
    tmp_path: Path, serve: Callable[..., PageServer], open_tab: Callable[..., Tab]
) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Nikon", "D70", 6
    exif.get_ifd(0x8769).update({0x9003: "2022:02:16 12:55:41", 0x9011: "-03:30"})
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (640, 480), (90, 90, 200)).save(tmp_path / "pictures" / "a.jpg", exif=exif)
    Store.sync_new(tmp_path / ".vstore", [tmp_path / "pictures"])
    tab = open_tab(serve(tmp_path / ".vstore"))
    page = tab.look(f"/picture/{key_at(tmp_path, 'pictures/a.jpg')}")
    page.wait_for_function("() => document.querySelector('.large img')?.naturalWidth === 480")
    facts = page.inner_text(".pairs").split("\n")
    for name, value in (("Pixels", "480 × 640"), ("Camera", "Nikon D70"), ("Taken", "2022-02-16 12:55:41 −03:30")):
        assert facts[facts.index(name) + 1] == value
    page.click(".large")
    assert page.locator(".lightbox .side:visible").count() == 0, "there is no other picture"


@pytest.mark.parametrize("link", [".actions a", ".name"])
def test_who_comes_back_is_where_the_pictures_were_left(tab: Tab, link: str) -> None:
    page = tab.look("/search", height=500)
    page.wait_for_selector(".grid img")
    page.evaluate("scrollTo(0, 1200)")
    card = page.locator(".grid .card", has_text="street-1")
    if link == ".name":  # the view of a picture, by way of the one at large
        card.locator(".well").click()
        before = page.evaluate("scrollY")
        page.click("text=All that is known of it")
        page.wait_for_selector(".picture-facts")
    else:
        card.locator(link).click(trial=True)
        before = page.evaluate("scrollY")
        card.locator(link).click()
        page.wait_for_selector(".grid .mark")
    assert page.evaluate("scrollY") == 0
    page.go_back()
    page.wait_for_function(f"() => scrollY === {before}")
    assert before > 500


def test_a_key_of_no_picture_is_said(tab: Tab) -> None:
    tab.allowed.append("404")
    tab.look(f"/picture/{'0' * 32}").wait_for_selector("text=No snapshot has a picture with this key")


# Back, while a picture is at large


def at_large(tab: Tab, index: int = 2) -> Page:
    """Open a picture of the grid at large, from another view than that of the grid."""
    page = tab.go("/health")
    page.wait_for_selector("h1:text('Health')")
    page.click("#nav a:text-is('Search')")
    page.wait_for_selector(".grid .name")
    page.evaluate("document.querySelector('.grid').dataset.mine = ''")  # gone where the view is shown once more
    page.locator(".grid a.well").nth(index).click()
    page.wait_for_selector(f".lightbox .title:has-text('{index + 1} of')")
    return page


def is_left(page: Page) -> None:
    """Go back, which leaves the view for the one before."""
    page.go_back()
    page.wait_for_selector("h1:text('Health')")
    assert page.url.endswith("/health")


def test_back_closes_a_picture_at_large_and_leaves_the_view_where_it_is(tab: Tab) -> None:
    page = at_large(tab)
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".lightbox .title:has-text('4 of')")
    page.go_back()
    page.wait_for_selector(".lightbox", state="detached")
    page.wait_for_function("() => document.activeElement.closest('[data-index]')?.dataset.index === '3'")
    assert page.locator(".grid[data-mine]").count() == 1 and page.url.endswith("/search")
    is_left(page)


@pytest.mark.parametrize("address", ["/diff?a=v2&b=v3", "/picture/"])
def test_back_closes_it_in_every_view(tab: Tab, library: Path, address: str) -> None:
    if address == "/picture/":
        address += key_at(library, "pictures/animals/cat-3.jpg")
    page = tab.go(address)
    well = page.locator(".card a.well").first
    well.click()
    page.wait_for_selector(".lightbox .title:has-text('1 of')")
    page.go_back()
    page.wait_for_selector(".lightbox", state="detached")
    page.wait_for_function("() => document.activeElement.matches('.card a.well')")
    assert page.url == tab.server.origin + address


@pytest.mark.parametrize("how", ["Escape", "button"])
def test_a_picture_at_large_that_was_closed_takes_no_step_back(tab: Tab, how: str) -> None:
    page = at_large(tab)
    if how == "Escape":
        page.keyboard.press("Escape")
    else:
        page.get_by_role("button", name="Close (Esc)").click()
    page.wait_for_selector(".lightbox", state="detached")
    page.wait_for_function("() => !history.state?.isOver")
    assert page.locator(".grid[data-mine]").count() == 1
    is_left(page)
    page.go_forward()
    page.wait_for_selector(".grid .name")
    page.evaluate("history.forward()")  # to what is no longer there
    page.wait_for_function("() => document.querySelector('.grid .name') && !history.state?.isOver")
    assert page.url.endswith("/search")
    is_left(page)


def test_what_follows_at_once_on_closing_it_is_one_step(tab: Tab) -> None:
    page = at_large(tab, 0)
    page.evaluate(
        """() => {
          const dialog = document.querySelector(".lightbox");
          dialog.addEventListener("close", () => document.querySelector(".grid a.button").click()); // More like this
          dialog.close();
        }"""
    )
    page.wait_for_selector(".grid .mark")
    page.wait_for_url("**/search?t=*")
    page.go_back()
    page.wait_for_function("() => document.querySelector('.grid .name') && !document.querySelector('.grid .mark')")
    assert page.url.endswith("/search")
    is_left(page)


def test_one_opened_after_another_is_closed_by_one_step_back(tab: Tab) -> None:
    page = at_large(tab)
    page.evaluate(
        """() => {
          const dialog = document.querySelector(".lightbox");
          dialog.addEventListener("close", () => document.querySelector(".grid a.well").click());
          dialog.close();
        }"""
    )
    page.wait_for_selector(".lightbox .title:has-text('1 of')")
    page.wait_for_function("() => history.state?.isOver")
    page.go_back()
    page.wait_for_selector(".lightbox", state="detached")
    assert page.locator(".grid[data-mine]").count() == 1
    is_left(page)


def test_a_link_of_a_picture_at_large_leads_back_to_the_view(tab: Tab) -> None:
    page = at_large(tab)
    page.click("text=All that is known of it")
    page.wait_for_selector(".picture-facts")
    page.go_back()
    page.wait_for_selector(".grid .name")
    assert page.url.endswith("/search") and page.locator(".lightbox").count() == 0
    is_left(page)


def test_who_reloads_while_a_picture_is_at_large_has_the_view(tab: Tab) -> None:
    page = at_large(tab)
    page.reload()
    page.wait_for_selector(".grid .name")
    page.wait_for_function("() => !history.state?.isOver")
    is_left(page)
