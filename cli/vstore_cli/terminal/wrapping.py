"""Long lines on a narrow terminal: broken between words, and never inside what is to be copied."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from vstore_cli.terminal.cells import cells

_STEP = 2  # cells that a line goes on further in
_ROOM = 18  # cells of a column of text: less is a ladder of words

# A command goes on to the end of its clause. Prose about it, and about vstore itself, is told by its first word.
_PROSE = (
    "again|and|as|asks|brings|can|cannot|costs|deletes|did|does|first|for|gives|has|is|itself|keeps|lists|made|makes|may|"
    "needs|or|ranks|reads|rebuilds|says|shows|takes|tells|to|tries|will|would|writes"
)
_COMMAND = (
    r"(?:(?<=^)|(?<=[ (`]))(?:vstore|pip|python3? -m|hf|git|ulimit|chmod|sudo)"
    rf"(?:(?!\. | \(| (?:{_PROSE})(?![-\w]))[^;,)`])*"
)
_SCORED = r"-?\d\.\d{3}  [^ ]+"
_QUOTED = r"(?:(?<=^)|(?<=[ (=:]))(?:'[^']+'|\"[^\"]+\")"


def wrapped(text: str, width: int, *, hang: int | None = None, unbroken: Collection[str] = ()) -> str:
    """Break a line between words. Commands and quoted texts stay whole, even if they are wider than a line.

    width:    cells of a line.
    hang:     cells that the lines after the first are indented; by default two more than the first one.
    unbroken: more texts that stay whole: paths with blanks in them. Nobody looks on disk which texts are paths.
    """
    if cells(text) <= width:
        return text
    lead = len(text) - len(text.lstrip(" "))
    indent = " " * (lead + _STEP if hang is None else hang)
    if width - len(indent) < _ROOM:
        indent = " " * min(len(indent), 2 * _STEP)
    lines, row = [], ""
    for gap, unit in _units(text, unbroken):
        if row.strip() and cells(row + gap + unit) > width:
            lines.append(row)
            row = indent + unit
        else:
            row += gap + unit
    return "\n".join([*lines, row])


def beside(label: str, text: str, width: int, unbroken: Collection[str] = ()) -> tuple[str, str]:
    """Lay a text out beside a label, or below it where there is too little room.

    label:   stands before the text, with the blanks between them.
    width:   cells of a line.
    Returns: what comes between the label's last letter and the text, the text.
    """
    before = cells(label)
    blanks = label[len(label.rstrip()) :]
    if cells(label + text) <= width or not text:
        return blanks, text
    if width - before < max(_ROOM, *(cells(unit) for _, unit in _units(text, unbroken))):
        indent = " " * (2 * _STEP)
        between = "\n" + indent if label.strip() else indent
    else:
        indent, between = " " * before, blanks
    return between, wrapped(text, width - len(indent), hang=0, unbroken=unbroken).replace("\n", "\n" + indent)


def _units(text: str, unbroken: Collection[str]) -> Iterator[tuple[str, str]]:
    """Split a text into what must not be broken. Yields: the blanks before a unit, the unit."""
    patterns = [_COMMAND, _SCORED, _QUOTED, *(re.escape(one) for one in unbroken if " " in one)]
    whole = [match.span() for pattern in patterns for match in re.finditer(pattern, text)]
    start, gap = 0, ""
    for blank in re.finditer(r" +|$", text):
        if any(begin < blank.start() < end for begin, end in whole):
            continue
        if text[start : blank.start()]:
            yield gap, text[start : blank.start()]
        gap, start = blank[0], blank.end()
