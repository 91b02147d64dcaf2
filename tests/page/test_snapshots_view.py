"""The views of snapshots in a browser: the history, a difference, and what `--write` allows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.gallery_page import HOSTILE
from support.lines import process
from support.page_server import PageServer
from support.signalled import wait_for
from support.tabs import NARROW, WIDE, Tab

from vstore import Store

Serve = Callable[..., PageServer]


def names(page: Any, within: str) -> list[str]:
    return [str(one) for one in page.locator(f"{within} .snapshot h2.name").all_inner_texts()]


def press(page: Any, name: str) -> None:
    """Press a button of the page, then the one of the same words that confirms it."""
    page.get_by_role("button", name=name).click()
    page.locator("dialog").get_by_role("button", name=name).click()


# The history


def test_the_history_shows_each_snapshot(tab: Tab) -> None:
    page = tab.go("/snapshots")
    page.wait_for_selector(".snapshot")
    assert names(page, "main") == ["v3", "v2", "v1"]
    first, second, third = page.locator(".snapshot").all_inner_texts()
    assert "current" in first and "tidied" in first and "35 paths, 34 pictures" in first
    assert "summer" in second and "the town" in second
    assert "current" not in third
    assert page.locator(".operations tbody tr").count() == 5


def test_a_page_that_only_reads_offers_no_change(tab: Tab) -> None:
    page = tab.go("/snapshots")
    page.wait_for_selector(".snapshot")
    shown = page.locator("main button:visible").all_inner_texts()
    assert shown == []


def test_two_snapshots_are_chosen_and_compared(tab: Tab) -> None:
    page = tab.go("/snapshots")
    page.get_by_label("Compare from v1").check()
    page.get_by_role("link", name="Compare v1 → v3").click()
    page.wait_for_selector("h1:text('v1 → v3')")
    assert page.url.endswith("/diff?a=v1&b=v3")
    page.go_back()
    page.get_by_label("Compare to v2").check()
    page.keyboard.press("c")
    page.wait_for_selector("h1:text('v1 → v2')")  # who comes back finds what was chosen


def test_a_store_without_snapshots_says_how_to_begin(serve: Serve, tmp_path: Path, open_tab: Any) -> None:
    Store.init(tmp_path / ".vstore")
    tab = open_tab(serve(tmp_path / ".vstore", "--write"))
    page = tab.go("/snapshots")
    page.wait_for_selector(":text('Make one with: vstore sync FOLDER')")
    assert page.get_by_role("button", name="Undo").is_disabled()
    tab.allowed.append("404")
    tab.go("/diff").wait_for_selector(".failure")


def test_older_snapshots_and_operations_are_loaded_when_asked_for(
    serve: Serve, own_library: Path, open_tab: Any
) -> None:
    with Store(own_library / ".vstore") as store:
        for number in range(120):
            store.fields_set({"rating": number}, ["pictures/animals/cat-3.jpg"])
    page = open_tab(serve(own_library / ".vstore")).go("/snapshots")
    page.wait_for_selector(".snapshot")
    assert len(names(page, "main")) == 100
    page.get_by_role("button", name="Older ones").click()
    page.wait_for_selector("#v1")
    assert names(page, "main") == [f"v{number}" for number in range(123, 0, -1)]
    assert page.get_by_role("button", name="Older ones").is_hidden()
    rows = page.locator(".operations tbody tr")
    assert rows.count() == 20
    page.get_by_role("button", name="Earlier ones").click()
    page.wait_for_selector(".operations tbody tr:nth-child(120)")
    page.get_by_role("button", name="Earlier ones").click()
    page.wait_for_selector(".operations tr:has-text('init')")
    assert page.get_by_role("button", name="Earlier ones").is_hidden()


# A difference


def test_a_difference_shows_pictures_kind_by_kind(tab: Tab) -> None:
    page = tab.go("/diff?a=v1&b=v3")
    page.wait_for_selector("section")
    assert page.locator("nav a[aria-current]").first.inner_text() == "Snapshots"
    assert page.locator("section h2").all_inner_texts() == [
        "Changed 1",
        "Renamed 1",
        "Copied 2",
        "Added 6",
        "Removed 1",
    ]
    pair = page.locator(".pair")
    assert pair.locator(".mark").all_inner_texts() == ["in v1", "in v3"]
    sources = pair.locator("img").evaluate_all("images => images.map(one => one.src)")
    assert sources[0] != sources[1]
    wait_for(lambda: pair.locator("img").evaluate_all("images => images.every(one => one.naturalWidth > 0)"))
    assert "was cat-1.jpg" in page.locator("section", has_text="Renamed").inner_text()
    page.wait_for_selector("section[aria-label=Removed] :text('no longer there')")
    assert "cat-2.jpg" in page.locator("section[aria-label=Removed]").inner_text()


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("kind", ["", "&kind=renamed"])
def test_the_old_path_of_a_moved_picture_is_seen_whole(
    own_library: Path, serve: Serve, open_tab: Callable[..., Tab], kind: str, width: int
) -> None:
    (own_library / "pictures" / "landscapes" / "sunset-1.jpg").rename(own_library / "pictures" / "evening.jpg")
    assert process("sync", "-q", cwd=own_library).code == 0
    page = open_tab(serve(own_library / ".vstore")).look(f"/diff?a=v3&b=v4{kind}", width=width)
    was = page.locator(".was")
    was.wait_for()
    assert was.inner_text() == "was pictures/landscapes/sunset-1.jpg"
    lines = "(one) => { const all = new Range(); all.selectNodeContents(one); return all.getBoundingClientRect(); }"
    words, card = was.evaluate(lines), page.locator(".card", has=was).bounding_box()
    assert card is not None
    assert words["x"] + words["width"] <= card["x"] + card["width"], "no line is cut at its end"
    assert words["y"] + words["height"] <= card["y"] + card["height"], "no line is cut below"


def test_one_kind_is_shown_alone(tab: Tab) -> None:
    page = tab.go("/diff?a=v1&b=v3")
    page.get_by_role("link", name="Added 6").click()
    page.wait_for_selector(".grid .card .name")
    assert page.url.endswith("kind=added")
    assert page.locator(".grid .name").all_inner_texts() == [
        *(f"skyline-{number}.jpg" for number in (1, 2, 3)), *(f"street-{number}.jpg" for number in (1, 2, 3))
    ]  # fmt: skip
    page.get_by_role("link", name="Changed 1").click()
    page.wait_for_selector(".grid .pair")
    page.get_by_role("link", name="All 11").click()
    page.wait_for_selector("section")


def test_a_changed_picture_is_shown_at_large_as_it_was_and_as_it_is(tab: Tab) -> None:
    page = tab.go("/diff?a=v2&b=v3")
    page.locator(".pair a.well").first.click()
    page.wait_for_selector(".lightbox:has-text('1 of 2')")
    assert "in v2" in page.locator(".lightbox").inner_text()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".lightbox:has-text('2 of 2')")
    assert "in v3" in page.locator(".lightbox").inner_text()
    page.keyboard.press("Escape")
    page.wait_for_selector(".lightbox", state="detached")
    page.locator("section[aria-label=Copied] a.well").last.click()
    page.wait_for_selector(".lightbox:has-text('2 of 2')")


def test_the_other_way_round(tab: Tab) -> None:
    page = tab.go("/diff?a=v1&b=v2")
    page.wait_for_selector("section[aria-label=Added]")
    page.keyboard.press("x")
    page.wait_for_selector("section[aria-label=Removed]")
    assert page.url.endswith("/diff?a=v2&b=v1")
    page.get_by_label("Before").select_option("v1")
    page.wait_for_selector(":text('The same pictures under the same paths.')")


def test_a_snapshot_that_is_not_there_is_said(tab: Tab) -> None:
    tab.allowed.append("404")
    page = tab.go("/diff?a=v9")
    page.wait_for_selector(".failure:has-text('No snapshot')")
    page.get_by_role("link", name="Choose two snapshots").click()
    page.wait_for_selector(".snapshot")


def test_many_differences_are_loaded_as_they_are_scrolled_to(serve: Serve, own_library: Path, open_tab: Any) -> None:
    (own_library / "many").mkdir()
    base = (own_library / "pictures/table/cup-1.jpg").read_bytes()
    for number in range(700):
        (own_library / f"many/{number:03}.jpg").write_bytes(base + number.to_bytes(2, "big"))  # after its end
    assert process("sync", "many", "-q", cwd=own_library).code == 0
    page = open_tab(serve(own_library / ".vstore")).go("/diff")
    page.wait_for_selector("section")
    assert page.locator("section .card").count() == 24
    page.get_by_role("link", name="Show all 700").click()
    page.wait_for_selector(".grid .name:text('000.jpg')")
    page.locator(".grid a").first.focus()
    page.keyboard.press("End")
    page.wait_for_selector(".grid .name:text('699.jpg')")
    assert page.locator(".grid .card").count() < 200
    page.keyboard.press("Enter")
    page.wait_for_selector(".lightbox:has-text('700 of 700')")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(".lightbox:has-text('698.jpg')")


@pytest.mark.parametrize(("width", "columns"), [(NARROW, 1), (WIDE, 3)])
def test_pairs_stand_side_by_side_and_none_hides_another(
    serve: Serve, own_library: Path, open_tab: Any, width: int, columns: int
) -> None:
    for file in (own_library / "pictures/landscapes").iterdir():
        file.write_bytes(file.read_bytes() + b"!")
    assert process("sync", "-q", cwd=own_library).code == 0
    tab = open_tab(serve(own_library / ".vstore"))
    tab.look("/diff?kind=changed", width=width, height=900).wait_for_selector(".pair .name")
    places = tab.page.locator(".grid > .pair").evaluate_all(
        "pairs => pairs.map(one => one.getBoundingClientRect()).map(one => [one.left, one.right, one.top, one.bottom])"
    )
    assert len(places) > 2 * columns
    assert len({left for left, *_ in places}) == columns
    for number, (left, right, top, bottom) in enumerate(places):
        for others_left, others_right, others_top, others_bottom in places[:number]:
            assert others_right <= left or right <= others_left or others_bottom <= top or bottom <= others_top
    parts = (
        tab.page.locator(".pair").first.locator(".card").evaluate_all("cards => cards.map((one) => one.offsetWidth)")
    )
    assert len(parts) == 2 and abs(parts[0] - parts[1]) <= 1


def test_fields_that_differ_are_counted(serve: Serve, own_library: Path, open_tab: Any) -> None:
    with Store(own_library / ".vstore") as store:
        store.fields_set({"rating": 4}, ["pictures/animals/cat-3.jpg"])
    page = open_tab(serve(own_library / ".vstore")).go("/diff")
    page.wait_for_selector(".fields:has-text('field rating: 1 picture added')")


def test_hostile_names_tags_and_messages_are_text(serve: Serve, own_library: Path, open_tab: Any) -> None:
    message = "<img src=x onerror=document.title='taken'>"
    name = os.path.join(os.fsencode(own_library / "pictures"), os.fsencode(HOSTILE))
    with open(name, "wb") as file:
        file.write((own_library / "pictures/table/cup-1.jpg").read_bytes() + b"!")
    assert process("sync", "-q", "-m", message, cwd=own_library).code == 0
    tab = open_tab(serve(own_library / ".vstore"))
    page = tab.go("/snapshots")
    page.wait_for_selector(".snapshot")
    assert message in page.locator(".snapshot").first.inner_text()
    tab.go("/diff")
    page.wait_for_selector("section")
    assert '"><script>alert(1)' in page.locator("section[aria-label=Added]").inner_text()
    assert page.title() == "v3 → v4 – vstore"
    assert page.evaluate("document.scripts.length") == 1


# What --write allows


def test_a_rollback_says_what_it_does_and_is_undone(writing: Tab) -> None:
    page = writing.go("/snapshots")
    page.get_by_role("button", name="Make v1 current").click()
    dialog = page.locator("dialog")
    assert "No picture is touched" in dialog.inner_text()
    dialog.get_by_role("button", name="Cancel").click()
    assert writing.server.get("/state")["current"] == "v3"
    press(page, "Make v1 current")
    page.wait_for_selector(".told:has-text('v1 is now current; before it was v3.')")
    assert "v1 is now current" in page.evaluate("document.activeElement.textContent")
    assert "current" in page.locator(".snapshot", has_text="first pictures").inner_text()
    page.keyboard.press("u")
    page.locator("dialog").get_by_role("button", name="Undo").click()
    page.wait_for_selector(".told:has-text('v3 is current.')")
    press(page, "Redo")
    page.wait_for_selector(".told:has-text('v1 is current.')")
    assert writing.server.get("/state")["current"] == "v1"


def test_syncing_is_held_and_allowed_again(writing: Tab, own_library: Path) -> None:
    page = writing.go("/snapshots")
    page.get_by_role("button", name="Make v2 current").click()
    page.get_by_label("Hold syncing").check()
    page.locator("dialog").get_by_role("button", name="Make v2 current").click()
    page.wait_for_selector(".held:has-text('Syncing is held at v2')")
    assert process("sync", "-q", cwd=own_library).code != 0
    press(page, "Allow syncing")
    page.wait_for_selector(".told:has-text('Syncing is allowed again.')")
    assert page.locator(".held").count() == 0
    assert process("sync", "-q", cwd=own_library).code == 0


def test_a_tag_is_given_and_taken(writing: Tab) -> None:
    page = writing.go("/snapshots")
    page.get_by_role("button", name="Tag v1").click()
    page.keyboard.type("first")
    page.keyboard.press("Enter")
    page.wait_for_selector(".told:has-text('v1 is tagged first.')")
    assert writing.server.get("/snapshots")["snapshots"][2]["tags"] == ["first"]
    page.get_by_role("button", name="Remove the tag first").click()
    page.locator("dialog").get_by_role("button", name="Remove the tag").click()
    page.wait_for_selector(".told:has-text('Removed the tag first.')")
    writing.allowed.append("400")
    page.get_by_role("button", name="Tag v1").click()
    page.keyboard.type("summer")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog .failure:has-text('already has the tag')")
    assert page.input_value("dialog input[type=text]") == "summer", "what was typed is there to be put right"
    page.keyboard.press("End")
    page.keyboard.type("-2")
    page.keyboard.press("Enter")
    page.wait_for_selector(".told:has-text('v1 is tagged summer-2.')")


def test_where_the_store_has_changed_meanwhile_nothing_is_done_and_it_is_said(writing: Tab, own_library: Path) -> None:
    page = writing.go("/snapshots")
    page.wait_for_selector(".snapshot")
    with Store(own_library / ".vstore") as store:
        store.rollback("v2")
    writing.allowed.append("409")
    press(page, "Make v1 current")
    page.wait_for_selector(".failure:has-text('The store has changed meanwhile: rollback of')")
    assert writing.server.get("/state")["current"] == "v2"
    assert "current" in page.locator(".snapshot", has_text="the town").inner_text()
    press(page, "Make v1 current")
    page.wait_for_selector(".told:has-text('v1 is now current; before it was v2.')")


@pytest.mark.parametrize("dark", [False, True])
def test_the_views_fit_a_narrow_window(writing: Tab, dark: bool) -> None:
    for path, ready in (("/snapshots", ".snapshot"), ("/diff?a=v1", "section"), ("/diff?a=v1&kind=changed", ".pair")):
        writing.look(path, dark=dark, width=NARROW).wait_for_selector(ready)
        assert not writing.is_too_wide(), path
