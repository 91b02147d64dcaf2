"""The grid of any number of pictures: only those around the window are there, and the keyboard reaches all."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page
from support.tabs import NARROW, Tab

MADE = """async (count) => {
  const { grid } = await import("/static/grid.js");
  const { el } = await import("/static/dom.js");
  window.asked = [];
  window.cells = 0;
  const main = document.getElementById("main");
  main.replaceChildren();
  window.grid = grid(main, {
    count,
    load: async (from, many) => {
      asked.push([from, many]);
      return Array.from({ length: many }, (_, at) => from + at);
    },
    cell: (one) => ++cells && el("div", { class: "card" }, el("a", { class: "well", href: "#" }, one)),
  });
}"""
IN_WINDOW = """() => {
  const bar = document.querySelector(".bar").getBoundingClientRect().bottom;
  return [...document.querySelectorAll(".grid .card .well")].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.bottom > bar && box.top < innerHeight;
  }).map((one) => Number(one.textContent)).sort((a, b) => a - b);
}"""


def made(tab: Tab, count: int, width: int = 1280) -> Page:
    page = tab.look("/picture/none", width=width)
    page.wait_for_selector(".failure")
    page.evaluate(MADE, count)
    page.wait_for_selector(".grid .well")
    return page


@pytest.fixture(autouse=True)
def _no_picture(tab: Tab) -> None:
    tab.allowed.append("400")


def in_window(page: Page) -> list[int]:
    found: list[int] = page.evaluate(IN_WINDOW)
    return found


def settle(page: Page, wanted: str) -> None:
    """Wait until a condition on the numbers in the window, `all`, holds."""
    page.wait_for_function(f"() => {{ const all = ({IN_WINDOW})(); return all.length && ({wanted}); }}")


@pytest.mark.parametrize("count", [100_000, 1_000_000])
@pytest.mark.parametrize("width", [1280, NARROW])
def test_few_of_many_are_there_wherever_it_is_scrolled(tab: Tab, count: int, width: int) -> None:
    page = made(tab, count, width)
    tall = page.evaluate("document.querySelector('.grid').offsetHeight")
    assert tall <= 8_000_000
    for share in (0.25, 0.5, 0.9):
        page.evaluate(f"scrollTo(0, {share} * document.documentElement.scrollHeight)")
        settle(page, f"Math.abs(all[0] / {count} - {share}) < 0.01")
        found = in_window(page)
        assert found == list(range(found[0], found[0] + len(found)))
        assert page.locator(".grid .card").count() < 120
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    settle(page, f"all.at(-1) === {count - 1}")
    page.evaluate("scrollTo(0, 0)")
    settle(page, "all[0] === 0")
    assert not tab.is_too_wide()


@pytest.mark.parametrize("count", [100_000, 1_000_000])
def test_short_ways_go_row_by_row(tab: Tab, count: int) -> None:
    page = made(tab, count)
    page.evaluate("scrollTo(0, 0.5 * document.documentElement.scrollHeight)")
    settle(page, f"Math.abs(all[0] / {count} - 0.5) < 0.01")
    before = in_window(page)[0]
    for step in range(1, 6):
        page.mouse.wheel(0, 272)
        settle(page, f"all[0] >= {before + 5 * step - 5} && all[0] <= {before + 5 * step + 5}")


@pytest.mark.parametrize("count", [100_000, 1_000_000])
def test_keys_move_the_focus_which_stays_in_the_window(tab: Tab, count: int) -> None:
    page = made(tab, count)
    page.focus(".grid .well >> nth=0")

    def press(key: str, wanted: int) -> None:
        page.keyboard.press(key)
        page.wait_for_function(f"() => document.activeElement.textContent === '{wanted}'")  # once it is loaded
        assert wanted in in_window(page)

    press("ArrowRight", 1)
    press("ArrowDown", 6)
    press("ArrowLeft", 5)
    press("ArrowUp", 0)
    press("ArrowUp", 0)
    press("End", count - 1)
    press("ArrowRight", count - 1)
    press("ArrowLeft", count - 2)
    page.keyboard.press("PageUp")
    assert int(page.evaluate("document.activeElement.textContent")) in in_window(page)
    press("Home", 0)
    page.keyboard.press("Tab")
    assert page.evaluate("!document.activeElement.closest('.grid')"), "one stop of Tab for all"


def test_the_focus_is_kept_while_its_cell_is_scrolled_away(tab: Tab) -> None:
    page = made(tab, 100_000)
    page.focus(".grid .well >> nth=3")
    page.evaluate("scrollTo(0, 0.5 * document.documentElement.scrollHeight)")
    settle(page, "all[0] > 40000")
    assert page.evaluate("document.activeElement.textContent") == "3"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "4"
    assert 4 in in_window(page)


def test_it_loads_only_what_is_near_the_window(tab: Tab) -> None:
    page = made(tab, 100_000)
    page.evaluate("scrollTo(0, 0.5 * document.documentElement.scrollHeight)")
    settle(page, "all[0] > 40000")
    asked = page.evaluate("asked")
    assert asked[0] == [0, 200]
    assert 2 <= len(asked) <= 4
    assert all(many <= 200 for _, many in asked)


def test_what_is_passed_by_at_speed_is_not_made(tab: Tab) -> None:
    page = made(tab, 100_000)
    before = page.evaluate("cells")
    page.evaluate(
        """async () => {
          for (let step = 0; step < 40; step++) {
            scrollBy(0, 25 * innerHeight);
            await new Promise(requestAnimationFrame);
          }
        }"""
    )
    settle(page, "all[0] > 10000 && !all.includes(0)")
    assert page.evaluate("cells") - before < 4 * 120
    assert len(page.evaluate("asked")) < 8


def test_images_that_are_scrolled_away_are_not_waited_for(tab: Tab) -> None:
    tab.hold("**/thumbnail/**")
    page = made(tab, 100_000)
    page.evaluate(
        """async () => {
          const image = new Image();
          document.querySelector(".grid .card .well").append(image);
          image.src = "/thumbnail/none";
          window.waited = image;
        }"""
    )
    page.evaluate("scrollTo(0, 0.5 * document.documentElement.scrollHeight)")
    settle(page, "all[0] > 40000")
    assert page.evaluate("waited.getAttribute('src')") is None


def test_another_width_keeps_the_place(tab: Tab) -> None:
    page = made(tab, 100_000)
    page.evaluate("scrollTo(0, 0.5 * document.documentElement.scrollHeight)")
    settle(page, "all[0] > 40000")
    before = in_window(page)[0]
    page.set_viewport_size({"width": NARROW, "height": 800})
    settle(page, f"Math.abs(all[0] - {before}) < 20")
    assert not tab.is_too_wide()


def test_it_says_what_it_is_to_those_who_do_not_see_it(tab: Tab) -> None:
    page = made(tab, 1234)
    assert page.get_attribute(".grid", "role") == "list"
    assert page.get_attribute(".grid", "aria-label") == "Pictures: 1,234"
    cell = page.locator(".grid .card", has_text="7").first
    assert (cell.get_attribute("aria-posinset"), cell.get_attribute("aria-setsize")) == ("8", "1234")
    page.evaluate("grid.close()")
    assert page.locator(".grid").count() == 0
