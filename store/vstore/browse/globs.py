"""Shell patterns for stored paths, with the wildcards of ignore files. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from vstore.errors import UsageError
from vstore.format.pages import Alias, Child
from vstore.format.tree import Tree
from vstore.pictures.patterns import Pattern
from vstore.pictures.spelling import composed
from vstore.quick_tuple import NamedTuple

_ANY = "**/"
_COMPOSED = b"K;`"  # in the composed form: KELVIN SIGN, GREEK QUESTION MARK and GREEK VARIA
_ENDS = b"*" + _COMPOSED  # they end a run of characters that stand for themselves


class Glob(NamedTuple):
    """A pattern of `vstore find`.

    text:    as it was given.
    fold:    in any letter case.
    literal: bytes that every path has which it matches; empty if none are known.
    prefix:  bytes with which every path begins that it matches; empty if none are known.
    matches: tells whether it matches a stored path in the composed form of Unicode.
    """

    text: str
    fold: bool
    literal: bytes
    prefix: bytes
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
        prefix = b"" if fold or not is_whole else _prefix(wanted)
        return cls(text, fold, b"" if fold else _literal(wanted), prefix, regex.fullmatch)

    def matching(self, tree: Tree) -> Iterator[Alias]:
        """Yield the aliases of a tree whose paths it matches. Raises: Damage, FileNotFoundError."""
        for leaf in tree.leaves_below(self.prefix):
            yield from self.among(tree, leaf)

    def among(self, tree: Tree, leaf: Child) -> list[Alias]:
        """Choose the aliases of a leaf whose paths it matches. Raises: Damage, FileNotFoundError."""
        paths = tree.paths(leaf, self.literal)
        if self.literal and self.literal not in b"\0".join(paths):  # most leaves: a tenth of the time of matching
            return []
        matches = self.matches
        if not any(matches(plain(path)) for path in paths):
            return []
        return [alias for alias in tree.decode(leaf) if matches(plain(alias[0]))]


def _literal(pattern: str) -> bytes:
    """Find the longest run of a pattern that stands for itself, up to its first class or escape."""
    return max(_runs(pattern, b"/"), key=len)


def _prefix(pattern: str) -> bytes:
    """Find the bytes with which all paths begin that a pattern matches, which is for whole paths: a slash begins it."""
    return _runs(pattern[1:], b"")[0]


def _runs(pattern: str, between: bytes) -> list[bytes]:
    """Cut a pattern into the runs that stand for themselves, up to its first class or escape.

    A path may have a character that is no ASCII in another form of Unicode, and another one in place of those of
    `_COMPOSED`: a run has none of them.
    between: characters that end a run too.
    """
    ends = _ENDS + between
    known = composed(pattern).partition("\\")[0].partition("[")[0].encode("ascii", "replace")  # "?" for any other
    return known.translate(bytes.maketrans(ends, b"?" * len(ends))).split(b"?")


def plain(path: bytes) -> str:
    """Give a stored path as patterns see it."""
    return path.decode("ascii") if path.isascii() else composed(os.fsdecode(path))
