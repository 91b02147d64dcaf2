"""The search of the page: what it answers, what it refuses, and what its browser shows."""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page
from support.hostile import png
from support.page_server import PageServer
from support.tabs import NARROW, Tab
from support.two_spaces import add_space_other

from vstore import Store

Query = list[tuple[str, str]]


def search(server: PageServer, *query: tuple[str, str], status: int = 200) -> Any:
    return server.get(f"/search?{urlencode(query)}", status)


def paths(answer: Any) -> list[str]:
    return [hit["picture"]["paths"][0] for hit in answer["hits"]]


def keys(server: PageServer, *query: tuple[str, str]) -> list[str]:
    status, _, body = server.ask("GET", f"/keys?{urlencode(query)}")
    assert status == 200, body
    return [body[at : at + body[0]].hex() for at in range(1, len(body), body[0])] if body[0] else []


def upload(server: PageServer, data: bytes, status: int = 200, **headers: str) -> Any:
    given = {"Content-Type": "application/octet-stream", "Origin": server.origin, "X-Vstore": "1"} | headers
    found, _, body = server.ask("POST", "/uploads", given, data)
    assert found == status, body
    return json.loads(body)


@pytest.fixture
def store(library: Path) -> Iterator[Store]:
    with Store(library / ".vstore") as store:
        yield store


def key_of(store: Store, path: str) -> str:
    return store.show(path, no_neighbours=True).key.hex()


# Queries


def test_a_picture_of_the_snapshot_finds_what_a_search_finds(page_server: PageServer, store: Store) -> None:
    key = key_of(store, "pictures/animals/renamed.jpg")
    answer = search(page_server, ("t", f"+1:key:{key}"), ("k", "7"))
    expected = store.search(key, k=7)
    assert [(hit["picture"]["key"], hit["score"]) for hit in answer["hits"]] == [
        (hit.key.hex(), round(hit.score, 6)) for hit in expected
    ]
    assert paths(answer)[0] == "pictures/animals/renamed.jpg"
    assert (answer["snapshot"], answer["current"], answer["why_empty"]) == ("v3", True, "")
    assert answer["terms"][0]["picture"]["name"] == "renamed.jpg"
    assert answer["images"] == len(store.view())


def test_several_terms_are_weighed(page_server: PageServer, store: Store) -> None:
    cat, fish = key_of(store, "pictures/animals/renamed.jpg"), key_of(store, "pictures/animals/fish-1.jpg")
    answer = search(page_server, ("t", f"+1:key:{cat}"), ("t", f"-0.5:key:{fish}"), ("k", "5"))
    from vstore import Operand

    expected = store.search([Operand(1.0, key=cat), Operand(-0.5, key=fish)], k=5)
    assert [hit["picture"]["key"] for hit in answer["hits"]] == [hit.key.hex() for hit in expected]
    assert [term["weight"] for term in answer["terms"]] == [1.0, -0.5]


def test_an_older_snapshot_is_searched_as_it_was(page_server: PageServer, store: Store) -> None:
    key = key_of(store, "pictures/animals/renamed.jpg")
    answer = search(page_server, ("t", f"+1:key:{key}"), ("at", "summer"))
    assert (answer["snapshot"], answer["current"]) == ("v2", False)
    assert paths(answer)[0] == "pictures/animals/cat-1.jpg"
    assert "no snapshot 'v99'" in search(page_server, ("at", "v99"), status=404)["error"]["message"]


def test_limits_and_collapse_are_those_of_a_search(page_server: PageServer, store: Store) -> None:
    key = key_of(store, "pictures/animals/fish-1.jpg")
    term = ("t", f"+1:key:{key}")
    assert [hit["score"] for hit in search(page_server, term, ("min_score", "0.9"))["hits"]][-1] >= 0.9
    answer = search(page_server, term, ("min_p", "0.000001"), ("under", "pictures/landscapes"))
    assert answer["hits"] == [] and answer["why_empty"].startswith("Nothing relevant found in v3")
    answer = search(page_server, term, ("min_p", "0.5"), ("k", "3"))
    assert 0 <= answer["hits"][0]["chance"] < 0.5
    answer = search(page_server, term, ("collapse", "1"), ("k", "40"))
    folded = [one for hit in answer["hits"] for one in hit["folded"]]
    assert folded and sum(hit["folded_count"] for hit in answer["hits"]) == len(folded)


