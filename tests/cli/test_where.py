"""--where on the command line."""

from __future__ import annotations

import json
import subprocess

import pytest
from support.lines import COMMAND, Line, Ran, environment

QUERY = "./pictures/a.png"


def test_pictures_are_chosen_where_they_are_listed_and_found(pictures: Line) -> None:
    where = "path like '%/sub/%' or name = 'b.png'"
    assert pictures("ls", "--where", where).lines == ["pictures/b.png", "pictures/sub/c.png"]
    assert pictures("find", "c*", "--where", where).lines == ["pictures/sub/c.png"]
    listed = pictures("search", QUERY, "--where", where, "-l").lines
    assert sorted(path.rpartition("/")[2] for path in listed) == ["b.png", "c.png"]
    found = pictures("search", QUERY, "--where", "name = 'b.png'", "--json").json
    assert [hit["paths"] for hit in found["hits"]] == [["pictures/b.png"]]
    assert [one["path"] for one in pictures("ls", "--where", where, "--json").json["entries"]] == [
        "pictures/b.png",
        "pictures/sub/c.png",
    ]


def test_copies_are_looked_for_among_those_chosen(pictures: Line) -> None:
    pictures.put({"pictures/backup/a.png": 1, "pictures/old/a.png": 1})
    pictures("sync", "-q")
    groups = pictures("dupes", "--json", "--where", "path not like '%/backup/%'").json["groups"]
    assert [[one["path"] for one in group["paths"]] for group in groups] == [["pictures/a.png", "pictures/old/a.png"]]


def test_none_is_said_with_what_was_asked(pictures: Line) -> None:
    assert "holds no picture where name = 'x'." in pictures("ls", "--where", "name = 'x'").err
    assert "holds no picture there where name = 'x'." in pictures("ls", "pictures/sub", "--where", "name = 'x'").err
    err = pictures("find", "*.png", "--where", "name = 'x'").err
    assert "has a name that matches *.png, where name = 'x'." in err and "--all" not in err
    assert "matches" in pictures("search", QUERY, "--where", "0").err


def test_a_snapshot_without_fields_says_so(pictures: Line) -> None:
    assert "this snapshot has no fields" in pictures("ls", "--where", "label = 'cat'", code=2).err


def test_a_field_that_only_the_current_snapshot_has_is_said_to_be_there(pictures: Line) -> None:
    pictures("fields", "set", "label=cat", QUERY)
    for name in ("label", "Label", 'field."label"'):
        said = pictures("ls", "v1", "--where", f"{name} = 'cat'", code=2).err
        assert f"no such column: {name}; v2, the current snapshot, has this field" in said
    assert "no such column: lable" in pictures("ls", "v1", "--where", "lable = 'cat'", code=2).err
    assert 'no such column: "Label"' in pictures("ls", "v1", "--where", "\"Label\" = 'cat'", code=2).err
    pictures("fields", "unset", "label", QUERY)
    assert "this snapshot has no fields" in pictures("ls", "--where", "label = 'cat'", code=2).err


@pytest.mark.parametrize("words", [["search", QUERY], ["ls"], ["find", "*"], ["dupes"]], ids=" ".join)
@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("camra = 'x'", "no such column: camra; did you mean camera?"),
        ("(select 1)", "SELECT is not taken in --where"),
        (" ", "--where is empty"),
        ("a = '\udcff'", "--where is not text in UTF-8"),
    ],
)
def test_what_is_no_expression_is_a_usage_error(pictures: Line, words: list[str], where: str, said: str) -> None:
    error = pictures(*words, "--where", where, "--json", code=2).error
    assert error["code"] == "usage" and said in error["message"] and error["next"]


def test_lines_of_a_conversation_choose_for_themselves(pictures: Line) -> None:
    lines = f"{QUERY} --where \"name = 'b.png'\"\n{QUERY}\n{QUERY} --where 'wrong ='\n"
    words = [*COMMAND, "search", "--interactive", "--json", "--where", "name <> 'b.png'"]
    done = subprocess.run(
        words, cwd=pictures.home, env=environment(), input=lines, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    first, second, third = map(json.loads, Ran(1, done.stdout, done.stderr).lines)
    assert [hit["paths"] for hit in first["hits"]] == [["pictures/b.png"]]
    assert sorted(hit["paths"][0] for hit in second["hits"]) == ["pictures/a.png", "pictures/sub/c.png"]
    assert third["error"]["code"] == "usage"
