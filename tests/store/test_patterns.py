from __future__ import annotations

import pytest

from vstore.pictures.patterns import Pattern, Patterns

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
