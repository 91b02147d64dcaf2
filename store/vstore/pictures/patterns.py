"""The patterns of an ignore file, matched as git matches them. Pure.

A library was tried (pathspec 1.1.1): a pattern that matches a folder there applies to all below it, so `raw/` and then
`!2024` bring back 2024/raw. Git asks about each folder on the way down, by its own path alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from vstore.errors import UsageError
from vstore.pictures.pattern_regex import regex_of
from vstore.pictures.spelling import caseless, composed
from vstore.quick_tuple import NamedTuple

WILD = re.compile(r"(?<!\\)(?:\\\\)*[*?\[]")
LONGEST = 4_096  # characters of a pattern at most
MOST_WILD = 1_024  # patterns with wildcards that a name is held against at most; literal ones are looked up
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Name(NamedTuple):
    """A path as patterns see it.

    is_folder: it ends in a slash.
    whole:     without that slash, in the composed form of Unicode.
    last:      its last name.
    """

    is_folder: bool
    whole: str
    last: str

    @classmethod
    def of(cls, path: str) -> Name:
        whole = composed(path.removesuffix("/"))
        return cls(path[-1:] == "/", whole, whole[whole.rfind("/") + 1 :])


class Pattern(NamedTuple):
    """One pattern.

    brings_back:  it begins with `!`.
    folders_only: it ends in a slash.
    by_name:      it is matched against the last name of a path alone.
    spelled:      its last name has no wildcard.
    regex:        matches the whole name or path, in the composed form of Unicode.
    literal:      the only name or path that it matches; None for a pattern with a wildcard.
    """

    brings_back: bool
    folders_only: bool
    by_name: bool
    spelled: bool
    regex: re.Pattern[str]
    literal: str | None

    @classmethod
    def parse(cls, text: str, *, fold: bool = False) -> Pattern:
        """Read one pattern. fold: in any letter case. Raises: ValueError if no name can match it, or it is too long."""
        if len(text) > LONGEST:
            raise ValueError(f"it is longer than {LONGEST:,} characters")
        brings_back, text = text[:1] == "!", text.removeprefix("!")
        folders_only, text = text[-1:] == "/", text.removesuffix("/")
        by_name, text = "/" not in text, text.removeprefix("/")
        if not text:
            raise ValueError("it is empty")
        spelled = not WILD.search(text[text.rfind("/") + 1 :])
        text = composed(text)
        regex = re.compile(regex_of(text), re.DOTALL | (re.IGNORECASE if fold else 0))
        literal = None if WILD.search(text) else _ESCAPE.sub(r"\1", text)
        return cls(brings_back, folders_only, by_name, spelled=spelled, regex=regex, literal=literal)

    def fits(self, name: Name) -> bool:
        """Tell whether it matches a path."""
        fits = self.regex.fullmatch(name.last if self.by_name else name.whole)
        return fits is not None and (name.is_folder or not self.folders_only)


class Patterns:
    """Patterns in their order: the last one that matches a path decides.

    wild: the number of those with wildcards.
    """

    def __init__(self, patterns: Iterable[Pattern], *, fold: bool = False) -> None:
        """fold: they were parsed so, too."""
        self._caseless = caseless if fold else None
        self._wild: list[tuple[int, Pattern]] = []  # with their places, the last first
        self._literal: dict[tuple[bool, bool, str], tuple[int, Pattern]] = {}
        for place, pattern in enumerate(patterns):
            if pattern.literal is None:
                self._wild.append((place, pattern))
            else:
                name = caseless(pattern.literal) if fold else pattern.literal
                self._literal[pattern.folders_only, pattern.by_name, name] = place, pattern
        self._wild.reverse()
        self.wild = len(self._wild)

    @classmethod
    def from_file(cls, text: str, *, fold: bool = False) -> Patterns:
        """Read an ignore file. A line that no name can match is skipped, as git does. fold: in any letter case."""
        lines = (parsed_line(line, fold=fold) for line in lines_of(text))
        return cls((pattern for pattern in lines if pattern is not None), fold=fold)

    def __bool__(self) -> bool:
        return bool(self._wild or self._literal)

    def matches(self, path: str) -> bool | None:
        """Tell whether they match a path (True) or bring it back (False); None if no pattern matches it.

        path: relative to the folder of the patterns; that of a folder ends in a slash.
        """
        decides = self.deciding(path)
        return None if decides is None else not decides.brings_back

    def deciding(self, path: str) -> Pattern | None:
        """Find the pattern that decides about a path."""
        # As `Pattern.fits`, without an object per path: a scan asks this of every name.
        is_folder = path[-1:] == "/"
        whole = path.removesuffix("/")
        if not whole.isascii():
            whole = composed(whole)
        last = whole[whole.rfind("/") + 1 :]
        after, decides = self._spelled(whole, last, is_folder=is_folder) if self._literal else (-1, None)
        for place, pattern in self._wild:
            if place < after:
                break
            if (is_folder or not pattern.folders_only) and pattern.regex.fullmatch(last if pattern.by_name else whole):
                return pattern
        return decides

    def _spelled(self, whole: str, last: str, *, is_folder: bool) -> tuple[int, Pattern | None]:
        """Look up the last pattern without wildcards that matches a path, and its place."""
        if self._caseless is not None:
            whole, last = self._caseless(whole), self._caseless(last)
        found: tuple[int, Pattern | None] = -1, None
        for folders_only in (False, True) if is_folder else (False,):
            for by_name, name in ((True, last), (False, whole)):
                one = self._literal.get((folders_only, by_name, name))
                if one is not None and one[0] > found[0]:
                    found = one
        return found


def parsed_line(line: str, *, fold: bool = False) -> Pattern | None:
    """Read a line of an ignore file; None if no name can match it."""
    with suppress(ValueError):
        return Pattern.parse(line, fold=fold)
    return None


def parsed(glob: str, *, fold: bool = False) -> Pattern:
    """Read a pattern of an option. Raises: UsageError for an invalid one."""
    try:
        return Pattern.parse(glob, fold=fold)
    except ValueError as err:
        raise UsageError(f"{glob!r} is not a valid pattern of an ignore file: {err}") from err


def lines_of(text: str) -> Iterator[str]:
    """Yield the patterns of an ignore file, as they stand there."""
    for line in text.split("\n"):
        trimmed = _trimmed(line.removesuffix("\r"))
        if trimmed and trimmed[0] != "#":
            yield trimmed


def _trimmed(line: str) -> str:
    """Strip the blanks at the end of a line, up to one that a backslash escapes."""
    end = len(line.rstrip(" "))
    backslashes = end - len(line[:end].rstrip("\\"))
    return line[: end + backslashes % 2]
