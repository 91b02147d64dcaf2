"""Views that are left, and come back to: what comes late, what stays behind, and what may be asked once more."""

from __future__ import annotations

import json
import re
from contextlib import suppress

from playwright.sync_api import Error, Page
from support.folders import drawn
from support.signalled import wait_for
from support.tabs import Tab

PAIRS = "getComputedStyle(document.querySelector('dl.pairs')).gridTemplateColumns"


def still(page: Page, top: int) -> None:
    """Wait until the window is scrolled to here."""
    wait_for(lambda: page.wait_for_timeout(20) is None and page.evaluate("scrollY") == top)


def test_the_style_of_a_view_ends_with_it(tab: Tab) -> None:
    page = tab.go("/search")
    page.goto(tab.server.origin + str(page.locator(".grid a.well").first.get_attribute("href")))
    page.wait_for_selector("dl.pairs")
    before = page.evaluate(PAIRS)
    page.click("#nav a:text-is('Snapshots')")
    page.locator("a:text-is('What changed')").first.click()
    page.wait_for_selector(".cards.pairs")
    page.go_back()
    page.wait_for_selector(".history")
    page.go_back()
    page.wait_for_selector("dl.pairs")
    assert page.evaluate(PAIRS) == before
    used = "[...document.styleSheets].filter((one) => !one.disabled).map((one) => one.href.split('/').pop())"
    assert sorted(page.evaluate(used)) == ["picture.css", "style.css"]


def test_the_link_to_the_view_shows_nothing_again(tab: Tab) -> None:
    page = tab.go("/search")
    page.wait_for_selector(".grid .name")
    page.evaluate("document.querySelector('.grid').dataset.mine = ''")
    page.focus(".skip")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.url == tab.server.origin + "/search"
    page.click("#nav a:text-is('Snapshots')")
    page.wait_for_selector(".history")
    length = page.evaluate("history.length")
    page.click("#nav a:text-is('Snapshots')")
    assert page.evaluate("history.length") == length, "an address that is shown is not one more"


def test_a_reload_and_going_forward_come_back_to_the_place(tab: Tab) -> None:
    page = tab.look("/search", height=300)
    page.wait_for_selector(".grid .name")
    page.evaluate("scrollTo(0, 150)")
    page.wait_for_function("() => history.state?.top === 150")
    page.reload()
    page.wait_for_selector(".grid .name")
    still(page, 150)
    page.click("#nav a:text-is('Snapshots')")
    page.wait_for_selector(".history")
    page.evaluate("scrollTo(0, 120)")
    page.wait_for_function("() => history.state?.top === 120")
    page.go_back()
    page.wait_for_selector(".grid .name")
    page.go_forward()
    page.wait_for_selector(".history")
    still(page, 120)


def test_a_question_ends_with_its_view(writing: Tab) -> None:
    page = writing.go("/search")
    page.wait_for_selector(".grid .name")
    page.click("#nav a:text-is('Snapshots')")
    page.locator("button:text-is('Make current')").first.click()
    page.wait_for_selector("dialog[open]")
    page.go_back()
    page.wait_for_selector(".grid .name")
    assert page.locator("dialog").count() == 0
    assert writing.server.get("/state")["current"] == "v3"


def test_a_decision_that_comes_late_leaves_the_address_alone(writing: Tab) -> None:
    held = writing.hold("**/duplicates/decide")
    page = writing.go("/duplicates?near=0.5")
    page.locator("button.main", has_text="Review").click()
    page.wait_for_selector(".review .panes")

    def decides() -> bool:
        page.keyboard.press("D")  # as its button says, and with caps lock; while one is on its way none follows
        page.wait_for_timeout(200)
        return bool(held.routes)

    wait_for(decides)
    page.click("#nav a:text-is('Health')")
    page.wait_for_selector("main h2")
    with page.expect_response("**/duplicates/decide"):
        held.routes[0].continue_()
    page.wait_for_load_state("networkidle")
    assert page.url == writing.server.origin + "/health"


def test_the_same_query_can_be_asked_again_where_it_failed(tab: Tab) -> None:
    tab.allowed.append("500")
    failing = {"error": {"code": "failure", "message": "it broke", "next": "try again"}}
    tab.answer(re.compile(r"/search\?name="), lambda route: route.fulfill(status=500, json=failing), times=1)
    page = tab.go("/search")
    page.wait_for_selector(".grid .name")
    page.fill(".words", "fish")
    page.keyboard.press("Enter")
    page.wait_for_selector(".failure:has-text('It broke')")
    page.keyboard.press("Enter")
    page.wait_for_selector(".grid .name, .search-results .empty")
    assert page.locator(".failure").count() == 0


def test_an_answer_that_breaks_off_is_said_as_none(tab: Tab) -> None:
    tab.answer(
        "**/health?*", lambda route: route.fulfill(status=200, body='{"stats":', content_type="application/json")
    )
    page = tab.go("/search")
    page.wait_for_selector(".grid .name")
    page.click("#nav a:text-is('Health')")
    page.wait_for_selector(".failure:has-text('does not answer')")


