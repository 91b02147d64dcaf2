"""`vstore index`: an approximate index is built, described and deleted, and a search says that it asked one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.lines import Line

from vstore.approximate import summary
from vstore.search import edges
from vstore_cli.output import recall


def built(line: Line) -> Line:
    line("index", "build", "--exact-below", "0")
    return line


def test_a_small_space_needs_no_index(pictures: Line) -> None:
    ran = pictures("index", "build")
    assert "all pictures are compared. No index was built." in ran.out.replace("\n", " ")
    assert not (pictures.home / ".vstore/indexes").exists()
    assert "it needs no index" in pictures("index", "status").out
    assert "approximate" not in pictures("search", "pictures/a.png", "--json").json


def test_a_search_says_that_it_asked_the_index(pictures: Line) -> None:
    exact = pictures("search", "pictures/a.png", "--json").json
    ran = built(pictures)("search", "pictures/a.png")
    assert "Approximate: the index finds 1.000 of the nearest ten. --exact compares all pictures." in ran.err
    found = pictures("search", "pictures/a.png", "--json").json
    assert found["approximate"] is True
    assert found["recall_at_10"] == 1
    assert found["hits"] == exact["hits"]
    compared = pictures("search", "pictures/a.png", "--exact", "--json").json
    assert compared == exact
    assert "Approximate" not in pictures("search", "pictures/a.png", "--exact").err


def test_building_again_finds_nothing_to_do(pictures: Line) -> None:
    first = pictures("index", "build", "--exact-below", "0", "--json").json
    assert first["trained"]
    assert first["encoded"] == first["now"]["covered"] == first["now"]["rows"]
    again = pictures("index", "build", "--json").json  # what was asked before holds
    assert (again["trained"], again["encoded"], again["merged"]) == (False, 0, 0)
    assert again["now"] == first["now"]
    assert "is up to date" in pictures("index", "build").out
    assert pictures("index", "build", "--retrain", "--json").json["trained"]


def test_what_was_asked_for_is_kept(pictures: Line) -> None:
    built(pictures)("index", "build", "--recall", "0.5")
    assert pictures("index", "build", "--json").json["now"]["wanted"] == 0.5
    pictures("index", "build", "--exact-below", "1G", "--recall", "0.75")
    assert pictures("index", "status", "--json").json[0]["wanted"] == 0.75
    assert "approximate" not in pictures("search", "pictures/a.png", "--json").json
    assert "its index is not asked" in pictures("index", "status").out


def test_a_recall_is_rounded_down() -> None:
    assert [recall(share) for share in (1, 0.999609, 0.97, 0.969999, 0.57)] == [
        "1.000",
        "0.999",
        "0.970",
        "0.969",
        "0.570",
    ]


def test_a_build_that_deletes_old_lists_does_not_end_a_status(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    built(pictures)
    monkeypatch.setattr(summary, "generations", lambda repo, space: [])
    (now,) = pictures("index", "status", "--json").json
    assert now["lists"] is None


def test_dropping_it_changes_no_answer(pictures: Line) -> None:
    hits = built(pictures)("search", "pictures/a.png", "--json").json["hits"]
    dropped = pictures("index", "drop", "--json").json
    assert dropped["files"] == 3
    assert dropped["bytes"] > 0
    assert pictures("search", "pictures/a.png", "--json").json["hits"] == hits
    assert "There is no index." in pictures("index", "drop").out


@pytest.mark.parametrize("recall", ["0", "1.5", "-1", "nan"])
def test_a_recall_that_is_none_is_refused(recall: str, pictures: Line) -> None:
    assert "give a share above 0, up to 1: 0.97" in pictures("index", "build", f"--recall={recall}", code=2).err


def test_a_space_that_there_is_not_is_refused(pictures: Line) -> None:
    for words in (["build"], ["drop"]):
        assert "no space 'lora' in this store" in pictures("index", *words, "--space", "lora", code=2).err


def test_without_a_snapshot_there_is_nothing_to_build(line: Line) -> None:
    line("init")
    assert "there is no snapshot yet" in line("index", "build", code=1).err
    assert "There are no vectors yet" in line("index", "status").out


def test_a_damaged_index_costs_no_answer(pictures: Line) -> None:
    hits = built(pictures)("search", "pictures/a.png", "--json").json["hits"]
    for path in sorted((pictures.home / ".vstore/indexes").glob("*/*.part")):
        whole = path.read_bytes()
        for at in range(0, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
            assert pictures("search", "pictures/a.png", "--json").json["hits"] == hits, (path, at)
        path.write_bytes(whole[:-7])
        assert pictures("search", "pictures/a.png", "--json").json["hits"] == hits
        path.write_bytes(whole)


def test_a_sync_keeps_it_up(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.approximate import build

    monkeypatch.setattr(build, "TAIL", 0)
    built(pictures)
    pictures.put({"pictures/new.png": 77, "pictures/newer.png": 78})
    pictures("sync", "pictures")
    (now,) = pictures("index", "status", "--json").json
    assert now["covered"] == now["rows"]
    assert now["parts"] == 2
    assert pictures("search", "pictures/new.png", "--json").json["hits"][0]["score"] == 1


def test_every_snapshot_is_answered(pictures: Line) -> None:
    built(pictures)
    before = pictures("search", "pictures/a.png", "--json", "--exact").json["hits"]
    first = pictures("search", "pictures/a.png", "--json").json["snapshot"]
    pictures.put({"pictures/new.png": 77})
    pictures("sync", "pictures")
    pictures("rollback", first)
    found = pictures("search", "pictures/a.png", "--json").json
    assert found["approximate"]
    assert found["hits"] == before


def test_it_is_shown_by_stats(pictures: Line) -> None:
    assert "The index of" not in pictures("stats").out
    assert "it finds 1.000 of the nearest ten" in built(pictures)("stats").out
    spaces = json.loads(json.dumps(pictures("stats", "--json").json["spaces"]))
    assert spaces[0]["approximate"]["lists"]
    assert Path(pictures.home / ".vstore/indexes").is_dir()


@pytest.fixture
def unturned(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    """Commands that take the built-in space for one of a model: turned pictures are always compared with all."""
    monkeypatch.setattr(edges, "has_turns", lambda recipe: False)
    return built(pictures)


def test_look_alikes_say_that_the_index_chose_them(unturned: Line) -> None:
    likely = unturned("dupes", "--near", "0.6", "--json").json
    assert likely["approximate"] is True
    assert likely["recall_at_10"] == 1
    ran = unturned("dupes", "--near", "0.6")
    said = "Approximate: pairs were chosen by the index, which finds 1.000 of the nearest ten; --exact compares all."
    assert said in (ran.out + ran.err).replace("\n", " ")


def test_all_pairs_are_compared_on_request(unturned: Line) -> None:
    likely = unturned("dupes", "--near", "0.6", "--json").json
    exact = unturned("dupes", "--near", "0.6", "--exact", "--json").json
    assert "approximate" not in exact
    assert "recall_at_10" not in exact
    assert exact["near"] == likely["near"]
    ran = unturned("dupes", "--near", "0.6", "--exact")
    assert "Approximate" not in ran.out + ran.err
    assert "approximate" not in unturned("dupes", "--near", "0.6", "--json").json  # every pair is known by now


def test_turned_pictures_are_compared_with_all(pictures: Line) -> None:
    assert "approximate" not in built(pictures)("dupes", "--near", "0.6", "--json").json


def test_comparing_all_pairs_needs_near(pictures: Line) -> None:
    error = pictures("dupes", "--exact", "--json", code=2).error
    assert error["code"] == "usage"
    assert "--exact" in error["message"]


def test_an_index_that_cannot_be_used_is_said_once(pictures: Line) -> None:
    from vstore import Store

    built(pictures)
    (lists,) = [
        path
        for path in (pictures.home / ".vstore/indexes").glob("*/*.part")
        if b'"kind":"inverted-lists"' in path.read_bytes()
    ]
    whole = lists.read_bytes()
    at = whole.index(b"vindexed") - 8 - 8 - 100  # in a key of its payload
    lists.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert "is damaged" in pictures("search", "pictures/a.png").err
    lists.write_bytes(whole[:-1] + b"?")
    assert "make it again" not in pictures("search", "pictures/a.png").err  # nobody can tell what it was
    lists.write_bytes(whole)
    (centroids,) = [
        path
        for path in (pictures.home / ".vstore/indexes").glob("*/*.part")
        if b'"kind":"centroids"' in path.read_bytes()
    ]
    centroids.unlink()
    ran = pictures("search", "pictures/a.png")
    assert "Note: the index of this space cannot be used" in ran.err.replace("\n", " ")
    assert "Approximate" not in ran.err
    with Store(pictures.home / ".vstore") as store, store.view() as view:
        key = next(iter(view))
        assert len(view.search(key).notes) == 1
        assert not view.search(key).notes
    pictures("index", "build")
    assert "cannot be used" not in pictures("search", "pictures/a.png").err
