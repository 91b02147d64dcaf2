"""Tables that fit a terminal: what is least important is left out, and long texts are cut in their middle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from vstore_cli.terminal.cells import cells, shortened

_GAP = 2
_LEAST = 10  # cells of a text that is cut: less says nothing


def columns(
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    *,
    width: int | None = None,
    drop: Sequence[int] = (),
    whole: Sequence[int] = (),
    paint: Callable[[int, int, str], str] | None = None,
) -> Iterator[str]:
    """Format rows in columns, a line each.

    right: columns that are aligned right; they are never cut.
    width: the cells of a line; None for any number.
    drop:  columns that may be left out, the least important first.
    whole: more columns that are never cut.
    paint: gives the text of a cell a colour, by its row and column.
    """
    widths = [max(cells(row[at]) for row in rows) for at in range(len(rows[0]))] if rows else []
    shown = [at for at, w in enumerate(widths) if w or at < len(widths) - 1]
    if width is not None:
        waiting, uncut = list(drop), {*right, *whole}
        while waiting and _total([w if at in uncut else min(w, _LEAST) for at, w in _of(widths, shown)]) > width:
            shown.remove(waiting.pop(0))
        widths = _narrowed(
            widths, [at for at in shown if at not in uncut], _total(w for _, w in _of(widths, shown)) - width
        )
    for number, row in enumerate(rows):
        padded = []
        for at, cell in _of(widths, shown):
            text = shortened(row[at], cell)
            colour = paint(number, at, text) if paint is not None and text else text
            padded.append(_padded(colour, cell - cells(text), right=at in right))
        yield (" " * _GAP).join(padded).rstrip()


def _of(widths: Sequence[int], shown: Sequence[int]) -> list[tuple[int, int]]:
    """Pair each column that is shown with its width."""
    return [(at, widths[at]) for at in shown]


def _total(widths: Iterable[int]) -> int:
    every = list(widths)
    return sum(every) + _GAP * max(0, len(every) - 1)


def _narrowed(widths: Sequence[int], texts: Sequence[int], excess: int) -> list[int]:
    """Take the excess from the widest texts, as long as they are wide enough to be cut."""
    narrow = list(widths)
    while excess > 0:
        widest = max(texts, key=lambda at: narrow[at], default=None)
        if widest is None or narrow[widest] <= _LEAST:
            break
        narrow[widest] -= 1
        excess -= 1
    return narrow


def _padded(text: str, missing: int, *, right: bool) -> str:
    blanks = " " * missing
    return blanks + text if right else text + blanks
