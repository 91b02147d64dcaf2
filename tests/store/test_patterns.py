from __future__ import annotations

import functools
import re
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.pictures.pattern_faults import fault_of
from vstore.pictures.pattern_watch import CaseWatch
from vstore.pictures.patterns import LONGEST, Name, Pattern, Patterns
from vstore.pictures.spelling import caseless

# Held against git itself in test_scan.py; these are for reading.
MEANINGS = [
    # pattern, what it means, what it does not
    ("a.jpg", ["a.jpg", "d/a.jpg", "a.jpg/"], ["aajpg", "a.jpg.jpg", "d/e/a.png"]),
    ("/a.jpg", ["a.jpg"], ["d/a.jpg"]),
    ("d/a.jpg", ["d/a.jpg"], ["e/d/a.jpg"]),
    ("raw/", ["raw/", "d/raw/"], ["raw", "raw/a.jpg"]),
    ("/raw", ["raw", "raw/"], ["d/raw", "raw/a.jpg"]),
    ("*.jpg", [".jpg", "a.jpg", "d/a.jpg"], ["a.png"]),
    ("d/*.jpg", ["d/a.jpg"], ["d/e/a.jpg", "a.jpg"]),
    ("d/**/a.jpg", ["d/a.jpg", "d/e/a.jpg", "d/e/f/a.jpg"], ["a.jpg", "de/a.jpg"]),
    ("**/a.jpg", ["a.jpg", "d/a.jpg"], ["aa.jpg"]),
    ("d/**", ["d/a.jpg", "d/e/", "d/e/f"], ["d", "d/"]),
    ("d**e", ["de", "dxe", "x/de"], ["d/e"]),
    ("?.jpg", ["a.jpg", "é.jpg", "d/a.jpg"], ["ab.jpg", ".jpg", "/.jpg"]),
    ("d?a", [], ["d/a"]),
    ("[a-c]x", ["ax", "cx"], ["dx", "x"]),
    ("[!a-c]x", ["dx", "-x"], ["ax", "x"]),
    ("[^a]x", ["bx"], ["ax"]),
    ("[]a]x", ["]x", "ax"], ["bx"]),
    ("[a-]x", ["-x", "ax"], ["bx"]),
    ("[[:digit:]]x", ["1x"], ["ax", ":x"]),
    ("d[!x]e", ["d-e"], ["d/e"]),
    (r"\*.jpg", ["*.jpg"], ["a.jpg"]),
    (r"\!a", ["!a"], ["a"]),
    (r"[\]]x", ["]x"], ["\\x"]),
    ("a.(jpg|png)+$", ["a.(jpg|png)+$"], ["a.jpg"]),
    ("a\nb", ["a\nb"], ["a", "b"]),
    ("*b", ["a\nb"], []),
]


@pytest.mark.parametrize(("pattern", "means", "does_not"), MEANINGS)
def test_a_pattern_means_what_git_says(pattern: str, means: list[str], does_not: list[str]) -> None:
    patterns = Patterns([Pattern.parse(pattern)])
    assert [path for path in means if patterns.matches(path) is not True] == []
    assert [path for path in does_not if patterns.matches(path) is not None] == []


def test_the_last_pattern_that_matches_has_its_way() -> None:
    patterns = Patterns.from_file("*.jpg\n!a.jpg\n/a.jpg\n")
    assert patterns.matches("b.jpg") is True
    assert patterns.matches("d/a.jpg") is False
    assert patterns.matches("a.jpg") is True
    assert patterns.matches("a.png") is None


def test_a_pattern_that_names_a_folder_says_nothing_of_what_is_in_it() -> None:
    """Whoever walks asks about the folder first. `raw/`, then `!2024`, does not bring back 2024/raw."""
    patterns = Patterns.from_file("raw/\n!2024\n")
    assert patterns.matches("2024/") is False
    assert patterns.matches("2024/raw/") is True


@pytest.mark.parametrize("pattern", ["", "!", "/", "!/", "a[", "[", "[a", "[]", "[!]", "[a\\", "a\\", "[[:nothing:]]"])
def test_what_no_name_can_match_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError):
        Pattern.parse(pattern)
    assert not Patterns.from_file(pattern)


def test_lines_of_a_file_lose_their_ends_and_comments() -> None:
    patterns = Patterns.from_file("a  \r\n#b\n\\#c\n\n  \nd\\ \ne\\\\ ")
    assert [patterns.matches(name) for name in ("a", "#b", "#c", "d ", "e\\", "d", " ")] == [
        True, None, True, True, True, None, None,
    ]  # fmt: skip


SLOW = [
    # a pattern, and a name for which a matcher that turns back at each star takes for ever
    ("*a" * 12 + "b", "a" * 250),
    ("?*a*" * 200 + "b", "a" * 250),
    ("a*" * 2000 + "b", "a" * 250),
    ("**/a/" * 40 + "b", "a/" * 2000 + "c"),
    ("**/*a*a*b/" * 300 + "x", "aaaa/" * 800 + "c"),
    ("**/" + "a/" * 1000 + "b", "a/" * 2000 + "c"),
    ("*" + "a" * 4000 + "b/c", "a" * 4000),
    ("[!b]*" * 500 + "b", "a" * 250),
]


