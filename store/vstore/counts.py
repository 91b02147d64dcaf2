"""Counts and lists of names, in words. Pure."""

from __future__ import annotations

import operator
from collections.abc import Sequence

_NAMED = 3  # names that say what is meant; more of them hide the rest of a message


def whole(given: object) -> int | None:
    """Read a whole number, of numpy too; None if it is none."""
    try:
        return int(operator.index(given))  # type: ignore[arg-type]
    except TypeError:
        return None


def as_number(given: object) -> float:
    """Read a number, of numpy too; one that is none, such as True, or is beyond all of float, is NaN."""
    try:
        return float("nan") if isinstance(given, (str, bytes, bool)) else float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def counted(amount: int, noun: str) -> str:
    """Format a count: `1 picture`, `2,000 pictures`."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def some(names: Sequence[str], shown: int = _NAMED) -> str:
    """List the first names, and count the others: `a, b, c and 7 more`."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more:,} more" if more > 0 else "")
