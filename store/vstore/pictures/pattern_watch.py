"""Watches whether patterns match anything that a scan meets, or would if spelled otherwise.

Those that a command gave are expected to match; of the lines of an ignore file, only letter case is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from vstore.pictures.formats import EXTENSIONS
from vstore.pictures.pattern_faults import Fault
from vstore.pictures.patterns import WILD, Name, Pattern
from vstore.pictures.spelling import composed

_BRACKET = re.compile(r"(?<!\\)[\[\]]")


class Unmatched(NamedTuple):
    """A pattern that matched nothing.

    option: exclude or include.
    glob:   the pattern.
    near:   a path that it would have matched in its right form, or None.
    right:  that form, or None.
    """

    option: str
    glob: str
    near: str | None
    right: str | None


class _Watched:
    """A pattern, and its nearest other forms. near: the first path that one of these matched, with the form."""

    def __init__(self, option: str, glob: str) -> None:
        self.option = option
        self.glob = glob
        self.near: tuple[int, str, str] | None = None
        self._pattern = Pattern.parse(glob)
        self._others = [(number, *other) for number, other in enumerate(_others(glob))]

    def sees(self, name: Name, *, fold: bool) -> bool:
        """Tell whether it matches a path."""
        if self._pattern.fits(name):
            return True
        for number, pattern, right in self._others:
            if (self.near is None or number < self.near[0]) and pattern.fits(name):
                if fold and number == 0:
                    return True
                self.near = number, name.whole, right or spelled(self._pattern, name)
        return False


def spelled(pattern: Pattern, name: Name) -> str:
    """Write a pattern of the same kind for a path."""
    text = name.last if pattern.by_name else "/" + name.whole
    no = "!" if pattern.brings_back else ""
    return no + re.sub(r"([\\*?\[\]])", r"\\\1", text) + ("/" if name.is_folder else "")


class Watch:
    """The patterns that a command gave, as one run sees them."""

    def __init__(self, given: Iterable[tuple[str, str]]) -> None:
        """given: option and pattern. Raises: ValueError for an invalid pattern."""
        self._waiting = [_Watched(option, glob) for option, glob in given]

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def see(self, path: str, *, fold: bool) -> None:
        """Look at a path that the scan met. fold: its disk finds names in any letter case."""
        name = Name.of(path)
        self._waiting = [one for one in self._waiting if not one.sees(name, fold=fold)]

    def unmatched(self) -> Iterator[Unmatched]:
        for one in self._waiting:
            _, near, right = one.near or (0, None, None)
            yield Unmatched(one.option, one.glob, near, right)


class CaseWatch:
    """The lines of one ignore file, as one run sees them. Only names that a line should decide about are near it."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._waiting: dict[str, tuple[Pattern, Pattern]] = {}  # line: as it stands, and in any letter case
        self._near: dict[str, str] = {}  # line: its right form
        self._paths: dict[str, str] = {}
        for line in lines:
            if line.swapcase() != line:
                with suppress(ValueError):  # which is noted as a fault of its own
                    self._waiting[line] = Pattern.parse(line), Pattern.parse(line, fold=True)
        self._join()

    def _join(self) -> None:
        """Join the waiting patterns: a scan asks them about every name."""
        self._joined = len(self._waiting)
        patterns = [folded for _, folded in self._waiting.values()]
        self._names = _any_of(one for one in patterns if one.by_name)
        self._wholes = _any_of(one for one in patterns if not one.by_name)

    def see(self, path: str, *, excluded: bool) -> None:
        """Look at a path that the scan met, relative to the folder of the file; that of a folder ends in a slash."""
        if not self._waiting:
            return
        whole = path.removesuffix("/")
        if not whole.isascii():
            whole = composed(whole)
        if self._names.fullmatch(whole[whole.rfind("/") + 1 :]) or self._wholes.fullmatch(whole):
            self._take(Name.of(path), excluded=excluded)

    def _take(self, name: Name, *, excluded: bool) -> None:
        matched = [line for line, (exact, _) in self._waiting.items() if exact.fits(name)]
        for line in matched:
            del self._waiting[line]
        if len(self._waiting) <= self._joined // 2:  # not after each match: thousands of lines take long to join
            self._join()
        if not name.is_folder and name.last[name.last.rfind(".") :].lower() not in EXTENSIONS:
            return
        for line, (exact, folded) in self._waiting.items():
            if line not in self._near and exact.brings_back == excluded and folded.fits(name):
                self._near[line] = spelled(exact, name) if not WILD.search(line) else _in_any_case(line)
                self._paths[line] = name.whole

    def faults(self) -> Iterator[tuple[str, Fault]]:
        """Yield the lines that matched nothing and would in another letter case."""
        for line in self._waiting:
            if line in self._near:
                reason = f"letter case matters, and there is {self._paths[line]}"
                yield line, Fault(reason, (self._near[line],))


def _any_of(patterns: Iterable[Pattern]) -> re.Pattern[str]:
    """Join patterns; of none, return one that matches nothing."""
    joined = "|".join(f"(?:{pattern.regex.pattern})" for pattern in patterns)
    return re.compile(joined or "(?!)", re.DOTALL | re.IGNORECASE)


def _others(glob: str) -> Iterator[tuple[Pattern, str | None]]:
    """Yield the forms in which a pattern may have been meant: in any letter case, deeper, and for files.

    Each comes with its text; with None for a pattern without wildcards, which is written as the path that it meets.
    """
    plain = not WILD.search(glob)
    no, body = ("!", glob[1:]) if glob.startswith("!") else ("", glob)
    forms = [(glob, _in_any_case(glob))]
    if "/" in body.removesuffix("/") and not body.startswith("**/"):
        deeper = f"{no}**/{body.lstrip('/')}"
        forms.append((deeper, _in_any_case(deeper)))
    if body.endswith("/"):
        forms.append((glob[:-1], _in_any_case(glob[:-1])))
    if _BRACKET.search(body):  # a name with brackets, as albums have them, which are a class of letters in a pattern
        literal = _BRACKET.sub(r"\\\g<0>", glob)
        forms.append((literal, _in_any_case(literal)))
    for form, text in forms:
        yield Pattern.parse(form, fold=True), None if plain else text


def _in_any_case(glob: str) -> str:
    """Write a pattern so that it matches in any letter case."""
    parts = re.split(r"(\\.|\[[^\]]*\])", glob)
    return "".join(part if at % 2 else re.sub(r"[^\W\d_]", _either, part) for at, part in enumerate(parts))


def _either(letter: re.Match[str]) -> str:
    both = letter[0].lower() + letter[0].upper()
    return f"[{both}]" if len(both) == 2 and both[0] != both[1] else letter[0]
