"""Shell patterns for stored paths, with the wildcards of ignore files. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from vstore.errors import UsageError
from vstore.format.pages import Alias
from vstore.pictures.patterns import WILD, Pattern
from vstore.pictures.spelling import composed

_ANY = "**/"


class Glob(NamedTuple):
    """A pattern of `vstore find`.

    text:       as it was given.
    fold:       in any letter case.
    is_literal: it has no wildcard.
    matches:    tells whether it matches a stored path in the composed form of Unicode.
    """

    text: str
    fold: bool
    is_literal: bool
    matches: Callable[[str], re.Match[str] | None]

    @classmethod
    def parse(cls, text: str, *, fold: bool = False) -> Glob:
        """Read a pattern. Raises: UsageError for an invalid one.

        One without a slash is matched against names; one with a slash against the end of stored paths, from any folder
        on; one that begins with a slash against whole stored paths.
        """
        wanted = re.sub(r"^(?:\./+)+", "", text)
        if not wanted:
            raise UsageError("the pattern is empty", "for all pictures: vstore ls --recursive")
        if wanted.endswith("/"):
            raise UsageError(
                f"{text!r} ends in a slash, and only pictures are found",
                f"for all pictures below a folder: {wanted.rstrip('/')}/**",
            )
        is_whole = wanted.startswith("/")
        # A `!` that begins a pattern of an ignore file has a meaning, which it has not here.
        spelled = wanted if is_whole else _ANY + wanted
        try:
            regex = Pattern.parse(spelled, fold=fold).regex
        except ValueError as err:
            raise UsageError(f"{text!r} is not a valid pattern: {err}", "to mean a character itself: \\[") from err
        return cls(text, fold, not WILD.search(wanted), regex.fullmatch)

    def among(self, aliases: Iterable[Alias]) -> list[Alias]:
        """Choose the aliases whose paths it matches."""
        matches = self.matches
        return [alias for alias in aliases if matches(plain(alias[0]))]


def plain(path: bytes) -> str:
    """Give a stored path as patterns see it."""
    return path.decode("ascii") if path.isascii() else composed(os.fsdecode(path))
