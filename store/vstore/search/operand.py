"""An operand of a search."""

from __future__ import annotations

from typing import NamedTuple


class Operand(NamedTuple):
    """One part of a query: a picture or a text.

    weight: how much it counts; less than 0 leads away from it.
    image:  the path of a picture file, its `file://` address, or a path of the snapshot that is searched.
    text:   a text, if there is no picture.
    typed:  a person typed the text: where it names a picture, that may be meant. The report's notes say so.
    """

    weight: float
    image: bytes | None = None
    text: str | None = None
    typed: bool = False