def test_a_snapshot_that_is_gone_leads_to_one_that_is_there(tab: Tab) -> None:
    tab.allowed.append("404")
    page = tab.go("/search?at=v77")
    page.wait_for_selector(".failure")
    page.get_by_label("Snapshot").select_option("current")
    page.wait_for_selector(".grid .name")
    href = page.locator(".grid a.well").first.get_attribute("href")
    assert href
    page.goto(f"{tab.server.origin}{href.partition('?')[0]}?at=v77")
    page.get_by_role("button", name="Show the current snapshot").click()
    page.wait_for_selector(".picture-facts")


def test_an_older_picture_that_fails_takes_no_place_at_large(tab: Tab) -> None:
    tab.allowed.append("500")
    held = tab.hold(re.compile(r"/names\?.*from=1&"))
    page = tab.go("/search")
    page.wait_for_selector(".grid .name")
    page.locator(".grid a.well").first.click()
    page.wait_for_selector(".lightbox .title:has-text('1 of')")
    page.keyboard.press("ArrowRight")
    held.wait()
    page.keyboard.press("End")
    page.wait_for_selector(".lightbox .stage img")
    title = page.locator(".lightbox .title")
    page.wait_for_function("() => !document.querySelector('.lightbox .title').textContent.includes('1 of')")
    last = title.inner_text()
    for one in held.routes:
        one.fulfill(status=500, body=json.dumps({"error": {"code": "failure", "message": "too late"}}))
    page.wait_for_timeout(100)
    assert title.inner_text() == last and page.locator(".lightbox .missing").count() == 0
    assert title.get_attribute("aria-live") == "polite"


def test_an_arrow_key_leaves_what_is_in_the_window_where_it_is(tab: Tab) -> None:
    page = tab.go("/search")
    page.wait_for_selector(".grid .name")
    page.locator(".grid a.well").first.focus()
    assert page.evaluate("scrollY") == 0
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.closest('[data-index]').dataset.index") == "1"
    assert page.evaluate("scrollY") == 0
    for _ in range(8):
        page.keyboard.press("ArrowDown")
        box = page.evaluate(
            "(({top, bottom}) => [top, bottom])(document.activeElement.closest('.card').getBoundingClientRect())"
        )
        assert box[0] >= 0 and box[1] <= page.evaluate("innerHeight"), "all of it is seen"


def test_who_likes_a_picture_by_keyboard_stays_among_them(tab: Tab) -> None:
    page = tab.go("/search")
    page.wait_for_selector(".grid .name")
    page.locator(".grid a.well").first.focus()
    page.keyboard.press("m")
    page.wait_for_selector(".grid .mark")
    assert page.evaluate("document.activeElement.closest('[data-index]')?.dataset.index") == "0"


def test_pictures_that_are_given_last_are_looked_for(tab: Tab) -> None:
    held = tab.hold("**/uploads", times=1)
    page = tab.go("/search")
    page.wait_for_selector(".grid .name")
    chooser = page.locator(".query input[type=file]")
    chooser.set_input_files({"name": "first.png", "mimeType": "image/png", "buffer": drawn(1)})
    held.wait()
    chooser.set_input_files({"name": "last.png", "mimeType": "image/png", "buffer": drawn(2)})
    page.wait_for_selector(".chip-name:text-is('last.png')")
    url = page.url
    with suppress(Error):  # the page needs it no more
        held.routes[0].continue_()
    page.wait_for_load_state("networkidle")
    assert page.url == url and page.locator(".chips .chip.part").count() == 1


def test_who_leaves_out_a_filter_keeps_the_place(tab: Tab) -> None:
    page = tab.go("/search?side=1&format=PNG")
    page.wait_for_selector(".search-results .grid, .search-results .empty")
    page.locator(".applied .remove").last.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?side=1")
    assert page.evaluate("document.activeElement.matches('.applied .remove')")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search")
    assert "Filters" in page.evaluate("document.activeElement.textContent")


def test_pictures_that_go_by_at_large_are_not_waited_for(tab: Tab) -> None:
    held = tab.hold("**/preview/*")
    page = tab.go("/search")
    page.wait_for_selector(".grid .name")
    ended: list[str] = []
    page.on("requestfailed", lambda request: ended.append(request.url))
    page.locator(".grid a.well").first.click()
    for number in range(2, 5):
        held.wait(number - 1)
        page.keyboard.press("ArrowRight")
        page.wait_for_selector(f".lightbox .title:has-text('{number} of')")
    held.wait(4)
    wait_for(lambda: page.wait_for_timeout(20) is None and len(ended) >= 3)
    assert len(held.routes) == 4
    assert ended == [one.request.url for one in held.routes[:3]], "that which is shown is waited for alone"
    held.routes[3].continue_()
    held.wait(5)  # those beside it are made ready then
    page.unroute_all(behavior="ignoreErrors")


def test_a_blink_ends_with_the_key_whatever_shift_does(writing: Tab) -> None:
    page = writing.go("/duplicates?near=0.5")
    page.locator("button.main", has_text="Review").click()
    page.wait_for_selector(".review .panes")
    page.keyboard.down("B")
    assert page.locator(".is-blinking").count() == 1
    page.keyboard.up("B")
    assert page.locator(".is-blinking").count() == 0
