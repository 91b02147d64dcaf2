"""Parses the words of a search. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from vstore import UsageError

if TYPE_CHECKING:
    from vstore import Operand

_WEIGHT = re.compile(r"(\d+(?:\.\d+)?|\.\d+):(?=.)")
_PICTURE = ("./", "../", "/", "~", "image:", "file://")


class Part(NamedTuple):
    """One operand: a picture file or a text, with its weight. A `-` makes the weight negative."""

    weight: float
    image: bytes | None = None
    text: str | None = None

    def operand(self) -> Operand:
        """Make the operand of the library: a person typed it."""
        from vstore import Operand

        return Operand(self.weight, self.image, self.text, typed=True)


def parse(words: Sequence[str]) -> list[Part]:
    """Parse `[+|-] [W:]OPERAND …`.

    Raises: UsageError for a sign without an operand, or for no operand at all.
    """
    parts: list[Part] = []
    sign: float | None = None
    for word in words:
        if word in ("+", "-"):
            if sign is not None:
                raise UsageError(f"{word!r} follows another sign", "write + or - once before each operand")
            sign = -1.0 if word == "-" else 1.0
            continue
        weight = _WEIGHT.match(word)
        amount = float(weight[1]) if weight else 1.0
        parts.append(_operand(word[weight.end() :] if weight else word, amount * (1.0 if sign is None else sign)))
        sign = None
    if sign is not None:
        raise UsageError("+ or - at the end has no operand", "write an operand after it")
    if not parts:
        raise UsageError("nothing to search for", "name a picture: vstore search ./picture.jpg")
    return parts


def _operand(word: str, weight: float) -> Part:
    if not word:
        raise UsageError("an operand is empty", "name a picture: vstore search ./picture.jpg")
    if not word.startswith(_PICTURE):
        return Part(weight, text=word)
    path = os.path.expanduser(word.removeprefix("image:"))
    if not path:
        raise UsageError("image: has no file name", "write image:FILE")
    return Part(weight, image=os.fsencode(path))