@pytest.fixture
def indexed(own_library: Path, serve: Callable[..., PageServer]) -> PageServer:
    """A server of a store whose searches ask an approximate index, small as it is."""
    with Store(own_library / ".vstore") as store:
        store.index_build(exact_below=0)
    return serve(own_library / ".vstore")


def test_an_answer_says_that_it_is_approximate(indexed: PageServer, page_server: PageServer, store: Store) -> None:
    query = ("t", f"+1:key:{key_of(store, 'pictures/animals/renamed.jpg')}")
    answer, exact = search(indexed, query), search(indexed, query, ("exact", "1"))
    assert (answer["approximate"], answer["recall_at_10"]) == (True, 1)
    assert (exact["approximate"], exact["recall_at_10"]) == (False, None)
    assert exact["hits"] == search(page_server, query)["hits"]
    assert "exact is 'yes', and not 1" in search(indexed, query, ("exact", "yes"), status=400)["error"]["message"]


def test_words_need_a_model_that_reads_them(page_server: PageServer) -> None:
    answer = search(page_server)
    assert answer["reads_text"] is False
    error = search(page_server, ("t", "+1:text:a cat"), status=400)["error"]
    assert "reads no words" in error["message"] and "look for a picture" in error["next"]


def test_a_word_is_never_taken_for_a_file(page_server: PageServer, library: Path) -> None:
    for word in (str(library / "pictures/animals/fish-1.jpg"), "./pictures/animals/fish-1.jpg", "/etc/passwd"):
        assert "reads no words" in search(page_server, ("t", f"+1:text:{word}"), status=400)["error"]["message"]


def test_without_terms_all_pictures_are_counted(page_server: PageServer, store: Store) -> None:
    answer = search(page_server)
    assert answer["hits"] is None
    assert answer["selected"] == answer["images"] == len(keys(page_server)) == len(store.view())


# Filters


FILTERS: list[Query] = [
    [("under", "pictures/animals")],
    [("name", "FISH")],
    [("format", "JPEG")],
    [("side", "300")],
    [("where", "name like 'c%' or name = 'fish-1.jpg'")],
    [("new_since", "v2")],
    [("new_since", "v2"), ("under", "pictures/animals"), ("where", "width > 10 or height > 10")],
]


@pytest.mark.parametrize("query", FILTERS, ids=str)
def test_a_filter_chooses_the_same_pictures_with_and_without_a_query(
    page_server: PageServer, store: Store, query: Query
) -> None:
    term = ("t", f"+1:key:{key_of(store, 'pictures/animals/fish-1.jpg')}")
    found = search(page_server, term, ("k", "2000"), *query)
    every, listed = search(page_server, *query), keys(page_server, *query)
    assert {hit["picture"]["key"] for hit in found["hits"]} == set(listed)
    assert 0 < every["selected"] == len(listed)
    names = page_server.get(f"/names?{urlencode([*query, ('count', '500')])}")
    assert [one["key"] for one in names["pictures"]] == listed
    assert names["images"] == len(listed)


def test_what_is_filtered_away_is_not_found(page_server: PageServer, store: Store) -> None:
    assert len(keys(page_server, ("under", "pictures/animals"))) < len(store.view())
    assert keys(page_server, ("under", "pictures/animals"), ("name", "sunset")) == []
    assert {path.rpartition("/")[2][:4] for path in paths_of(page_server, ("name", "fish"))} == {"fish"}


def paths_of(server: PageServer, *query: tuple[str, str]) -> list[str]:
    found = server.get(f"/names?{urlencode([*query, ('count', '500')])}")
    return [one["paths"][0] for one in found["pictures"]]


