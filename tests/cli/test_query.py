"""The words of a search."""

from __future__ import annotations

import os

import pytest

from vstore.errors import UsageError
from vstore_cli.query import Part, parse


@pytest.mark.parametrize("word", ["./a.jpg", "../a.jpg", "/a.jpg", "image:a.jpg"])
def test_a_word_that_begins_as_a_path_does_is_a_picture(word: str) -> None:
    assert parse([word]) == [Part(1.0, image=word.removeprefix("image:").encode())]


@pytest.mark.parametrize("word", ["cat", "a.jpg", "two words", ".hidden", "...", "images:a", "10", "a/b.jpg", "2:"])
def test_any_other_word_is_text(word: str) -> None:
    assert parse([word]) == [Part(1.0, text=word)]


def test_a_tilde_is_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert parse(["~/a.jpg"]) == [Part(1.0, image=b"/home/me/a.jpg")]
    assert parse(["image:~/a.jpg"]) == [Part(1.0, image=b"/home/me/a.jpg")]


def test_signs_are_words_of_their_own() -> None:
    assert parse(["./a", "+", "./b", "-", "./c", "./d"]) == [
        Part(1.0, image=b"./a"),
        Part(1.0, image=b"./b"),
        Part(-1.0, image=b"./c"),
        Part(1.0, image=b"./d"),
    ]
    assert parse(["-", "cat"]) == [Part(-1.0, text="cat")]
    assert parse(["+cat"]) == [Part(1.0, text="+cat")]


@pytest.mark.parametrize(
    ("word", "weight"), [("2:./a", 2.0), ("0.5:./a", 0.5), (".5:./a", 0.5), ("2.25:./a", 2.25), ("2:image:./a", 2.0)]
)
def test_a_weight_stands_before_its_operand(word: str, weight: float) -> None:
    assert parse([word]) == [Part(weight, image=b"./a")]
    assert parse(["-", word]) == [Part(-weight, image=b"./a")]


def test_a_text_may_have_a_weight_and_a_colon() -> None:
    assert parse(["2:cat: black"]) == [Part(2.0, text="cat: black")]
    assert parse(["cat:2"]) == [Part(1.0, text="cat:2")]


def test_a_name_that_is_not_utf8_keeps_its_bytes() -> None:
    assert parse([os.fsdecode(b"./\xff.jpg")]) == [Part(1.0, image=b"./\xff.jpg")]


@pytest.mark.parametrize("words", [[], ["+"], ["./a", "-"], ["+", "+", "./a"], ["-", "+", "./a"], [""], ["image:"]])
def test_words_that_ask_for_nothing_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(words)
