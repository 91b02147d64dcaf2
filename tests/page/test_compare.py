"""Two spaces side by side: what the page answers, what it refuses, and what its browser shows."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from support.lines import process
from support.page_server import PageServer
from support.signalled import wait_for
from support.tabs import Tab
from support.two_spaces import add_space_other, fill_space_other

from vstore import Interrupted, Store
from vstore.search import model_diff
from vstore_page.page import Page
from vstore_page.views import compare as compare_view


@pytest.fixture
def server(two_server: PageServer) -> PageServer:
    return two_server


@pytest.fixture
def store(two_spaces: Path) -> Iterator[Store]:
    with Store(two_spaces / ".vstore") as store:
        yield store


def compare(server: PageServer, *query: tuple[str, str], status: int = 200) -> Any:
    return server.get(f"/compare?{urlencode(query)}", status)


def neighbours(server: PageServer, *query: tuple[str, str]) -> Any:
    """Ask until the comparison is done."""
    found: list[Any] = []

    def is_done() -> bool:
        found.append(server.get(f"/compare/neighbours?{urlencode(query)}"))
        return found[-1]["report"] is not None

    wait_for(is_done)
    return found[-1]


def key_of(store: Store, path: str) -> str:
    return store.show(path, no_neighbours=True).key.hex()


# Which spaces


def test_the_current_space_stands_beside_the_other_one(server: PageServer) -> None:
    answer = compare(server)
    assert [(one["space_name"], one["current"]) for one in answer["spaces"]] == [("builtin-2", False), ("other", True)]
    assert (answer["a"]["space_name"], answer["a"]["snapshot"]) == ("builtin-2", "v3")
    assert (answer["b"]["space_name"], answer["b"]["snapshot"], answer["hits"]) == ("other", "v4", None)
    assert compare(server, ("b", "builtin-2"))["a"]["space_name"] == "other"
    assert compare(server, ("a", "other"))["b"]["space_name"] == "builtin-2"


def test_a_side_may_be_a_snapshot(server: PageServer) -> None:
    answer = compare(server, ("a", "summer"), ("b", "other"))
    assert (answer["a"]["space_name"], answer["a"]["snapshot"]) == ("builtin-2", "v2")
    report = neighbours(server, ("a", "summer"), ("b", "other"))["report"]
    assert (report["a"]["snapshot"], report["b"]["snapshot"]) == ("v2", "v4")


def test_what_cannot_be_compared_is_refused(server: PageServer) -> None:
    refused = compare(server, ("a", "v1"), ("b", "builtin-2"), status=400)["error"]
    assert refused["message"] == "both are the space 'builtin-2'"
    assert compare(server, ("a", "nothing"), status=404)["error"]["code"] == "no_such_snapshot"
    assert compare(server, ("a", "v1"), ("a", "v2"), status=400)["error"]["message"] == "a is given 2 times"
    assert server.get("/compare/neighbours?sample=0", 400)["error"]["code"] == "usage"
    assert "no part of a query" in compare(server, ("t", "x"), status=400)["error"]["message"]


def test_a_store_with_one_space_has_nothing_to_compare(page_server: PageServer) -> None:
    answer = compare(page_server)
    assert (answer["a"], answer["b"], [one["space_name"] for one in answer["spaces"]]) == (None, None, ["builtin-2"])
    assert "one space" in page_server.get("/compare/neighbours", 400)["error"]["message"]


# Queries


def test_an_answer_says_that_it_is_approximate(
    two_spaces: Path, tmp_path: Path, serve: Callable[..., PageServer], open_tab: Callable[..., Tab]
) -> None:
    folder = Path(shutil.copytree(two_spaces, tmp_path / "own", symlinks=True)) / ".vstore"
    with Store(folder) as store:
        space = store.index_build(exact_below=0).now.space_name
        key = key_of(store, "pictures/animals/fish-1.jpg")
    server = serve(folder)
    found = compare(server, ("t", f"+1:key:{key}"))
    for side in "ab":
        is_indexed = found[side]["space_name"] == space
        assert found["hits"][side]["approximate"] is is_indexed
        assert found["hits"][side]["recall_at_10"] == (1 if is_indexed else None)
    assert server.get(f"/picture/{key}")["approximate"] is True
    assert server.get(f"/picture/{key}?at=v1")["approximate"] is False
    page = open_tab(server).go(f"/compare?t=%2B1:key:{key}")
    page.wait_for_selector("text=finds 1.000 of the ten nearest, as measured")
    assert page.get_by_text("as measured").count() == 1
    page.goto(page.url.replace(f"/compare?t=%2B1:key:{key}", f"/picture/{key}"))
    page.wait_for_selector("text=Approximate: some may be missing.")


def test_both_answer_one_query(server: PageServer, store: Store) -> None:
    key = key_of(store, "pictures/animals/fish-1.jpg")
    answer = compare(server, ("t", f"+1:key:{key}"), ("k", "8"))
    hits = answer["hits"]
    found = {}
    for side, at in (("a", "v3"), ("b", "v4")):
        found[side] = [hit.key.hex() for hit in store.search(key, k=8, at=at)]
        assert [hit["picture"]["key"] for hit in hits[side]["hits"]] == found[side]
        assert hits[side]["error"] is None
    for side, other in (("a", "b"), ("b", "a")):
        places = {key: place for place, key in enumerate(found[other], 1)}
        assert [hit["place"] for hit in hits[side]["hits"]] == [places.get(key) for key in found[side]]
    assert hits["both"] == len({*found["a"]} & {*found["b"]})
    assert answer["terms"][0]["picture"]["name"] == "fish-1.jpg"


def test_a_space_that_cannot_answer_says_why_and_the_other_answers(
    own_library: Path, serve: Callable[..., PageServer], store: Store
) -> None:
    server = serve(add_space_other(own_library, filled=False) / ".vstore")
    hits = compare(server, ("t", f"+1:key:{key_of(store, 'pictures/animals/fish-1.jpg')}"), ("k", "3"))["hits"]
    assert hits["both"] is None
    assert {len(hits["a"]["hits"]), len(hits["b"]["hits"])} == {0, 3}
    error = (hits["a"]["error"] or hits["b"]["error"])["message"]
    assert error == "the space other has no snapshot yet"


def test_words_are_refused_by_a_space_that_reads_none(server: PageServer) -> None:
    hits = compare(server, ("t", "+1:text:a red car"))["hits"]
    assert hits["a"]["error"]["message"] == "the model of builtin-2 reads no words"
    assert (hits["a"]["hits"], hits["both"]) == ([], None)


# Neighbours


def test_the_figure_and_the_pictures_are_those_of_model_diff(server: PageServer, store: Store) -> None:
    answer = neighbours(server)
    wanted = store.model_diff("builtin-2", "other", changed=24)
    report = answer["report"]
    assert (answer["done"], answer["total"]) == (wanted.sample, wanted.sample)
    as_json = json.loads(json.dumps(wanted.to_json()))
    for name in ("a", "b", "pictures", "sample", "k", "overlap", "low", "high", "chance"):
        assert report[name] == as_json[name], name
    assert report["at"] == "v4"
    assert [one["picture"]["key"] for one in report["changed"]] == [one.key.hex() for one in wanted.changed]
    first, expected = report["changed"][0], wanted.changed[0]
    assert [(near["picture"]["key"], near["place"]) for near in first["b"]] == [
        (near.key.hex(), near.place) for near in expected.b
    ]


def test_a_sample_is_taken_from_the_address(server: PageServer) -> None:
    report = neighbours(server, ("sample", "5"))["report"]
    assert report["sample"] == 5
    assert report["low"] < report["overlap"] < report["high"]


def test_an_error_of_the_comparison_is_told_and_it_begins_again(
    own_library: Path, serve: Callable[..., PageServer]
) -> None:
    server = serve(add_space_other(own_library, filled=False) / ".vstore")
    for _ in range(2):
        said: list[Any] = []

        def is_told(said: list[Any] = said) -> bool:
            status, _, body = server.ask("GET", "/compare/neighbours")
            said.append(json.loads(body))
            return status == 400

        wait_for(is_told)
        assert "neighbours need two or more" in said[-1]["error"]["message"]
    fill_space_other(own_library)
    assert neighbours(server)["report"]["b"]["snapshot"] == "v4"


SLOW = """
import threading, vstore.search.model_diff as slow
near = slow._Finder.nearest
def nearest(self, begin, end):
    threading.Event().wait(0.05)
    return near(self, begin, end)
