"""The terms of a query: what is a picture, what is a text, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.failing_disks import disk
from support.folders import World, drawn, put

from vstore import Operand, UsageError, VstoreError
from vstore.repository.addresses import file_of_address, refuse_address
from vstore.search.terms import Terms, read_terms
from vstore.search.wording import names_picture, refuse_pattern, refuse_video

__all__ = ["disk"]


@pytest.fixture
def reading(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A store whose model may read text, and a working folder with pictures: a.png, sub/b.png, notes, cats/."""
    put(world.pictures, {"a.png": 1, "sub/b.png": 2})
    world.sync()
    monkeypatch.chdir(world.pictures)
    put(world.pictures, {"notes": b"words", "film.mp4": b"moving", "cats/c.png": 3})
    return world


def typed(world: World, word: str, at: str = "current") -> Terms:
    return read_terms(world.repo, [Operand(1.0, text=word, typed=True)], at)


@pytest.mark.parametrize("word", ["a.png", "sub/b.png", "cats/c.png"])
def test_the_name_of_a_picture_file_is_the_picture_though_texts_are_read(reading: World, word: str) -> None:
    (term,), notes = typed(reading, word)
    assert (term.operand.image, term.operand.text) == (word.encode(), None)
    assert term.data == (reading.pictures / word).read_bytes()
    assert notes == (f"{word} is taken as the picture",)


@pytest.mark.parametrize(
    "word", ["cats", "a cat", "sub", "b.png is nice", "", "what: a.png", "cat:2", "10", "caf\udce9"]
)
def test_other_words_are_texts(reading: World, word: str) -> None:
    (term,), notes = typed(reading, word)
    assert (term.operand.text, term.data, term.key, notes) == (word, None, None, ())


@pytest.mark.parametrize("word", ["notes", "gone.png"])
def test_a_text_that_may_be_meant_for_a_file_gets_a_note(reading: World, word: str) -> None:
    (term,), notes = typed(reading, word)
    assert term.operand.text == word
    assert notes == (f"{word} is read as text; for the picture, write ./{word}",)


def test_a_path_of_the_snapshot_is_a_picture_though_its_file_is_gone(reading: World) -> None:
    key = reading.repo.hash.digest(drawn(2))
    (reading.pictures / "sub/b.png").unlink()
    (term,), notes = typed(reading, "pictures/sub/b.png")
    assert (term.data, term.key) == (None, key)
    assert notes[-1] == "pictures/sub/b.png is not on disk; it is taken as the snapshot has it"
    reading.sync()
    assert typed(reading, "pictures/sub/b.png").terms[0].operand.text == "pictures/sub/b.png", "no longer in it"
    assert typed(reading, "pictures/sub/b.png", at="v1").terms[0].key == key
    found = reading.store.search([Operand(1.0, image=b"pictures/sub/b.png")], at="v1", k=1)
    assert [(hit.key, hit.score) for hit in found.hits] == [(key, 1.0)]
    assert found.notes == ("pictures/sub/b.png is not on disk; it is taken as the snapshot has it",)


