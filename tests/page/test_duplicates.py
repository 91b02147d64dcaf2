"""The duplicates: groups found once and told page by page, decided about and taken back, by requests and by keys."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.folders import drawn, put
from support.lines import process
from support.page_server import PageServer
from support.tabs import Tab

from vstore import Refused, Store, StoreClosed
from vstore_page import groups as module
from vstore_page.groups import Asked, Groups, Listing, Working, keys_of
from vstore_page.page import Page

SCENES = 11
HOSTILE = "\"><img src=x onerror=alert(1)>'&.jpg"
ALIKE = "/duplicates?near=0.9"


def scene(seed: int, size: tuple[int, int] = (320, 240), quality: int = 92) -> bytes:
    """Draw a photograph, as far as the built-in embedder can tell: large shapes."""
    coarse = np.random.default_rng(seed).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", quality=quality)
    return out.getvalue()


def sync(home: Path) -> None:
    ran = process("sync", "pictures", "-q", cwd=home)
    assert ran.code == 0, ran


@pytest.fixture(scope="package")
def shoebox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of eleven scenes, each with a smaller copy, one of them with a third one; and of identical files."""
    home = tmp_path_factory.mktemp("shoebox")
    files: dict[str, int | bytes] = {}
    for seed in range(SCENES):
        files[f"{seed:02}.jpg"] = scene(seed)
        files[f"small/{seed:02}.jpg"] = scene(seed, (160, 120))
    files["web/00.jpg"] = scene(0, (240, 180), 60)
    files["same/one.png"] = files["same/two.png"] = 100
    put(home / "pictures", files)
    sync(home)
    return home


@pytest.fixture(scope="package")
def reading(shoebox: Path) -> Iterator[PageServer]:
    with PageServer(shoebox / ".vstore") as server:
        yield server


@pytest.fixture
def own(shoebox: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shoebox, tmp_path / "own"))


@pytest.fixture
def deciding(own: Path, serve: Callable[..., PageServer]) -> PageServer:
    return serve(own / ".vstore", "--write")


@pytest.fixture
def tab(open_tab: Callable[..., Tab], deciding: PageServer) -> Tab:
    return open_tab(deciding)


def of(server: PageServer, more: str = "", address: str = ALIKE) -> dict:  # type: ignore[type-arg]
    """Ask until the groups are found."""
    while True:
        found: dict = server.get(address + more)  # type: ignore[type-arg]
        if not found["working"]:
            return found


def decisions(home: Path) -> list[tuple[str, int, int]]:
    """The decisions in force, newest first: what, how many stay or are meant, over how many."""
    with Store(home / ".vstore") as store:
        return [(row.verb, len(row.pictures), len(row.over)) for row in store.decisions().decisions]


# What is told


def test_groups_are_told_with_their_files_and_what_is_suggested(reading: PageServer) -> None:
    found = of(reading)
    assert (found["groups"], found["decided"], found["page"], found["pages"]) == (12, 0, 1, 1)
    assert found["tiers"] == {"bytes": 1, "pixels": 0, "near": 11}
    assert (found["near"], found["snapshot"], found["can_undo"]) == (0.9, "v1", False)
    assert [row["number"] for row in found["rows"]] == list(range(1, 13))
    largest = next(row for row in found["rows"] if row["picture_count"] == 3)
    (stays,) = [one for one in largest["pictures"] if one["suggested"]]
    assert stays["name"] == "00.jpg" and stays["folder"] == "pictures"
    (file,) = stays["files"]
    assert file["size"] == len(scene(0)) and file["modified"].endswith("Z") and "more pixels" in file["best"]
    assert not file["is_link"] and file["trouble"] is None
    (same,) = [row for row in found["rows"] if row["tier"] == "bytes"]
    assert [len(one["files"]) for one in same["pictures"]] == [2]
    assert same["done"] is None and same["copies"] == 1