def test_no_filter_asks_the_disk_about_a_path(page_server: PageServer, library: Path) -> None:
    for under in (str(library / "pictures"), "/etc", "pictures/../..", "pictures/none", "./pictures", "~"):
        for place in ("/search", "/keys", "/names"):
            said = page_server.get(f"{place}?{urlencode([('under', under)])}", 400)["error"]["message"]
            assert said == f"v3 has no folder {under!r}"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ([("where", "colour = 1")], "no such column: colour"),
        ([("where", "width >")], ""),
        ([("where", "1); drop table p; --")], ""),
        ([("where", "width > 0) or (1 = 1"), ("name", "fish")], "closes nothing"),
        ([("where", "name = ')' or (1 = 1"), ("name", "fish")], "is not closed"),
        ([("since", "yesterday")], "is no date"),
        ([("since", "2024"), ("since", "2025")], "given 2 times"),
        ([("side", "large")], "no whole number"),
        ([("rating", "x")], "no whole number"),
        ([("f", "stars")], "no filter of a field"),
        ([("f", "stars:ge:4")], "no such column"),
        ([("camera", "x" * 501)], "too long"),
        ([("camera", "x")] * 101, "too long"),
        ([("k", "0")], "whole number from 1"),
        ([("k", "999999")], "whole number from 1"),
        ([("collapse", "yes")], "and not 1"),
        ([("min_p", "2"), ("t", "+1:key:" + "0" * 32)], "is not a valid --min-p"),
        ([("t", "red car")], "is no part of a query"),
        ([("t", "+1:up:none")], "no longer kept"),
        ([("t", "+1:key:" + "0" * 32)], "has no vector in this space"),
    ],
)
def test_bad_input_is_refused_with_its_reason(page_server: PageServer, query: Query, said: str) -> None:
    status, _, body = page_server.ask("GET", f"/search?{urlencode(query)}", {"Accept": "application/json"})
    error = json.loads(body)["error"]
    assert status in (400, 404) and said in error["message"] and error["message"]


def test_quotes_in_a_filter_stay_text(page_server: PageServer) -> None:
    for name in ("camera", "format", "name"):
        assert keys(page_server, (name, "' or 1=1 or '")) == []


def test_fields_are_filters(own_library: Path, serve: Callable[..., PageServer]) -> None:
    fish, cat = own_library / "pictures/animals/fish-1.jpg", own_library / "pictures/animals/renamed.jpg"
    name = 'my "own": stars'
    with Store(own_library / ".vstore") as store:
        store.fields_set({name: 5, "album": "It's", "tags": ["sea", "blue"], "done": True}, [fish])
        store.fields_set({name: 3, "album": "Other"}, [cat])
    server = serve(own_library / ".vstore")
    fields = {one["name"]: one for one in server.get("/search/choices")["fields"]}
    assert set(fields) == {name, "album", "tags", "done"}
    assert fields["album"]["values"] == [{"value": "It's", "images": 1}, {"value": "Other", "images": 1}]
    assert fields["tags"]["values"] == []
    stars = quote(name, safe="")
    both, one = ["fish-1.jpg", "renamed.jpg"], ["fish-1.jpg"]
    for given, expected in {
        f"{stars}:ge:3": both, f"{stars}:ge:3.5": one, f"{stars}:le:3": ["renamed.jpg"], f"{stars}:is:5": one,
        "album:is:It's": one, "album:contains:IT": one, "album:set:": both, "tags:has:sea": one, "tags:has:se": [],
        "done:is:1": one,
    }.items():  # fmt: skip
        assert [path.rpartition("/")[2] for path in paths_of(server, ("f", given))] == expected, given
    assert len(keys(server, ("f", "album:not:It's"))) == len(keys(server, ("f", "album:unset:"))) + 1
    assert [path.rpartition("/")[2] for path in paths_of(server, ("f", "album:set:"), ("f", f"{stars}:ge:4"))] == one


def test_choices_are_those_of_the_snapshot(page_server: PageServer) -> None:
    found = page_server.get("/search/choices")
    folders = {one["path"]: one["images"] for one in found["folders"]}
    assert folders["pictures"] == search(page_server)["images"]
    assert folders["pictures/animals"] == search(page_server, ("under", "pictures/animals"))["selected"]
    assert found["folder_count"] == len(folders)
    assert found["formats"][0]["value"] == "JPEG"
    assert found["reads_text"] is False
    older = page_server.get("/search/choices?at=v1")
    assert "pictures/town" in folders and "pictures/town" not in {one["path"] for one in older["folders"]}


# Uploads


def test_a_picture_that_is_sent_is_looked_for(page_server: PageServer, library: Path) -> None:
    data = (library / "pictures/animals/fish-1.jpg").read_bytes()
    sent = upload(page_server, data)
    assert sent["bytes"] == len(data)
    answer = search(page_server, ("t", f"+1:up:{sent['upload']}"))
    assert paths(answer)[0] == "pictures/animals/fish-1.jpg"
    assert answer["hits"][0]["score"] == 1.0
    assert answer["terms"][0]["upload"]["width"] == sent["width"]
    status, headers, body = page_server.ask("GET", f"/uploads/{sent['upload']}")
    assert (status, headers.get_content_type()) == (200, "image/jpeg")
    assert max(Image.open(io.BytesIO(body)).size) <= 256


