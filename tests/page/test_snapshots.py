"""Snapshots of the page: their history, two of them compared, and the moves that `--write` allows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.page_server import PageServer

from vstore import Store

Serve = Callable[..., PageServer]


@pytest.fixture
def writer(own_library: Path, serve: Serve) -> PageServer:
    """A server that may change a store of its own."""
    return serve(own_library / ".vstore", "--write")


def current(server: PageServer) -> str | None:
    return str(server.get("/state")["current"])


# The history


def test_the_history_is_that_of_the_command_line(page_server: PageServer, library: Path) -> None:
    found = page_server.get("/snapshots")
    with Store(library / ".vstore") as store:
        rows = [row.to_json() for row in store.snapshot_list()]
        assert found["snapshots"] == [{**row, "compared_with": row["parent"]} for row in rows]
        assert found["log"] == [row.to_json() for row in store.log()]
        assert {name: found[name] for name in store.moves()._fields} == store.moves().to_json()
    assert (found["current"], found["total"], found["from"], found["log_is_cut"]) == ("v3", 3, 0, None)
    assert [one["tags"] for one in found["snapshots"]] == [[], ["summer"], []]


def test_a_part_of_a_long_history_is_given(page_server: PageServer) -> None:
    found = page_server.get("/snapshots?from=1&count=1&operations=2")
    assert [one["snapshot"] for one in found["snapshots"]] == ["v2"]
    assert (found["total"], len(found["log"])) == (3, 2)
    assert page_server.get("/snapshots?from=7")["snapshots"] == []


def test_where_the_parent_was_forgotten_a_snapshot_is_compared_with_the_one_before(
    own_library: Path, serve: Serve
) -> None:
    with Store(own_library / ".vstore") as store:
        store.rollback("v1")
        store.snapshot_untag("summer")
        store.snapshot_forget(["v2"])
    server = serve(own_library / ".vstore")
    found = server.get("/snapshots")["snapshots"]
    assert [(one["snapshot"], one["parent"], one["compared_with"]) for one in found] == [
        ("v3", "v2", "v1"), ("v1", None, None)
    ]  # fmt: skip
    assert server.get("/diff?b=v3")["before"]["snapshot"] == "v1"


@pytest.mark.parametrize(
    "address",
    ["/snapshots?count=501", "/snapshots?from=-1", "/snapshots?operations=x", "/diff?kind=new", "/diff?count=501",
     "/diff?a=v1&a=v2"],
)  # fmt: skip
def test_what_an_address_cannot_mean_is_refused(page_server: PageServer, address: str) -> None:
    assert page_server.get(address, 400)["error"]["code"] == "usage"


# A difference


def test_a_difference_is_that_of_the_command_line(page_server: PageServer, library: Path) -> None:
    found = page_server.get("/diff?a=v1&b=v3&count=500")
    with Store(library / ".vstore") as store:
        report = store.snapshot_diff("v1", "v3").to_json()
    assert (found["before"]["snapshot"], found["after"]["snapshot"], found["same_space"]) == ("v1", "v3", True)
    assert found["fields"] == []
    pictures: Any = found["pictures"]
    for kind in ("copied", "added", "removed"):
        assert found["counts"][kind] == len(report[kind])  # type: ignore[arg-type]
        keys = [(one["picture"]["key"], one["picture"]["paths"]) for one in pictures[kind]]
        assert keys == [(one["key"], [one["path"]]) for one in report[kind]]  # type: ignore[index,union-attr,call-overload]
    (changed,) = pictures["changed"]
    assert changed["before"]["name"] == changed["after"]["name"] == "fish-1.jpg"
    assert changed["before"]["key"] != changed["after"]["key"]
    (renamed,) = pictures["renamed"]
    assert (renamed["was"], renamed["picture"]["name"]) == ("pictures/animals/cat-1.jpg", "renamed.jpg")


def test_without_names_the_current_snapshot_is_compared_with_the_one_before(page_server: PageServer) -> None:
    found = page_server.get("/diff")
    assert (found["before"]["snapshot"], found["after"]["snapshot"]) == ("v2", "v3")
    assert page_server.get("/diff?a=&b=&kind=") == found
    assert page_server.get("/diff?b=v2")["before"]["snapshot"] == "v1"
    assert page_server.get("/diff?b=v1", 404)["error"]["code"] == "no_such_snapshot"
    assert page_server.get("/diff?a=v9", 404)["error"]["code"] == "no_such_snapshot"
    assert sum(page_server.get("/diff?a=summer&b=v2")["counts"].values()) == 0


def test_of_one_kind_a_part_is_given(page_server: PageServer) -> None:
    whole = page_server.get("/diff?a=v1&b=v2&kind=added&count=500")["pictures"]
    assert list(whole) == ["added"]
    part = page_server.get("/diff?a=v1&b=v2&kind=added&from=2&count=3")
    assert part["pictures"]["added"] == whole["added"][2:5]
    assert part["counts"]["added"] == len(whole["added"]) > 5


def test_each_picture_names_the_snapshot_in_which_it_can_be_shown(page_server: PageServer) -> None:
    found = page_server.get("/diff?a=v2&b=v3")["pictures"]
    as_it_was = found["changed"][0]["before"]
    assert as_it_was["at"] == "v3"  # it was kept in before.jpg
    for one in (as_it_was, found["changed"][0]["after"], found["renamed"][0]["picture"]):
        status, headers, _ = page_server.ask("GET", f"/thumbnail/{one['key']}?at={one['at']}", {"Accept": "image/*"})
        assert (status, headers.get_content_type()) == (200, "image/jpeg")
    (removed,) = found["removed"]
    assert (removed["picture"]["name"], removed["picture"]["at"]) == ("cat-2.jpg", "v2")
    about = page_server.get(f"/thumbnail/{removed['picture']['key']}?at=v2")
    assert about["missing"] == "no longer there"


def test_a_folder_that_got_another_label_is_shown_under_that_of_today(own_library: Path, serve: Serve) -> None:
    server = serve(own_library / ".vstore")
    assert server.get("/diff?a=v2&b=v3")["pictures"]["removed"][0]["picture"]["folder"] == "pictures/animals"
    with Store(own_library / ".vstore") as store:
        store.root_rename("pictures", "mine")
    assert server.get("/diff?a=v2&b=v3")["pictures"]["removed"][0]["picture"]["folder"] == "mine/animals"


# Moves


def test_a_rollback_its_undo_and_its_redo(writer: PageServer) -> None:
    newest = writer.get("/snapshots")["newest"]
    made = writer.post("/snapshots/rollback", {"snapshot": "v1", "newest": newest})
    assert (made["op"], made["current"], made["before"], made["hold"]) == ("rollback", "v1", "v3", None)
    assert current(writer) == "v1"
    moves = writer.get("/snapshots")
    assert moves["undo"].startswith("rollback of ")
    assert writer.post("/snapshots/undo", {"newest": moves["newest"]})["current"] == "v3"
    moves = writer.get("/snapshots")
    assert moves["redo"].startswith("rollback of ")
    assert writer.post("/snapshots/redo", {"newest": moves["newest"]})["current"] == "v1"


def test_a_rollback_that_holds_syncing_until_it_is_allowed_again(writer: PageServer) -> None:
    newest = writer.get("/snapshots")["newest"]
    assert writer.post("/snapshots/rollback", {"snapshot": "v1", "newest": newest, "hold": True})["hold"] == "v1"
    found = writer.get("/snapshots")
    assert found["hold"] == "v1"
    assert writer.post("/snapshots/release", {"newest": found["newest"]})["op"] == "release"
    assert writer.get("/snapshots")["hold"] is None


def test_tags_are_given_and_taken(writer: PageServer) -> None:
    assert writer.post("/snapshots/tag", {"snapshot": "v1", "tag": "first"}) == {"tag": "first", "snapshot": "v1"}
    assert writer.get("/snapshots")["snapshots"][2]["tags"] == ["first"]
    assert writer.post("/snapshots/tag", {"snapshot": "v3", "tag": "first"}, 400)["error"]["code"] == "usage"
    assert writer.post("/snapshots/untag", {"tag": "first"}) == {"tag": "first", "snapshot": None}
    assert writer.post("/snapshots/untag", {"tag": "first"}, 400)["error"]["code"] == "usage"


@pytest.mark.parametrize("move", ["rollback", "undo", "redo", "release"])
def test_where_the_store_has_changed_meanwhile_nothing_is_done(
    move: str, writer: PageServer, own_library: Path
) -> None:
    newest = writer.get("/snapshots")["newest"]
    with Store(own_library / ".vstore") as store:
        store.snapshot_tag("v2", "mine")
        before = store.log()
        sent = {"newest": newest, **({"snapshot": "v1"} if move == "rollback" else {})}
        error = writer.post(f"/snapshots/{move}", sent, 409)["error"]
        assert error["code"] == "moved_on"
        assert "changed meanwhile: tag of " in error["message"]
        assert store.log() == before


@pytest.mark.parametrize(
    ("move", "sent"),
    [
        ("rollback", {"snapshot": "v1"}),
        ("rollback", {"newest": 1}),
        ("rollback", {"snapshot": 1, "newest": 1}),
        ("rollback", {"snapshot": "v1", "newest": True}),
        ("rollback", {"snapshot": "v1", "newest": 1, "hold": "yes"}),
        ("undo", {}),
        ("redo", {"newest": "1"}),
        ("release", {"newest": None}),
        ("tag", {"snapshot": "v1"}),
        ("tag", {"tag": "x"}),
        ("tag", {"snapshot": "v1", "tag": "a b"}),
        ("untag", {"tag": ["summer"]}),
    ],
)
def test_what_is_sent_is_checked(move: str, sent: dict[str, Any], writer: PageServer) -> None:
    before = writer.get("/snapshots")
    assert writer.post(f"/snapshots/{move}", sent, 400)["error"]["code"] == "usage"
    assert writer.get("/snapshots") == before


@pytest.mark.parametrize("move", ["rollback", "release", "undo", "redo", "tag", "untag"])
def test_a_page_that_only_reads_changes_nothing(move: str, page_server: PageServer) -> None:
    before = page_server.get("/snapshots")
    sent = {"snapshot": "v1", "tag": "summer", "newest": before["newest"]}
    assert page_server.post(f"/snapshots/{move}", sent, 403)["error"]["code"] == "read_only"
    assert page_server.ask("GET", f"/snapshots/{move}", {"Accept": "application/json"})[0] in (404, 405)
    assert page_server.get("/snapshots") == before
