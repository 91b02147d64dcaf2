"""The rows that show how far a stage is, for a terminal of any width, and the line for a log."""

from __future__ import annotations

from collections.abc import Sequence

from vstore_cli.output import number
from vstore_cli.progress.view import View
from vstore_cli.terminal.cells import cells, shortened

BETWEEN = "  "
LEAST_BAR = 12  # cells
MOST_BAR = 30
MOST_ROWS = 5


def rows(view: View, width: int, height: int, *, plain: bool = False) -> list[str]:
    """Lay a stage out in rows of at most `width` cells. The most important comes first, and what has no room is last.

    height: rows of the terminal.
    plain:  it shows ASCII alone.
    """
    most = max(1, min(MOST_ROWS, height - 1))
    mark = "..." if plain else "…"
    if most == 1:
        return [shortened(BETWEEN.join(_pieces(view)), width, mark)]
    pieces = _pieces(view)
    if cells(pieces[0]) > width:
        pieces[:1] = [view.stage, *_counts(view)]
    found = _filled([shortened(piece, width, mark) for piece in pieces], width)
    room = width - cells(found[0]) - len(BETWEEN)
    if len(found) == 1 and view.share is not None and room >= LEAST_BAR:
        found[0] += BETWEEN + _bar(view.share, min(room, MOST_BAR), plain=plain)
    if not view.file:
        return found[:most]
    file = _ascii(view.file) if plain else view.file
    return [*found[: most - 1], shortened(file, width, mark)]


def _pieces(view: View) -> list[str]:
    """Say all about a stage but its file, the most important first."""
    pieces = [" ".join([view.stage, *_counts(view)])]
    if view.share is not None:
        pieces.append(f"{int(100 * view.share + 1e-6)}%")
    if view.failed:
        pieces.append(f"{number(view.failed)} failed")
    if view.left is not None:
        pieces.append(f"ETA {clock(view.left)}")
    pieces.append(clock(view.seconds))
    pieces += _sizes(view)
    if view.files and view.seconds >= 1:
        pieces.append(f"{rate(view.files / view.seconds)}/s")
    return pieces


def _counts(view: View) -> list[str]:
    if view.files_total:
        return [f"{number(view.files)} of {number(view.files_total)} {view.unit}"]
    return [f"{number(view.files)} {view.unit}"] if view.files else []


def _sizes(view: View) -> list[str]:
    if view.size_total:
        return [_share_of(view.size, view.size_total)]
    return [_share_of(view.size, None)] if view.size else []


def _share_of(done: int, total: int | None) -> str:
    """Format bytes in the unit of all of them: `1.2 of 3.4 GiB`."""
    amount, unit = float(done if total is None else total), 1
    words = ["B", "KiB", "MiB", "GiB", "TiB"]
    place = 0
    while amount >= 1024 and place < len(words) - 1:
        amount, place, unit = amount / 1024, place + 1, unit * 1024
    digits = 1 if place else 0
    shown = f"{done / unit:.{digits}f}"
    return f"{shown} {words[place]}" if total is None else f"{shown} of {total / unit:.{digits}f} {words[place]}"


def clock(seconds: float) -> str:
    """Format seconds as a clock: 0:07, 12:34, 1:02:03, 26:00:00."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rate(value: float) -> str:
    """Format a rate with about three digits: 0.02, 1.5, 120."""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else number(round(value))


def _filled(pieces: Sequence[str], width: int) -> list[str]:
    """Put pieces in rows, in their order."""
    found = [pieces[0]]
    for piece in pieces[1:]:
        if cells(found[-1]) + len(BETWEEN) + cells(piece) <= width:
            found[-1] += BETWEEN + piece
        else:
            found.append(piece)
    return found


def _bar(share: float, width: int, *, plain: bool) -> str:
    full = int((width - 2) * min(1.0, share))
    done, left = ("#", "-") if plain else ("█", "░")
    return f"[{done * full}{left * (width - 2 - full)}]"


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def line(view: View) -> str:
    """Say it in one line, for a log."""
    first, *rest = _pieces(view)
    where = f": {view.file}" if view.file else ""
    return f"{first}, {', '.join(rest)}{where}"