def test_an_unknown_picture_is_decoded_and_embedded(page_server: PageServer, library: Path) -> None:
    out = io.BytesIO()
    with Image.open(library / "pictures/animals/fish-1.jpg") as picture:
        picture.resize((200, 150)).save(out, "TIFF")
    sent = upload(page_server, out.getvalue())
    assert "fish" in paths(search(page_server, ("t", f"+1:up:{sent['upload']}")))[0]


def test_what_is_no_picture_is_not_taken(page_server: PageServer) -> None:
    for data in (b"", b"no picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
        assert "cannot be decoded" in upload(page_server, data, 400)["error"]["message"]
    assert page_server.get("/uploads/../../etc/passwd", 404) and page_server.get("/uploads/none", 404)


def test_a_small_file_of_very_many_pixels_is_not_taken_and_takes_no_memory(page_server: PageServer) -> None:
    bomb = png(50_000, 50_000, zlib.compress(bytes(30_000_000), 9), depth=1)
    assert len(bomb) < 100_000
    assert "it claims 50000 × 50000 pixels" in upload(page_server, bomb, 400)["error"]["message"]
    status = Path(f"/proc/{page_server.pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < 1 << 20, "KiB: 2.5 gigapixels would take more"


def test_another_site_sends_no_picture(page_server: PageServer, library: Path) -> None:
    data = (library / "pictures/animals/fish-1.jpg").read_bytes()
    upload(page_server, data, 403, Origin="http://evil.example")
    upload(page_server, data, 415, **{"Content-Type": "text/plain"})


# In a browser


def query_of(tab: Tab) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(tab.page.url).query)


def loaded(tab: Tab) -> Page:
    """Wait until the view shows what its address means."""
    tab.page.wait_for_selector(".search-results:not([aria-busy]) :is(.grid .name, .empty, .failure)")
    return tab.page


def names_in(page: Page) -> list[str]:
    return page.locator(".grid .name").all_inner_texts()


def test_all_pictures_are_shown_at_first(tab: Tab, store: Store) -> None:
    tab.look("/")
    page = loaded(tab)
    assert page.locator(".search-said").inner_text() == f"{len(store.view())} pictures of v3"
    page.wait_for_function("() => [...document.querySelectorAll('.grid img')].some((one) => one.naturalWidth > 0)")
    assert page.locator("nav [aria-current]").inner_text() == "Search"


def test_more_like_this_is_an_address_that_can_be_kept(tab: Tab, store: Store) -> None:
    tab.look("/search?under=pictures/animals")
    page = loaded(tab)
    page.locator(".grid .card", has_text="fish-1.jpg").get_by_role("link", name="More like this").click()
    page.wait_for_selector(".grid .mark")
    key = key_of(store, "pictures/animals/fish-1.jpg")
    assert query_of(tab) == [("under", "pictures/animals"), ("t", f"+1:key:{key}")]
    assert page.locator(".chip.part .chip-name").inner_text() == "fish-1.jpg"
    assert page.locator(".grid .mark").first.inner_text() == "1.000"
    found = names_in(page)
    page.reload()
    assert names_in(loaded(tab)) == found
    page.go_back()
    page.wait_for_selector(".grid .card:not(:has(.mark))")
    assert query_of(tab) == [("under", "pictures/animals")]


def test_a_query_is_made_of_parts_with_signs_and_weights(tab: Tab) -> None:
    page = tab.look("/search?under=pictures/animals")
    loaded(tab)
    for label in ("Look for this, too", "Stay away from this"):
        card = page.locator(".grid .card").nth(0 if label.startswith("Look") else 1)
        card.get_by_role("button", name=label).click()
        page.wait_for_selector(".grid .mark")
        loaded(tab)
    assert [one[1][:3] for one in query_of(tab)[1:]] == ["+1:", "-1:"]
    page.get_by_label("Weight of").nth(1).fill("0.5")
    page.keyboard.press("Enter")
    page.wait_for_url("**=-0.5*")
    page.locator(".chip .sign").nth(0).click()
    page.wait_for_url("**=-1*")
    assert [one[1].split(":")[0] for one in query_of(tab)[1:]] == ["-1", "-0.5"]
    assert page.evaluate("document.activeElement.dataset.part") == "sign0"
    page.get_by_role("button", name="Leave out").nth(0).click()
    page.wait_for_function("() => document.querySelectorAll('.chip.part').length === 1")
    loaded(tab)
    page.get_by_role("button", name="Clear").click()
    page.wait_for_selector(".grid .card:not(:has(.mark))")
    assert query_of(tab) == [("under", "pictures/animals")]


def test_a_picture_is_chosen_dropped_and_pasted(tab: Tab, library: Path) -> None:
    file = library / "pictures/animals/fish-1.jpg"
    page = tab.look("/search")
    loaded(tab)
    page.set_input_files("input[type=file]", file)
    page.wait_for_selector(".grid .mark")
    loaded(tab)
    assert names_in(page)[0] == "fish-1.jpg"
    assert page.locator(".chip.part .chip-name").inner_text() == "fish-1.jpg"
    first = query_of(tab)
    other = base64.b64encode((library / "pictures/animals/renamed.jpg").read_bytes()).decode()
    made = f"""const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(atob("{other}"), (c) => c.charCodeAt(0))], "mine.jpg"));"""
    page.evaluate(
        f"""() => {{ {made}
        document.body.dispatchEvent(new DragEvent("dragenter", {{ dataTransfer: transfer, bubbles: true }}));
        window.isTold = !document.querySelector(".drop").hidden;
        document.body.dispatchEvent(new DragEvent("drop", {{ dataTransfer: transfer, bubbles: true }})); }}"""
    )
    page.wait_for_selector(".chip-name >> text=mine.jpg")
    loaded(tab)
    assert page.evaluate("window.isTold && document.querySelector('.drop').hidden")
    assert names_in(page)[0] == "renamed.jpg"
    dropped = query_of(tab)
    assert len(dropped) == 1 and dropped != first
    page.evaluate(
        f"""() => {{ {made}
        document.body.dispatchEvent(new ClipboardEvent("paste", {{ clipboardData: transfer, bubbles: true }})); }}"""
    )
    loaded(tab)
    assert query_of(tab) == dropped


def test_what_is_no_picture_is_said(tab: Tab, tmp_path: Path) -> None:
    (tmp_path / "no.jpg").write_text("no picture")
    tab.allowed.append("400")
    page = tab.look("/search")
    loaded(tab)
    page.set_input_files("input[type=file]", tmp_path / "no.jpg")
    said = page.locator(".search-trouble .failure").inner_text()
    assert "The picture cannot be decoded" in said
    assert query_of(tab) == []


def test_filters_are_chosen_told_and_left_out(tab: Tab, store: Store) -> None:
    page = tab.look("/search")
    loaded(tab)
    page.get_by_label("Folder").select_option("pictures/animals")
    page.wait_for_url("**under=*")
    page.keyboard.press("f") if page.evaluate("document.activeElement.tagName !== 'SELECT'") else page.get_by_role(
        "button", name="Filters"
    ).click()
    page.get_by_label("Where").fill("name like 'fish%'")
    page.keyboard.press("Enter")
    page.wait_for_url("**where=*")
    loaded(tab)
    page.wait_for_function("() => document.querySelectorAll('.grid .name').length < 10")
    assert {name[:4] for name in names_in(page)} == {"fish"}
    assert page.locator(".applied .chip-name").all_inner_texts() == ["in pictures/animals", "name like 'fish%'"]
    assert page.get_by_role("button", name="Filters (1)").count() == 1
    every = len(store.view())
    assert page.locator(".search-said").inner_text().endswith(f"of {every} pictures of v3")
    page.get_by_role("button", name="Leave out all").click()
    page.wait_for_function("() => !location.search")
    loaded(tab)
    assert page.locator(".search-said").inner_text() == f"{every} pictures of v3"


def test_an_expression_that_is_wrong_is_said_and_can_be_put_right(tab: Tab) -> None:
    tab.allowed.append("400")
    page = tab.look("/search?where=colour+%3D+1")
    loaded(tab)
    assert "No such column: colour" in page.locator(".failure").inner_text()
    page.get_by_role("button", name="Leave out: colour = 1").click()
    page.wait_for_selector(".grid .name")
    assert query_of(tab) == []


def test_names_are_looked_for_where_the_model_reads_no_words(tab: Tab) -> None:
    page = tab.look("/search")
    loaded(tab)
    page.keyboard.press("/")
    page.keyboard.type("FISH")
    page.keyboard.press("Enter")
    page.wait_for_url("**name=FISH")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.grid .name')].every((one) => /fish/.test(one.textContent))"
    )
    assert "reads no words" in page.locator(".search-hint").inner_text()