def test_one_group_is_told_with_its_neighbours_and_facts(reading: PageServer) -> None:
    rows = of(reading)["rows"]
    found = of(reading, f"&group={rows[1]['key']}")
    assert found["row"]["number"] == 2 and found["page"] == 1
    assert (found["before"], found["after"], found["open"]) == (rows[0]["key"], rows[2]["key"], rows[2]["key"])
    facts = [one["facts"] for one in found["row"]["pictures"]]
    assert {(one["width"], one["height"], one["format"]) for one in facts} >= {(320, 240, "JPEG"), (160, 120, "JPEG")}
    last = of(reading, f"&group={rows[-1]['key']}")
    assert (last["after"], last["open"]) == (None, rows[0]["key"])


def test_tiers_folders_and_expressions_choose(reading: PageServer) -> None:
    assert of(reading, "&tier=bytes")["groups"] == 1
    assert of(reading, "&tier=pixels")["groups"] == 0
    assert of(reading, "&under=pictures/same")["groups"] == 1
    assert of(reading, "&under=pictures/small")["groups"] == 0
    assert of(reading, "&where=name%20<%20'03'")["groups"] == 3
    assert of(reading, "&where=name%20<%20'03'%20or%20name%20=%20'03.jpg'&under=pictures/web")["groups"] == 0
    assert of(reading, address="/duplicates?near=none")["groups"] == 1
    assert of(reading, address="/duplicates?at=v1")["near"] > 0  # found for the pictures of the snapshot
    loose = of(reading, "&loose=1&bursts=1")
    assert loose["loose"] and loose["bursts"]


@pytest.mark.parametrize("under", ["/etc", "pictures/../../../etc", "a' or '1'='1", "%25", "nowhere"])
def test_a_folder_of_a_client_is_a_word_about_stored_paths(reading: PageServer, under: str) -> None:
    assert of(reading, f"&under={under.replace(' ', '%20')}")["groups"] == 0


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ("near=7", 400, "near is"),
        ("near=nan", 400, "near is"),
        ("tier=odd", 400, "tier is"),
        ("page=0", 400, "page is"),
        ("page=x", 400, "page is"),
        ("near=0.9&near=0.8", 400, "near is given 2 times"),
        ("group=../../etc", 400, "no key"),
        (f"group={'0' * 32}", 404, "no such group"),
        ("at=v9", 404, "v9"),
        ("where=foo%20bar", 400, "syntax error"),
        ("where=1)%20or%20(1&under=pictures/web", 400, "closes nothing"),
        ("loose=yes", 400, "loose is"),
    ],
)
def test_what_makes_no_sense_is_refused(reading: PageServer, more: str, status: int, words: str) -> None:
    address = f"/duplicates?{more}" if more.startswith("near") else f"{ALIKE}&{more}"
    for _ in range(100):
        answered, _, body = reading.ask("GET", address, {"Accept": "application/json"})
        if answered != 200:  # what is wrong with an expression is known once they are being found
            break
    assert answered == status
    assert words in json.loads(body)["error"]["message"]


def test_pages_have_twenty_groups(tmp_path: Path, serve: Callable[..., PageServer]) -> None:
    put(tmp_path / "pictures", {f"{copy}/{seed:02}.png": drawn(seed) for copy in "ab" for seed in range(45)})
    sync(tmp_path)
    server = serve(tmp_path / ".vstore")
    pages = [of(server, f"&page={page}", "/duplicates?near=none") for page in (1, 2, 3, 4)]
    assert [(one["page"], one["pages"], len(one["rows"])) for one in pages] == [
        (1, 3, 20),
        (2, 3, 20),
        (3, 3, 5),
        (3, 3, 5),
    ]
    assert [row["number"] for row in pages[1]["rows"]] == list(range(21, 41))
    assert of(server, f"&group={pages[1]['rows'][3]['key']}", "/duplicates?near=none")["page"] == 2


# Decisions


