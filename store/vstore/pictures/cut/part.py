"""The part of a picture that is left of a cut file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple


class Part(NamedTuple):
    """Copies of a cut picture that decode, and the lines that are there.

    Lines are counted from the top of the picture as the file holds it, before it is turned.

    copies:      pictures.
    height:      lines of the whole picture; a copy may have fewer.
    first:       the first line that is there.
    stop:        the line after the last one; where copies are compared, at most that.
    compared:    there are several copies, with other data in the place of what misses: they agree in what is there.
    settled:     turns the first line in which the copies differ into the line after the last one to trust.
    orientation: of the picture, where the copies have none; else None.
    """

    copies: Iterable[bytes]
    height: int
    first: int
    stop: int
    compared: bool = False
    settled: Callable[[int], int] = lambda line: line
    orientation: int | None = None