def test_a_picture_with_several_names_is_shown_by_the_one_that_was_looked_for(
    page_server: PageServer, store: Store
) -> None:
    for name in ("CAT-3", "copied"):
        (row,) = page_server.get(f"/names?name={name}")["pictures"]
        assert row["name"].startswith(name.lower()) and row["path_count"] == 2
        key = key_of(store, "pictures/animals/cat-3.jpg")
        (hit,) = page_server.get(f"/search?name={name}&t=%2B1:key:{key}")["hits"]
        assert hit["picture"]["name"] == row["name"]


def test_an_older_snapshot_is_looked_at(tab: Tab) -> None:
    page = tab.look("/search?name=cat-")
    loaded(tab)
    assert "cat-1.jpg" not in names_in(page)
    page.get_by_label("Snapshot").select_option("v2")
    page.wait_for_url("**at=v2")
    page.wait_for_selector(".name >> text=cat-1.jpg")
    assert page.locator(".chip.past").inner_text().startswith("as it was in v2")
    page.get_by_role("button", name="Back to the current snapshot").click()
    page.wait_for_function("() => !location.search.includes('at=')")


def test_hits_are_opened_at_large_and_left_by_keyboard(tab: Tab, store: Store) -> None:
    key = key_of(store, "pictures/animals/fish-1.jpg")
    page = tab.look(f"/search?t=%2B1:key:{key}")
    loaded(tab)
    names = names_in(page)
    page.locator(".grid a.well").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog.lightbox[open]")
    assert names[1] in page.locator("dialog .title").inner_text()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(name) => document.querySelector('dialog .title').textContent.includes(name)", arg=names[2])
    page.keyboard.press("Escape")
    page.wait_for_function("() => !document.querySelector('dialog')")
    page.keyboard.press("m")
    page.wait_for_function("(name) => document.querySelector('.chip-name').textContent === name", arg=names[2])
    loaded(tab)
    assert names_in(page)[0] == names[2]