def test_a_picture_that_is_stored_without_a_vector_is_never_searched_for_as_an_empty_text(
    reading: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (reading.pictures / "a.png").unlink()
    monkeypatch.setattr("vstore.search.index.Index.find", lambda index, key: None)
    with pytest.raises(UsageError, match=r"pictures/a.png is not on disk, and has no vector to search with"):
        reading.store.search([Operand(1.0, image=b"pictures/a.png")])


def test_a_program_says_what_it_means(reading: World) -> None:
    (text,), notes = read_terms(reading.repo, [Operand(1.0, text="a.png")], "current")
    assert (text.operand.text, notes) == ("a.png", ())
    (alone,), _ = read_terms(reading.repo, Operand(1.0, image=b"a.png"), "current")
    assert alone.key == reading.repo.hash.digest(drawn(1))


class Unreadable:
    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("call detach() first")


@pytest.mark.parametrize(
    ("operands", "said"),
    [
        (
            [b"a.jpg"],
            "b'a.jpg' is no key: it has 5 bytes, and keys of this store have 16; for a path, give os.fsdecode",
        ),
        ([(1.0, b"a.jpg")], "is nothing that can be searched for; give a text, a path"),
        ({"text": "a cat"}, "is nothing that can be searched for"),
        (None, "None is nothing that can be searched for"),
        (7, "7 is nothing that can be searched for"),
        ("", "a word to search for is empty"),
        ("~/cat.png", "~/cat.png begins with ~, which a shell expands; give Path"),
        ("./half\udc00\ud800.png", "no file can have the name"),
        (Path("nowhere/a.png"), "there is no picture nowhere/a.png"),
        ("./nowhere.png", "there is no picture ./nowhere.png"),
        (Operand("much", image="a.png"), "'much' is not a valid weight"),  # type: ignore[arg-type]
        (Operand(None, image="a.png"), "None is not a valid weight"),  # type: ignore[arg-type]
        (Operand(10**400, image="a.png"), "0000 is not a valid weight"),
        (Operand(np.ones(2), image="a.png"), "is not a valid weight"),  # type: ignore[arg-type]
        (Operand(1.0, image=5), "5 is no path; give a str or a Path"),  # type: ignore[arg-type]
        (Operand(1.0, image="half\ud800.png"), "no file can have the name"),
        (Operand(1.0, text=b"a cat"), "b'a cat' is no text; give a str"),  # type: ignore[arg-type]
        (Operand(1.0, key="12"), "'12' is no key; a key of this store has 32 hex digits"),
        (Operand(1.0, key=12), "12 is no key; a key of this store has 16 bytes"),
        (b"0123456789abcdef", "the picture 30313233343536373839616263646566 has no vector in this space; give a key"),
        ("30313233343536373839616263646566", "the picture 30313233343536373839616263646566 has no vector"),
        (Operand(1.0, picture="a.png"), "'a.png' is no picture of Pillow"),
        (Operand(1.0, image="a.png", key="12"), "several things to search for: image, key"),
        (Operand(1.0, image="a.png", text="a cat"), "several things to search for: image, text; give each an Operand"),
        (np.ones((1, 8)), r"a vector to search for has the shape \(1, 8\); give one with a single axis"),
        (np.ones(()), r"has the shape \(\)"),
        ([np.nan] * 8, "has a value that is not finite"),
        (np.array([1, np.inf, 0, 0, 0, 0, 0, 0]), "has a value that is not finite"),
        (np.zeros(8), "is zero, and leads nowhere"),
        ([1, 0, 0], "has 3 numbers, and those of the space 'fake-1' have 8; give one that the model of the space made"),
        (np.ones(8, complex), "has values of the type complex128"),
        (np.array(["a"] * 8), "has values of the type <U1"),
        (Unreadable(), r"cannot be read \(RuntimeError: call detach\(\) first\)"),
        ([Operand(1.0)], "neither a picture nor a text"),
        ([], "nothing to search for"),
    ],
)
def test_what_is_no_operand_is_refused_in_words(reading: World, operands: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        reading.store.search(operands)


@pytest.mark.parametrize(
    ("word", "path"),
    [
        (b"file:///a/b.png", b"/a/b.png"),
        (b"FILE:///a%20b/%C3%A9.png", "/a b/é.png".encode()),
        (b"file://localhost/a", b"/a"),
        (b"file:/a/b", b"/a/b"),
        (b"file:///a%2", b"/a%2"),
        (b"file:///\xff%FF", b"/\xff\xff"),
        (b"file:a", b"file:a"),
        (b"file", b"file"),
        (b"./file:///a", b"./file:///a"),
    ],
)
def test_the_address_of_a_file_is_a_path(word: bytes, path: bytes) -> None:
    assert file_of_address(word) == path


@pytest.mark.parametrize(
    "word",
    ["http://e.org/a", "HTTPS://e.org/a.jpg?x=1&y", "ftp://h/a", "s3://b/k", "data:,x", "data:image/png;base64,AA"],
)
def test_addresses_are_refused(word: str) -> None:
    with pytest.raises(UsageError):
        refuse_address(word)


@pytest.mark.parametrize(
    "word",
    [
        "a",
        "cat: black",
        "http:",
        "http://",
        "see http://e.org/a",
        "data: a cat",
        "data",
        "a://",
        "file:///a.jpg",
        "2://x",
    ],
)
def test_other_words_are_no_addresses(word: str) -> None:
    refuse_address(word)


@pytest.mark.parametrize("word", ["what? a cat", "5*3", "[a]", "really?.no", "*", "a b?.jpg"])
def test_other_words_are_no_patterns(word: str) -> None:
    refuse_pattern(word)


@pytest.mark.parametrize("word", ["a.jpg", "dir.jpg/", ".jpg", "jpg", "a.mp4 cat", "mp4"])
def test_other_words_are_no_videos(word: str) -> None:
    refuse_video(word)
    assert names_picture(word) == (word == "a.jpg")


PIECES = [
    "a.png",
    "sub",
    "/",
    "..",
    ".",
    "*",
    "?",
    "[a]",
    "http",
    "://",
    "file:",
    "data:",
    ",",
    " ",
    "%41",
    "notes",
    "\0",
    "é",
    "\ud800",
]


@given(word=st.lists(st.sampled_from(PIECES), max_size=5).map("".join))
def test_any_word_is_taken_or_refused_in_words(word: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    global _made
    if _made is None:
        _made = World(tmp_path_factory.mktemp("terms"))
        put(_made.pictures, {"a.png": 1, "sub/a.png": 2, "notes": b"words"})
        _made.sync()
    before = os.getcwd()
    os.chdir(_made.pictures)
    try:
        (term,), _ = typed(_made, word)
        assert (term.operand.text is None) == (term.key is not None)
        if term.operand.text is not None:
            assert term.operand.text == word
        (as_text,), notes = read_terms(_made.repo, [Operand(1.0, text=word)], "current")
        assert (as_text.operand.text, notes) == (word, ())
    except VstoreError as err:
        assert err.next_step
        assert any(mark in word for mark in (*"/*?[", "data:", "://")), "only such words are refused"
    finally:
        os.chdir(before)


_made: World | None = None