@pytest.mark.parametrize(("pattern", "name"), SLOW)
def test_a_pattern_of_a_stranger_is_matched_at_once(pattern: str, name: str) -> None:
    began = time.process_time()
    assert Patterns([Pattern.parse(pattern)]).matches(name) is None
    assert time.process_time() - began < 2


@pytest.mark.parametrize("fold", [False, True])
def test_patterns_without_wildcards_are_looked_up_and_mean_what_they_would(fold: bool) -> None:
    """Each path is decided as by the last of all patterns, held against it one by one."""
    lines = [
        "a",
        "!d/a",
        "/b/",
        r"\*x",
        "*.jpg",
        "!a.jpg",
        "A.JPG",
        "d",
        "!d/",
        "é",
        "d/é",
        "!*/é",
        "b",
        r"!\b",
        "ß",
        "K",
    ]
    paths = [
        "a",
        "d/a",
        "b/",
        "b",
        "e/b/",
        "*x",
        "d/*x",
        "a.jpg",
        "A.jpg",
        "d",
        "d/",
        "e\u0301",
        "d/é",
        "É",
        "ẞ",
        "\u212a",
    ]
    for end in range(1, len(lines) + 1):
        each = [Pattern.parse(line, fold=fold) for line in lines[:end]]
        patterns = Patterns(each, fold=fold)
        for path in paths:
            fits = [one for one in each if one.fits(Name.of(path))]
            assert patterns.deciding(path) == (fits[-1] if fits else None), (path, lines[:end])


def test_texts_are_caseless_as_regular_expressions_have_it() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1) if caseless(chr(code)) != chr(code)]
    assert len(every) > 1_000
    assert [char for char in every if not re.fullmatch(re.escape(caseless(char)), char, re.IGNORECASE)] == []
    for char in map(chr, range(0x20000)):
        assert caseless(char.lower()) == caseless(char) or len(char.lower()) > 1
    assert caseless("ſtIıİ") == caseless("STiii")


def test_many_patterns_without_wildcards_cost_a_name_no_more_than_one() -> None:
    patterns = Patterns.from_file("\n".join(f"IMG_{n}.jpg" for n in range(20_000)))
    began = time.process_time()
    assert not any(patterns.matches(f"2024/IMG_{n}.png") for n in range(20_000))
    assert patterns.matches("2024/IMG_19999.jpg") is True
    assert time.process_time() - began < 10


TOKENS = ["a", "b", "*", "?", "[ab]", "[!a]", "/", "**/", "/**"]


@given(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=9).map("".join), st.text("ab/", max_size=14))
def test_a_pattern_matches_what_a_search_of_all_ways_finds(pattern: str, path: str) -> None:
    text = pattern.rstrip("/").removeprefix("/")
    if not text:
        return
    regex = Pattern.parse(f"/{text}").regex
    assert (regex.fullmatch(path) is not None) == _by_all_ways(text, path)


def _by_all_ways(pattern: str, path: str) -> bool:
    """Match by definition: each star tries every length."""

    @functools.cache
    def fits(at: int, pos: int) -> bool:
        if at == len(pattern):
            return pos == len(path)
        begins = at == 0 or pattern[at - 1] == "/"
        stars = len(pattern) - at - len(pattern[at:].lstrip("*"))
        if stars > 1 and begins and at + stars == len(pattern):
            return True
        if stars > 1 and begins and pattern[at + stars] == "/":
            after = [pos] + [end + 1 for end in range(pos, len(path)) if path[end] == "/"]
            return any(fits(at + stars + 1, end) for end in after)
        if stars:
            ends = range(pos, len(path) + 1)
            return any(fits(at + stars, end) for end in ends if "/" not in path[pos:end])
        if pos == len(path):
            return False
        close = pattern.find("]", at) if pattern[at] == "[" else at
        one = {"?": "ab", "[ab]": "ab", "[!a]": "b"}.get(pattern[at : close + 1], pattern[at])
        return path[pos] in one and fits(close + 1, pos + 1)

    return fits(0, 0)


def test_a_pattern_of_more_than_4096_characters_is_none() -> None:
    Pattern.parse("a" * LONGEST)
    with pytest.raises(ValueError, match="longer than 4,096"):
        Pattern.parse("a" * (LONGEST + 1))
    assert fault_of("{a,b}" * 1000, "/p", "p") == ("it is longer than 4,096 characters", ())


def test_braces_of_a_stranger_are_expanded_no_further_than_they_are_shown() -> None:
    began = time.process_time()
    fault = fault_of("{a,b}" * 60 + "{3..1}" + "{1..999999999}", "/p", "p")
    assert fault is not None and len(fault.right) == 20
    assert fault.right[1] == "a" * 60 + r"\{3..1\}" + "2"
    assert fault_of("{a,b}" * 800, "/p", "p") is not None
    assert time.process_time() - began < 5


def test_thousands_of_lines_that_match_are_not_joined_after_each() -> None:
    watch = CaseWatch([f"a{n}" for n in range(2_000)])
    began = time.process_time()
    for n in range(2_000):
        watch.see(f"a{n}", excluded=True)
    assert time.process_time() - began < 20
    assert list(watch.faults()) == []