def test_near_duplicates_are_shown_once_and_more_can_be_asked_for(tab: Tab, store: Store) -> None:
    key = key_of(store, "pictures/animals/fish-1.jpg")
    page = tab.look(f"/search?t=%2B1:key:{key}&k=8")
    loaded(tab)
    assert page.locator(".search-said").inner_text().startswith("8 pictures of v3, the most similar first")
    page.get_by_role("button", name="Show more").click()
    page.wait_for_url("**k=16")
    page.wait_for_function("() => document.querySelector('.search-said').textContent.startsWith('16')")
    page.get_by_label("Near-duplicates once").check()
    page.wait_for_url("**collapse=1")
    page.wait_for_selector(".grid button.link")
    page.locator(".grid button.link").first.click()
    assert page.locator("dialog.lightbox .title").inner_text()
    page.keyboard.press("Escape")
    page.get_by_label("Relevance").select_option("0.0001")
    page.wait_for_url("**min_p=0.0001")
    page.wait_for_selector(".grid >> text=1 in")


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_narrow_window(tab: Tab, store: Store, dark: bool) -> None:
    key = key_of(store, "pictures/animals/fish-1.jpg")
    page = tab.look(f"/search?t=%2B1:key:{key}&t=-0.5:key:{key[::-1]}", width=NARROW, dark=dark)
    tab.allowed.append("400")
    page.wait_for_selector(".failure")
    page = tab.look(f"/search?t=%2B1:key:{key}&collapse=1&where=width+%3E+10", width=NARROW, dark=dark)
    loaded(tab)
    page.keyboard.press("f")
    page.wait_for_selector("#filters input")
    assert not tab.is_too_wide()
    tab.shot(f"search-narrow-{'dark' if dark else 'light'}")