slow._Finder.nearest, slow._AT_ONCE = nearest, 1
"""


def test_a_comparison_under_way_tells_how_far_it_is_and_ends_with_the_server(
    two_spaces: Path, serve: Callable[..., PageServer]
) -> None:
    server = serve(two_spaces / ".vstore", before=SLOW)
    steps: list[Any] = []

    def has_begun() -> bool:
        steps.append(server.get("/compare/neighbours"))
        return bool(steps[-1]["done"])

    wait_for(has_begun)
    assert steps[-1]["done"] < steps[-1]["total"]
    assert steps[-1]["report"] is None
    assert server.stop(signal.SIGTERM).code in (0, 143)


def test_a_comparison_that_nobody_asks_for_ends_and_begins_again(
    two_spaces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_diff, "_AT_ONCE", 1)
    monkeypatch.setattr(compare_view, "_PATIENCE", -1.0)
    with Store(two_spaces / ".vstore") as store, Page(store) as page:
        kept = compare_view.Comparisons(page)
        rows = {row.space_name: row for row in store.model_list()}
        sides = compare_view.Side(rows["builtin-2"], "v3"), compare_view.Side(rows["other"], "v4")
        kept.of(sides, 1000)
        (run,) = kept._of.values()
        wait_for(lambda: run.result is not None)
        assert isinstance(run.result, Interrupted)
        assert run.done == 1
        monkeypatch.setattr(compare_view, "_PATIENCE", 90.0)
        wait_for(lambda: kept.of(sides, 1000)[0] is not None)
        assert kept.of(sides, 1000)[0] == store.model_diff("v3", "v4", changed=24)


# In a browser


@pytest.fixture
def tab(open_tab: Callable[..., Tab], server: PageServer) -> Tab:
    return open_tab(server)


def test_the_figure_and_both_strips_are_shown(tab: Tab, store: Store) -> None:
    wanted = store.model_diff("builtin-2", "other", changed=24)
    page = tab.look("/compare")
    page.wait_for_selector(".change")
    assert page.inner_text(".agreement-number") == f"{100 * wanted.overlap:.1f} %"
    assert page.locator(".change").count() == len(wanted.changed)
    first = page.locator(".change").first
    assert first.locator(".strip").count() == 2
    assert first.locator(".strip li").count() == 2 * wanted.k
    same = round(wanted.changed[0].overlap * wanted.k)
    assert first.locator(".differs").count() == 2 * (wanted.k - same)
    page.wait_for_function("() => document.querySelector('.strip img').naturalWidth > 0")


def test_a_picture_is_asked_for_in_both(tab: Tab) -> None:
    page = tab.look("/compare?a=builtin-2&b=other")
    page.click(".change >> nth=0 >> text=Ask both with it")
    page.wait_for_selector(".beside .card")
    assert "t=%2B1%3Akey%3A" in page.url
    columns = page.locator(".beside > section")
    assert [columns.nth(at).locator("h2").inner_text() for at in (0, 1)] == ["A · builtin-2", "B · other"]
    assert page.locator(".beside .card").count() == 40
    only = columns.nth(0).locator(".only").count()
    assert page.inner_text(".answers") == f"{20 - only} of 20 are the same. Show what changed most"
    page.click("text=Show what changed most")
    page.wait_for_selector(".change")
    assert "t=" not in page.url
    page.go_back()
    page.wait_for_selector(".beside .card")


def test_a_part_of_the_query_is_turned_and_left_out(tab: Tab, store: Store) -> None:
    key = key_of(store, "pictures/animals/fish-1.jpg")
    page = tab.look(f"/compare?t=%2B1:key:{key}")
    page.wait_for_selector(".beside .card")
    page.click("[aria-label='fish-1.jpg: look for it']")
    page.wait_for_url("**t=-1%3Akey%3A*")
    page.wait_for_function("() => !document.querySelector('.compare-results.stale')")
    assert page.locator(".beside .card .name").first.inner_text() != "fish-1.jpg"
    page.click("[aria-label='Leave out fish-1.jpg']")
    page.wait_for_selector(".change")


def test_a_picture_of_the_client_is_looked_for_in_both(
    own_library: Path, serve: Callable[..., PageServer], open_tab: Callable[..., Tab]
) -> None:
    for words in (["model", "add", "older", "--model", "builtin", "--prepare", "1"], ["sync", "--space", "older"]):
        assert process(*words, "-q", cwd=own_library).code == 0
    page = open_tab(serve(own_library / ".vstore")).look("/compare")
    page.wait_for_selector(".query-box")
    assert page.is_disabled(".query-box .words"), "neither reads words"
    page.set_input_files("input[type=file]", own_library / "pictures/landscapes/forest-1.jpg")
    page.wait_for_selector(".beside .card")
    firsts = page.locator(".beside section li:first-child .name").all_inner_texts()
    assert firsts == ["forest-1.jpg", "forest-1.jpg"]


def test_spaces_are_chosen_and_swapped_in_the_address(tab: Tab) -> None:
    page = tab.look("/compare")
    page.wait_for_selector(".change")
    before = page.inner_text(".agreement-number")
    page.keyboard.press("x")
    page.wait_for_url("**a=other&b=builtin-2")
    page.wait_for_selector(".change")
    assert page.input_value("select >> nth=0") == "other"
    assert page.inner_text(".agreement-number") == before
    page.go_back()
    page.wait_for_function("() => document.querySelector('select')?.value === 'builtin-2'")


def test_a_neighbour_is_shown_at_large_and_the_focus_comes_back(tab: Tab) -> None:
    page = tab.look("/compare")
    page.wait_for_selector(".change")
    page.focus(".strip a >> nth=2")
    page.keyboard.press("Enter")
    page.locator(".lightbox .title").get_by_text("3 of 10").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_selector(".lightbox", state="detached")
    assert page.evaluate("document.activeElement.closest('.strip') !== null")


@pytest.mark.parametrize("query", ["", "?sample=5", "?t=%2B1:key:"])
def test_it_is_as_wide_as_a_small_window(tab: Tab, store: Store, query: str) -> None:
    if query.endswith(":"):
        query += key_of(store, "pictures/animals/fish-1.jpg")
    page = tab.look(f"/compare{query}", width=400, dark=True)
    page.wait_for_selector(".change, .beside .card")
    page.wait_for_selector(".scale")
    assert not tab.is_too_wide()


def test_the_difference_of_snapshots_of_two_spaces_leads_to_their_comparison(tab: Tab) -> None:
    page = tab.look("/diff?a=v3&b=v4")
    page.click("text=Compare how they see pictures")
    page.wait_for_selector(".change")
    assert page.url.endswith("/compare?a=v3&b=v4")


def test_a_store_with_one_space_says_what_to_do(open_tab: Callable[..., Tab], page_server: PageServer) -> None:
    page = open_tab(page_server).look("/compare")
    page.wait_for_selector(".empty")
    assert "This store has one space, builtin-2." in page.inner_text(".empty")