def test_a_page_that_changes_nothing_refuses(reading: PageServer) -> None:
    found = of(reading)
    sent = {"list": found["list"], "group": found["rows"][0]["key"], "verb": "different"}
    assert reading.post("/duplicates/decide", sent, 403)["error"]["code"] == "read_only"
    assert reading.post("/duplicates/undo", {"list": found["list"]}, 403)["error"]["code"] == "read_only"


def test_decisions_are_made_and_taken_back_and_the_groups_stay_where_they_are(own: Path, deciding: PageServer) -> None:
    found = of(deciding)
    one, two, three = (row for row in found["rows"][:3])
    keys = [shown["key"] for shown in one["pictures"]]

    def decide(row: dict, verb: str, *stay: str) -> dict:  # type: ignore[type-arg]
        sent = {"list": found["list"], "group": row["key"], "verb": verb, "stay": list(stay)}
        answer: dict = deciding.post("/duplicates/decide", sent)  # type: ignore[type-arg]
        return answer

    assert decide(one, "keep", keys[1])["done"] == {"verb": "keep", "stay": [keys[1]], "is_new": True}
    assert decide(two, "different") == {"done": {"verb": "different", "stay": [], "is_new": True}, "can_undo": True}
    decide(three, "keep", *(shown["key"] for shown in three["pictures"]))
    count = len(keys)
    assert decisions(own) == [("keep", 2, 0), ("different", 2, 0), ("keep", 1, count - 1)]
    now = of(deciding)
    assert (now["list"], now["decided"], now["groups"]) == (found["list"], 3, 12)
    assert [row["key"] for row in now["rows"]] == [row["key"] for row in found["rows"]]
    assert of(deciding, f"&group={one['key']}")["open"] == found["rows"][3]["key"]
    for row, left in ((three, 2), (two, 1), (one, 0)):
        answer = deciding.post("/duplicates/undo", {"list": found["list"]})
        assert (answer["group"], answer["done"], answer["can_undo"]) == (row["key"], None, left > 0)
        assert len(decisions(own)) == left
    assert deciding.post("/duplicates/undo", {"list": found["list"]}, 409)["error"]["code"] == "refused"
    decide(one, "keep", keys[0])
    assert decide(one, "keep", keys[0])["done"]["is_new"]  # the same once more: nothing is written
    decide(one, "keep", keys[1])  # another mind about the same group
    assert of(deciding)["decided"] == 1
    for stays, can_undo in ((keys[0], True), (None, False)):
        answer = deciding.post("/duplicates/undo", {"list": found["list"]})
        done = None if stays is None else {"verb": "keep", "stay": [stays], "is_new": True}
        assert (answer["group"], answer["done"], answer["can_undo"]) == (one["key"], done, can_undo)
        assert decisions(own) == ([] if stays is None else [("keep", 1, count - 1)])
        assert of(deciding)["decided"] == len(decisions(own))


def test_what_was_decided_before_is_marked_and_what_is_decided_wholly_is_left_out(
    own: Path, deciding: PageServer
) -> None:
    found = of(deciding)
    row = next(row for row in found["rows"] if row["picture_count"] == 2)
    with Store(own / ".vstore") as store:
        store.decide("same", [bytes.fromhex(one["key"]) for one in row["pictures"]])
    now = of(deciding)
    assert (now["left_out"], now["groups"]) == (1, 11)
    assert now["list"] != found["list"]
    sent = {"list": found["list"], "group": row["key"], "verb": "different"}
    assert "found again" in deciding.post("/duplicates/decide", sent, 409)["error"]["message"]


def test_identical_files_all_stay_or_are_left_to_a_plan(own: Path, deciding: PageServer) -> None:
    found = of(deciding, "&tier=bytes")
    (row,) = found["rows"]
    key = row["pictures"][0]["key"]
    sent = {"list": found["list"], "group": row["key"]}
    deciding.post("/duplicates/decide", {**sent, "verb": "different"}, 400)
    deciding.post("/duplicates/decide", {**sent, "verb": "keep", "stay": [key]})
    assert decisions(own) == [("keep", 1, 0)]
    assert of(deciding, "&again=1")["left_out"] == 1