def test_every_control_has_a_name(tab: Tab, store: Store) -> None:
    key = key_of(store, "pictures/animals/fish-1.jpg")
    page = tab.look(f"/search?t=%2B1:key:{key}&under=pictures&at=v2")
    loaded(tab)
    page.keyboard.press("f")
    page.wait_for_selector("#filters input")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("main :is(button, input, select, a)")].filter((one) =>
          one.type !== "file" && !one.getAttribute("aria-label") && !one.textContent.trim()
          && ![...(one.labels ?? [])].some((label) => label.textContent.trim())).map((one) => one.outerHTML)"""
    )
    assert nameless == []


def test_a_hostile_name_is_text(
    own_library: Path, serve: Callable[..., PageServer], open_tab: Callable[..., Tab]
) -> None:
    name = "<img src=x onerror=alert(1)>&amp;\u202egpj.jpg"
    folder = own_library / "pictures/<b>folder"
    folder.mkdir()
    Image.new("RGB", (40, 30), (9, 90, 20)).save(folder / name, "JPEG")
    Image.effect_noise((60, 40), 90).convert("RGB").save(folder / "other.jpg", "JPEG")
    with Store(own_library / ".vstore") as store:
        store.sync([own_library / "pictures"])
        store.fields_set({"<i>field": "<u>value"}, [folder / name])
    tab = open_tab(serve(own_library / ".vstore"))
    page = tab.look("/search?under=pictures/<b>folder")
    loaded(tab)
    assert name in names_in(page)
    page.locator(".grid .card", has_text="onerror").get_by_role("link", name="More like this").click()
    page.wait_for_selector(".grid .mark")
    page.keyboard.press("f")
    page.get_by_label("<i>field").select_option("<u>value")
    page.wait_for_url("**f=*")
    loaded(tab)
    assert page.locator(".applied .chip-name").all_inner_texts()[1] == "<i>field is <u>value"
    assert page.locator("main :is(b, i, u)").count() == 0


# Words. The model of the sample pictures reads none: this server has one that gives each word a place of its own.

WORDS = """
import zlib
import numpy as np
from vstore.models import show
from vstore.search import search
show.reads_text = lambda recipe: True
real = search.vectors_of
def vectors_of(repo, space, terms, stored, **words):
    def place(text):
        row = np.random.default_rng(zlib.crc32(text.encode())).normal(size=space.dim).astype(np.float32)
        return row / np.linalg.norm(row)
    given = [place(term.operand.text) if term.operand.text else row for term, row in zip(terms, stored)]
    return real(repo, space, terms, given, **words)
