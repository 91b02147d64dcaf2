"""Cells: how wide a text is on a terminal, and how it is shortened to fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def cells(text: str) -> int:
    """Count the cells that a printable text takes: two for each wide character, none for a mark on another one."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(char: str) -> int:
    import unicodedata  # most names are ASCII

    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shortened(text: str, width: int, mark: str = "…") -> str:
    """Shorten a text to a number of cells, in its middle: beginnings and ends of paths say most. mark: stands there."""
    if cells(text) <= width:
        return text
    left = width - cells(mark)
    if left < 1:
        return _first(text, width)
    # The end says more of a path than its beginning.
    end = _first(reversed(text), left - left // 3)[::-1]
    return _first(text, left - cells(end)) + mark + end


def _first(text: Iterable[str], width: int) -> str:
    """Take as many characters as fit into a number of cells."""
    return "".join(_fitting(text, width))


def _fitting(text: Iterable[str], width: int) -> Iterator[str]:
    for char in text:
        width -= cells(char)
        if width < 0:
            return
        yield char
