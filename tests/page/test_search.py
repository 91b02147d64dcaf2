"""The search of the page: what it answers, what it refuses, and what its browser shows."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from PIL import Image
from support.page_server import PageServer

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


def test_another_site_sends_no_picture(page_server: PageServer, library: Path) -> None:
    data = (library / "pictures/animals/fish-1.jpg").read_bytes()
    upload(page_server, data, 403, Origin="http://evil.example")
    upload(page_server, data, 415, **{"Content-Type": "text/plain"})