search.vectors_of = vectors_of
"""


@pytest.fixture
def words(library: Path, serve: Callable[..., PageServer], open_tab: Callable[..., Tab]) -> Tab:
    """A tab with the page of a store whose model reads words."""
    return open_tab(serve(library / ".vstore", before=WORDS))


def typed(page: Page, text: str) -> None:
    page.get_by_role("search").locator("input.words").fill(text)
    page.keyboard.press("Enter")


def test_words_are_looked_for_and_changed_in_their_box(words: Tab) -> None:
    page = words.look("/search")
    loaded(words)
    typed(page, "a red car & more")
    page.wait_for_selector(".grid .mark")
    assert query_of(words) == [("t", "+1:text:a red car & more")]
    assert page.locator("input.words").input_value() == "a red car & more"
    assert page.locator(".chip.part").count() == 0
    typed(page, "a blue car")
    page.wait_for_url("**blue*")
    assert query_of(words) == [("t", "+1:text:a blue car")]
    typed(page, "-a dog")
    page.wait_for_selector(".chip.part.against")
    assert query_of(words) == [("t", "+1:text:a blue car"), ("t", "-1:text:a dog")]
    assert page.locator("input.words").input_value() == "a blue car"
    typed(page, "+ the sea")
    page.wait_for_function("() => document.querySelectorAll('.chip.part').length === 2")
    assert page.locator(".chip-name").all_inner_texts() == ["a dog", "the sea"]
    page.reload()
    loaded(words)
    assert page.locator("input.words").input_value() == "a blue car"
    assert page.locator(".chip-name").all_inner_texts() == ["a dog", "the sea"]
    typed(page, "")
    page.wait_for_function("() => !location.search.includes('blue')")
    assert query_of(words) == [("t", "-1:text:a dog"), ("t", "+1:text:the sea")]


def test_an_answer_leaves_what_is_written_meanwhile(words: Tab) -> None:
    held = words.hold(re.compile(r"/search\?t="))
    page = words.look("/search")
    loaded(words)
    typed(page, "a red car")
    held.wait()
    page.locator("input.words").fill("and something el")
    for one in held.routes:
        one.continue_()
    page.wait_for_selector(".grid .mark")
    assert page.locator("input.words").input_value() == "and something el"


def test_words_and_a_picture_are_one_query(words: Tab, library: Path) -> None:
    page = words.look("/search?t=%2B1:text:a+cat")
    loaded(words)
    page.locator(".grid .card").nth(1).get_by_role("button", name="Stay away").click()
    page.wait_for_selector(".chip.part.against")
    loaded(words)
    assert [one[:8] for _, one in query_of(words)] == ["+1:text:", "-1:key:" + query_of(words)[1][1][7]]
    assert "reads no words" not in page.locator(".search-hint").inner_text()


def test_one_comes_back_to_where_the_view_was_left(tab: Tab) -> None:
    page = tab.look("/search", height=500)
    loaded(tab)
    page.evaluate("scrollTo(0, 900)")
    page.wait_for_function("() => [...document.querySelectorAll('.grid .name')].length > 20 && scrollY === 900")
    page.locator(".grid .card").nth(12).get_by_role("link", name="More like this").click()
    page.wait_for_selector(".grid .mark")
    page.wait_for_function("() => scrollY === 0")
    page.go_back()
    page.wait_for_function("() => scrollY === 900 && !document.querySelector('.grid .mark')")


def test_another_space_is_chosen_by_its_newest_snapshot(
    own_library: Path, serve: Callable[..., PageServer], open_tab: Callable[..., Tab]
) -> None:
    add_space_other(own_library)
    tab = open_tab(serve(own_library / ".vstore"))
    page = tab.look("/search?name=fish")
    loaded(tab)
    spaces = page.get_by_label("Model space")
    assert spaces.input_value() == "other"
    (builtin,) = (name for name in spaces.locator("option").all_inner_texts() if name != "other")
    spaces.select_option(builtin)
    page.wait_for_url("**at=v3")
    loaded(tab)
    page.wait_for_function(
        "(name) => [...document.querySelectorAll('select')].some((one) => one.value === name)", arg=builtin
    )
    assert page.locator(".chip.past").inner_text().startswith("as it was in v3")
    page.get_by_label("Model space").select_option("other")
    page.wait_for_function("() => !location.search.includes('at=')")


def test_the_least_score_is_a_filter_of_hits_alone(tab: Tab, store: Store) -> None:
    key = key_of(store, "pictures/animals/fish-1.jpg")
    page = tab.look(f"/search?t=%2B1:key:{key}")
    loaded(tab)
    page.keyboard.press("f")
    page.get_by_label("Score at least").fill("0.9")
    page.keyboard.press("Enter")
    page.wait_for_url("**min_score=0.9")
    page.wait_for_function("() => document.querySelectorAll('.grid .mark').length < 10")
    assert page.locator(".applied .chip-name").all_inner_texts() == ["score 0.9 and more"]
    page.get_by_role("button", name="Leave out: score").click()
    page.wait_for_function("() => !location.search.includes('min_score')")


def test_all_pictures_are_compared_where_one_asks_for_it(
    indexed: PageServer, open_tab: Callable[..., Tab], store: Store
) -> None:
    key = key_of(store, "pictures/animals/renamed.jpg")
    tab = open_tab(indexed)
    page = tab.go(f"/search?t=%2B1:key:{key}")
    page.wait_for_selector("text=it finds 1.000 of the ten nearest, as measured")
    page.get_by_role("button", name="Compare all pictures").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("text=All pictures were compared.")
    assert ("exact", "1") in query_of(tab)
    assert page.evaluate("document.activeElement.textContent") == "Search as usual"
    page.keyboard.press("Enter")
    page.wait_for_selector("text=it finds 1.000 of the ten nearest, as measured")
    assert "exact" not in dict(query_of(tab))


def test_a_search_that_asks_no_index_says_nothing_of_one(tab: Tab, store: Store) -> None:
    page = tab.go(f"/search?t=%2B1:key:{key_of(store, 'pictures/animals/renamed.jpg')}")
    loaded(tab)
    assert page.locator(".search-notes").inner_text() == ""


def test_a_query_that_fails_at_first_can_be_put_right(tab: Tab) -> None:
    tab.allowed.append("404")
    page = tab.look("/search?t=%2B1:up:none")
    loaded(tab)
    assert "no longer kept" in page.locator(".failure").inner_text()
    page.get_by_placeholder("Find names").fill("fish")
    page.get_by_role("button", name="Leave out your picture").click()
    page.wait_for_selector(".grid .name")
    assert query_of(tab) == []


def test_a_picture_that_is_sent_is_decoded_in_another_process(library: Path, serve: Callable[..., PageServer]) -> None:
    no_decoder = (
        "from vstore.pictures import decoding\ndef no(*_): raise AssertionError('here')\ndecoding.prepare = no\n"
    )
    server = serve(library / ".vstore", before=no_decoder)
    out = io.BytesIO()
    Image.effect_noise((90, 60), 70).convert("RGB").save(out, "PNG")
    sent = upload(server, out.getvalue())
    assert search(server, ("t", f"+1:up:{sent['upload']}"))["hits"]
