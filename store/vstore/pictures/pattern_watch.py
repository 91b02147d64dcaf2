"""Watches whether patterns that a command gave match anything that a scan meets, or would if spelled otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vstore.pictures.patterns import WILD, Name, Pattern


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
                self.near = number, name.whole, right or self._spelled(name)
        return False

    def _spelled(self, name: Name) -> str:
        """Write the pattern of a path."""
        text = name.last if self._pattern.by_name else "/" + name.whole
        no = "!" if self._pattern.brings_back else ""
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
    for form, text in forms:
        yield Pattern.parse(form, fold=True), None if plain else text


def _in_any_case(glob: str) -> str:
    """Write a pattern so that it matches in any letter case."""
    parts = re.split(r"(\\.|\[[^\]]*\])", glob)
    return "".join(part if at % 2 else re.sub(r"[^\W\d_]", _either, part) for at, part in enumerate(parts))


def _either(letter: re.Match[str]) -> str:
    both = letter[0].lower() + letter[0].upper()
    return f"[{both}]" if len(both) == 2 and both[0] != both[1] else letter[0]
