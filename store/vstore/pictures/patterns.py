"""Patterns as git reads them from an ignore file: which names they mean. Pure.

A library was tried (pathspec 1.1.1): it lets a pattern that matches a folder speak of all below it, so that `raw/` and
then `!2024` bring back 2024/raw. Git asks about each folder on the way down, and about nothing but its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


class Pattern(NamedTuple):
    """One pattern. brings_back: it begins with `!`. by_name: it is held against the last name of a path alone."""

    brings_back: bool
    folders_only: bool
    by_name: bool
    regex: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Raises: ValueError for one that no name can match."""
        brings_back, text = text[:1] == "!", text.removeprefix("!")
        folders_only, text = text[-1:] == "/", text.removesuffix("/")
        by_name, text = "/" not in text, text.removeprefix("/")
        if not text:
            raise ValueError("it names nothing")
        return cls(brings_back, folders_only, by_name, re.compile(_regex(text), re.DOTALL))


class Patterns:
    """Patterns in their order, of which the last that matches has its way."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._patterns = list(patterns)[::-1]

    @classmethod
    def from_file(cls, text: str) -> Patterns:
        """Read an ignore file. A line that no name can match is passed over, as git does."""
        patterns = []
        for line in text.split("\n"):
            line = _trimmed(line.removesuffix("\r"))
            if line and line[0] != "#":
                with suppress(ValueError):
                    patterns.append(Pattern.parse(line))
        return cls(patterns)

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def matches(self, path: str) -> bool | None:
        """Whether they mean a path, or (False) bring it back; None if they do not speak of it.

        path: relative to where the patterns stand; that of a folder ends in a slash.
        """
        is_folder = path[-1:] == "/"
        whole = path.removesuffix("/")
        name = whole[whole.rfind("/") + 1 :]
        for pattern in self._patterns:
            if (is_folder or not pattern.folders_only) and pattern.regex.fullmatch(name if pattern.by_name else whole):
                return not pattern.brings_back
        return None


def _trimmed(line: str) -> str:
    """A line without the blanks at its end, up to one that a backslash keeps."""
    end = len(line.rstrip(" "))
    backslashes = end - len(line[:end].rstrip("\\"))
    return line[: end + backslashes % 2]


def _regex(text: str) -> str:
    """A pattern without its `!` and its outer slashes, as a regular expression for a whole path."""
    out = []
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*":
            first = at - 1
            while text[at : at + 1] == "*":
                at += 1
            is_name = (first == 0 or text[first - 1] == "/") and (at == len(text) or text[at] == "/")
            if at - first == 1 or not is_name:
                out.append("[^/]*")
            elif at == len(text):
                out.append(".*")
            else:  # any folders, or none
                out.append("(?:.*/)?")
                at += 1
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            inside, at = _class(text, at)
            out.append(inside)
        elif char == "\\":
            if at == len(text):
                raise ValueError("it ends in a backslash")
            out.append(re.escape(text[at]))
            at += 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def _class(text: str, at: int) -> tuple[str, int]:
    """What stands in brackets, from behind the first one: as a regular expression, and where it ends."""
    negated = text[at : at + 1] in ("!", "^")
    at += negated
    out = ""
    first = True
    while True:
        char = text[at : at + 1]
        if not char:
            raise ValueError("a bracket is not closed")
        if char == "]" and not first:
            break
        first = False
        if text.startswith("[:", at):
            name, colon, _ = text[at + 2 :].partition(":]")
            if colon:
                if name not in _CLASSES:
                    raise ValueError(f"there is no class {name}")
                out += _CLASSES[name]
                at += len(name) + 4
                continue
        low, at = _member(text, at)
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("", "]"):
            high, at = _member(text, at + 1)
            out += f"{re.escape(low)}-{re.escape(high)}" if low <= high else re.escape(low)
        else:
            out += re.escape(low)
    # Never a slash; and of no member but negated, anything else.
    members = f"[{'^' if negated else ''}{out}]" if out else ("." if negated else r"(?!)")
    return f"(?!/){members}", at + 1


def _member(text: str, at: int) -> tuple[str, int]:
    if text[at] == "\\":
        at += 1
        if at == len(text):
            raise ValueError("a bracket is not closed")
    return text[at], at + 1