def test_what_is_no_decision_about_a_group_is_refused(own: Path, deciding: PageServer) -> None:
    found = of(deciding)
    one, two = found["rows"][:2]
    good = {"list": found["list"], "group": one["key"], "verb": "keep", "stay": [one["pictures"][0]["key"]]}
    for bad, status in (
        ({"verb": "same"}, 400), ({"verb": "keep", "stay": []}, 400), ({"verb": "different"}, 400),
        ({"stay": [two["pictures"][0]["key"]]}, 400), ({"stay": ["../../etc/passwd"]}, 400), ({"stay": "all"}, 400),
        ({"stay": [1]}, 400), ({"group": "0" * 32}, 404), ({"list": "none"}, 409), ({"list": None}, 400),
    ):  # fmt: skip
        deciding.post("/duplicates/decide", {**good, **bad}, status)
    assert decisions(own) == []


# Found once


@pytest.fixture
def page(own: Path) -> Iterator[Page]:
    with Store(own / ".vstore") as store, Page(store, can_write=True) as found:
        yield found


ASKED = Asked("v1", 0.9, False, False, "")


def found_by(groups: Groups, asked: Asked = ASKED, **options: bool) -> Listing:
    found = groups.of(asked, **options)
    while isinstance(found, Working):
        found = groups.of(asked)
    return found


def test_groups_are_found_once_and_again_after_something_else_was_done(page: Page) -> None:
    groups = Groups(page)
    first = found_by(groups)
    assert found_by(groups) is first
    groups.decide(first, 0, "different", [])
    assert found_by(groups) is first
    page.store.snapshot_tag("v1", "good")
    later = found_by(groups)
    assert later is not first
    assert found_by(groups, again=True) is not later
    with pytest.raises(Refused, match="found again"):
        groups.named(first.id)


def test_no_other_operation_is_taken_back(page: Page) -> None:
    groups = Groups(page)
    listing = found_by(groups)
    groups.decide(listing, 0, "different", [])
    page.store.snapshot_tag("v1", "good")
    with pytest.raises(Refused, match="the newest operation is tag now"):
        groups.undo(listing)
    assert len(page.store.decisions().decisions) == 1
    assert [row.tags for row in page.store.snapshot_list()] == [("good",)]


def test_what_was_undone_elsewhere_is_not_undone_twice(page: Page) -> None:
    groups = Groups(page)
    page.store.snapshot_tag("v1", "good")
    listing = found_by(groups)
    groups.decide(listing, 0, "different", [])
    page.store.undo()
    with pytest.raises(Refused, match="cannot be taken back here"):
        groups.undo(listing)
    assert [row.tags for row in page.store.snapshot_list()] == [("good",)]


def test_the_lists_that_were_asked_for_last_are_kept(page: Page) -> None:
    groups = Groups(page)
    first = found_by(groups)
    for score in (0.91, 0.92, 0.93):
        found_by(groups, ASKED._replace(near=score))
    assert found_by(groups) is not first


