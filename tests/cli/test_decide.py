"""`vstore decide` and `vstore decisions`: what they print, and their exit codes."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest
from support.lines import Line

A, B, C = "pictures/a.png", "pictures/b.png", "pictures/sub/c.png"


def test_a_decision_is_made_listed_and_taken_back(pictures: Line) -> None:
    made = pictures("decide", "different", A, B)
    assert made.lines == ["Made 1 decision about 2 pictures. Take back with: vstore undo"]
    pictures("decide", "keep", A, "--over", B, "--over", C)
    head, newest, oldest = pictures("decisions").lines
    assert head.split() == ["time", "decision", "pictures"]
    assert newest.endswith(f"keep       {A} over {B}, {C}")
    assert oldest.endswith(f"different  {A}, {B}")
    for words in (["-n", "1"], [C]):
        (line,) = pictures("decisions", *words).lines[1:]
        assert line.split() == newest.split()
    assert pictures("undo").lines[0].startswith("Undone: decide of ")
    assert pictures("decisions").lines == [head, oldest]
    assert pictures("decisions", B, C).err == "No decision is about all of these pictures.\n"
    assert pictures("decisions", C).err == "No decision is about this picture.\n"


def test_a_store_without_decisions_says_so(pictures: Line) -> None:
    assert pictures("decisions").err == "No decision has been made.\n"
    assert pictures("decisions", "--json").json["decisions"] == []


def test_what_holds_already_changes_nothing(pictures: Line) -> None:
    pictures("decide", "same", A, B)
    assert pictures("decide", "same", B, A).lines == ["Nothing changed: that is decided already."]
    assert pictures("decide", "same", A, B, "--json").json == {
        "made": 0, "known": 1, "pictures": 0, "absent": 0, "dry_run": False, "store": str(pictures.store),
    }  # fmt: skip


def test_a_dry_run_says_what_would_be_made(pictures: Line) -> None:
    assert pictures("decide", "same", A, B, "-n").lines == ["Would make 1 decision about 2 pictures."]
    assert pictures("decisions").err == "No decision has been made.\n"


def test_many_pictures_are_counted(pictures: Line) -> None:
    pictures("decide", "different", A, B, *[f"{number:032x}" for number in range(1234)])
    (line,) = pictures("decisions").lines[1:]
    assert line.endswith(" and 1,233 more")


def test_pictures_that_the_snapshot_does_not_have_are_counted(pictures: Line) -> None:
    ran = pictures("decide", "same", A, "ab" * 16)
    assert ran.err == "Note: 1 of these pictures is not in v1\n"


def test_decisions_are_read_from_a_file_and_from_standard_input(
    pictures: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f'{{"verb": "same", "pictures": ["{A}", "{B}"]}}\n{{"verb": "keep", "pictures": ["{C}"]}}\n'
    (pictures.home / "x.jsonl").write_text(text)
    assert pictures("decide", "--from", "x.jsonl").lines == [
        "Made 2 decisions about 3 pictures. Take back with: vstore undo"
    ]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.replace("same", "different").encode())))
    assert pictures("decide", "--from", "-").lines == [
        "Made 1 decision about 2 pictures; 1 more is in force already. Take back with: vstore undo"
    ]
    assert (
        pictures("decide", "--from", "x.jsonl", "-n").lines[0].startswith("Would make 1 decision about 2 pictures; 1")
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no decision is given"),
        (["alike", A, B], "'alike' is not one of"),
        (["same", A], "one picture is named, and same is about two or more"),
        (["same", A, "pictures/copy.png"], "all that is named is one picture"),
        (["same", A, "pictures/none.png"], "pictures/none.png is neither on disk nor in this snapshot"),
        (["same", A, B, "--over", C], "nothing is kept over other pictures by same"),
        (["keep", A, "--over", A], "a picture cannot be kept over itself"),
        (["same", "--from", "x.jsonl"], "a decision and a file of decisions are given"),
        (["--from", "none.jsonl"], "none.jsonl cannot be read"),
        (["--from", "pictures"], "pictures is no file"),
    ],
)
def test_wrong_words_are_refused(pictures: Line, words: list[str], message: str) -> None:
    (pictures.home / "pictures/copy.png").write_bytes((pictures.home / A).read_bytes())
    pictures("sync", "-q")
    assert message in pictures("decide", *words, code=2).err
    assert pictures("decisions").err == "No decision has been made.\n"