def test_how_far_groups_are_found_is_told(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAIT", 0)
    groups = Groups(page)
    assert isinstance(groups.of(ASKED), Working)
    assert len(found_by(groups).report.groups) == 12
    monkeypatch.undo()


def test_what_nobody_came_for_is_found_again_if_something_was_done_since(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as quick:
        quick.setattr(module, "_WAIT", 0)
        groups = Groups(page)
        assert isinstance(groups.of(ASKED), Working)
        assert groups._jobs[ASKED].ended.wait(60)
        one = groups._jobs[ASKED].listing
        page.store.decide("same", keys_of(one.report.groups[0]))
    assert found_by(groups).report.decided == 1


def test_groups_that_nobody_comes_for_are_not_looked_for_nor_kept(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as quick:
        quick.setattr(module, "_WAIT", 0)
        groups, jobs = Groups(page), []
        with groups._one:  # none begins
            for score in (0.91, 0.92, 0.93, 0.94, 0.95):
                assert isinstance(groups.of(ASKED._replace(near=score)), Working)
                jobs.append(groups._jobs[ASKED._replace(near=score)])
        assert all(job.ended.wait(60) for job in jobs)
        assert [job.listing is None for job in jobs] == [True, True, False, False, False]
        assert list(groups._jobs.values()) == jobs[2:]
        quick.setattr(module, "_PATIENCE", -1.0)
        assert isinstance(groups.of(ASKED), Working)
        job = groups._jobs[ASKED]
        assert job.ended.wait(60) and job.was_left and job.listing is None
    assert len(found_by(groups).report.groups) == 12


def test_an_error_is_told_to_who_asked_and_not_kept(page: Page) -> None:
    groups = Groups(page)
    bad = ASKED._replace(where="foo bar")
    for _ in range(2):
        with pytest.raises(Exception, match="syntax error"):
            found_by(groups, bad)


def test_the_search_for_groups_ends_with_the_page(page: Page) -> None:
    page.is_closing = True
    with pytest.raises(StoreClosed):
        found_by(Groups(page), ASKED._replace(near=0.5))  # a lower score than before: all pairs are compared


# In a browser


def test_ten_groups_are_reviewed_by_keyboard(own: Path, deciding: PageServer, tab: Tab) -> None:
    page = tab.go(ALIKE)
    page.wait_for_selector(".group img")
    assert page.locator(".group").count() == 12
    page.keyboard.press("Enter")
    heading = page.locator("h1")
    plan = ["Enter", "a", "d", "1", "2", " ", "s", "Enter", "Enter", "Enter"]
    for number, key in enumerate(plan, 1):
        heading.get_by_text(f"Group {number} of 12", exact=True).wait_for()
        assert f"group={of(deciding)['rows'][number - 1]['key']}" in page.url
        if page.locator(".panes.is-one").count():
            key = "a"
        page.keyboard.press(key)
        if key in ("1", "2", " "):
            page.keyboard.press("Enter")
    heading.get_by_text("Group 11 of 12", exact=True).wait_for()
    assert of(deciding)["decided"] == 9
    verbs = [verb for verb, *_ in decisions(own)]
    assert (len(verbs), verbs.count("different")) == (9, 1)
    page.keyboard.press("u")
    heading.get_by_text("Group 10 of 12", exact=True).wait_for()
    assert len(decisions(own)) == 8
    page.reload()
    heading.get_by_text("Group 10 of 12", exact=True).wait_for()
    page.keyboard.press("Escape")
    page.wait_for_selector(".group.is-done")
    assert page.locator(".group.is-done").count() == 8
    assert "8 of 12 decided" in page.inner_text("main")


def test_the_winner_is_chosen_by_its_number(own: Path, deciding: PageServer, tab: Tab) -> None:
    row = next(row for row in of(deciding)["rows"] if row["picture_count"] == 3)
    page = tab.go(f"{ALIKE}&group={row['key']}")
    page.wait_for_selector(".review .strip")
    for number in (1, 2, 3):
        page.keyboard.press(str(number))
        page.wait_for_selector(f".review .strip li:nth-child({number}).stays")
        assert page.locator(".review .strip .stays").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_function("() => !location.search.includes('" + row["key"] + "')")
    with Store(own / ".vstore") as store:
        (made,) = store.decisions().decisions
    assert [one.key.hex() for one in made.pictures] == [row["pictures"][2]["key"]]
    assert {one.key.hex() for one in made.over} == {one["key"] for one in row["pictures"][:2]}


def test_the_last_decision_ends_the_review_and_can_be_taken_back(own: Path, tab: Tab) -> None:
    page = tab.go(f"{ALIKE}&under=pictures/same")
    page.wait_for_selector(".group img")
    page.keyboard.press("Enter")
    page.wait_for_selector(".panes.is-one")
    page.keyboard.press("a")
    page.wait_for_selector("text=All groups are decided")
    assert decisions(own) == [("keep", 1, 0)]
    page.keyboard.press("u")
    page.wait_for_selector(".panes.is-one")
    assert decisions(own) == []


def test_both_pictures_are_zoomed_and_moved_together(deciding: PageServer, tab: Tab) -> None:
    row = next(row for row in of(deciding)["rows"] if row["picture_count"] == 2)
    page = tab.go(f"{ALIKE}&group={row['key']}")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.stage > img')].filter((one) => one.naturalWidth).length === 2"
    )
    transforms = "() => [...document.querySelectorAll('.stage > img')].map((one) => one.style.transform)"
    page.keyboard.press("z")
    left, right = page.evaluate(transforms)
    assert "scale(3)" in left and left == right
    box = page.locator(".stage").nth(1).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 130, steps=3)
    page.mouse.up()
    moved, same = page.evaluate(transforms)
    assert moved == same != left
    page.keyboard.press("2")  # what is marked is drawn once more, and stays in view
    assert page.evaluate(transforms) == [moved, moved]
    page.keyboard.press("0")
    assert page.evaluate(transforms) == ["translate(0px, 0px) scale(1)"] * 2
    page.keyboard.down("b")
    assert page.locator(".stage .over").is_visible()
    page.keyboard.up("b")
    assert not page.locator(".stage .over").is_visible()


def test_who_may_not_decide_looks_and_is_told_how(reading: PageServer, open_tab: Callable[..., Tab]) -> None:
    page = open_tab(reading).go(ALIKE)
    page.wait_for_selector(".group img")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=vstore serve --write")
    page.keyboard.press("d")
    page.wait_for_selector(".failure")
    page.keyboard.press("s")
    page.locator("h1").get_by_text("Group 2 of 12", exact=True).wait_for()
    assert page.locator(".failure").count() == 0


def test_choices_are_kept_in_the_address(reading: PageServer, open_tab: Callable[..., Tab]) -> None:
    tab = open_tab(reading)
    tab.allowed.append("status of 400")
    page = tab.go(ALIKE)
    page.wait_for_selector(".group img")
    page.select_option("label:has-text('Show') select", "bytes")
    page.wait_for_url("**tier=bytes")
    page.wait_for_function("() => document.querySelectorAll('.group').length === 1")
    page.select_option("label:has-text('Find') select", "none")
    page.wait_for_url("**near=none**")
    page.wait_for_selector("p:has-text('1 group of v1'):not(:has-text('Score')) ~ .groups img")
    page.select_option("label:has-text('Find') select", "score")
    page.wait_for_url("**near=0.95**")
    page.wait_for_selector("p:has-text('Score 0.95 or more') ~ .groups img")
    page.fill("label:has-text('From score') input", "0.85")
    page.keyboard.press("Tab")
    page.wait_for_url("**near=0.85**")
    page.wait_for_selector("p:has-text('Score 0.85 or more') ~ .groups img")
    page.fill("label:has-text('Where') input", "foo bar")
    page.keyboard.press("Tab")
    page.wait_for_selector(".failure")
    assert "syntax error" in page.inner_text(".failure")
    assert page.input_value("label:has-text('Where') input") == "foo bar"
    page.go_back()
    page.wait_for_selector(".group img")


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_as_wide_as_a_small_window(deciding: PageServer, tab: Tab, dark: bool) -> None:
    rows = of(deciding)["rows"]
    for name, address in (("list", ALIKE), ("review", f"{ALIKE}&group={rows[0]['key']}")):
        page = tab.look(address, width=400, dark=dark)
        page.wait_for_selector(".group img" if name == "list" else ".stage img")
        assert not tab.is_too_wide()
        for button in page.locator(".review .actions button").all():
            box = button.bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 400, "what can be done is at hand"
            assert box["y"] + box["height"] <= 800
        tab.shot(f"duplicates-{name}-narrow-{'dark' if dark else 'light'}")


def test_a_hostile_name_is_text_and_a_picture_that_is_gone_has_its_place(
    own: Path, serve: Callable[..., PageServer], open_tab: Callable[..., Tab]
) -> None:
    put(own / "pictures", {HOSTILE: scene(500), "gone.jpg": scene(500, (160, 120))})
    sync(own)
    (own / "pictures/gone.jpg").unlink()
    server = serve(own / ".vstore")
    row = next(r for r in of(server)["rows"] if HOSTILE in [one["name"] for one in r["pictures"]])
    page = open_tab(server).go(f"{ALIKE}&group={row['key']}")
    page.wait_for_selector(".stage > .missing:has-text('no longer there')")
    assert HOSTILE in page.inner_text("main")
    assert page.locator("img[src=x]").count() == 0


def test_a_button_that_was_clicked_takes_no_key(own: Path, deciding: PageServer, tab: Tab) -> None:
    page = tab.go(f"{ALIKE}&group={of(deciding)['rows'][0]['key']}")
    page.click("button:has-text('All different')")
    page.locator("h1").get_by_text("Group 2 of 12", exact=True).wait_for()
    page.keyboard.press("Enter")
    page.locator("h1").get_by_text("Group 3 of 12", exact=True).wait_for()
    assert [verb for verb, *_ in decisions(own)] == ["keep", "different"]


def test_groups_are_found_again_once(deciding: PageServer, tab: Tab) -> None:
    page = tab.go(f"{ALIKE}&group={of(deciding)['rows'][0]['key']}")
    page.wait_for_selector(".stage img")
    page.keyboard.press("a")
    page.locator("h1").get_by_text("Group 2 of 12", exact=True).wait_for()
    page.keyboard.press("Escape")
    page.wait_for_selector(".group.is-done")
    page.click("text=Find again")
    page.wait_for_function("() => document.querySelectorAll('.group').length === 11")
    page.wait_for_function("() => !location.search.includes('again')")
    assert "1 group left out, as all is decided" in page.inner_text("main")


def test_what_is_shown_is_not_made_again_when_something_is_marked(deciding: PageServer, tab: Tab) -> None:
    page = tab.go(f"{ALIKE}&group={of(deciding)['rows'][0]['key']}")
    page.wait_for_selector(".stage > img")
    page.evaluate("() => document.querySelectorAll('.review img').forEach((one) => { one.isKept = true; })")
    page.keyboard.press("1")
    page.wait_for_selector(".pane.stays")
    page.keyboard.press("2")
    assert page.evaluate("() => [...document.querySelectorAll('.review img')].every((one) => one.isKept)")


def test_pictures_that_nobody_saw_do_not_go(
    own: Path, serve: Callable[..., PageServer], open_tab: Callable[..., Tab]
) -> None:
    sizes = {(60 + wide, 80 - wide // 2) for wide in range(0, 80, 2)}
    put(own / "pictures/many", {f"{w}-{q}.jpg": scene(300, (w, h), q) for w, h in sizes for q in (70, 80, 90)})
    sync(own)
    server = serve(own / ".vstore", "--write")
    row = next(row for row in of(server)["rows"] if row["picture_count"] > 100)
    page = open_tab(server).go(f"{ALIKE}&group={row['key']}")
    page.wait_for_selector(".stage > img")
    for key in ("Enter", "a"):
        page.keyboard.press(key)
        page.wait_for_selector(
            f".failure:has-text('{row['picture_count'] - 100} pictures of this group are not shown')"
        )
    page.keyboard.press("d")
    page.wait_for_function("() => !location.search.includes('" + row["key"] + "')")
    assert decisions(own) == [("different", row["picture_count"], 0)]


def test_every_key_is_listed(deciding: PageServer, tab: Tab) -> None:
    page = tab.go(f"{ALIKE}&group={of(deciding)['rows'][0]['key']}")
    page.wait_for_selector(".stage img")
    page.keyboard.press("?")
    words = page.inner_text("dialog")
    for does in (
        "keep what is marked",
        "keep all",
        "all are different",
        "skip",
        "take the last decision back",
        "zoom in",
    ):
        assert does in words
