"""Colours, by what they mean: on a terminal that has them, unless NO_COLOR is set; never in a pipe."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

_STYLES: dict[str, dict[str, Any]] = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "note": {"bold": True},
    "ok": {"fg": "green"},
    "heading": {"bold": True},
    "current": {"fg": "green", "bold": True},
    "snapshot": {"fg": "yellow"},
    "score": {"fg": "cyan"},
    "added": {"fg": "green"},
    "removed": {"fg": "red"},
    "changed": {"fg": "yellow"},
    "copied": {"fg": "cyan"},
    "renamed": {"fg": "cyan"},
}


def styled(text: str, meaning: str, *, err: bool = False) -> str:
    """Colour a text that goes to stdout, or to stderr, if a terminal shows it."""
    return click.style(text, **_STYLES[meaning]) if has_colour(err=err) else text


def has_colour(*, err: bool) -> bool:
    """Tell whether colours are shown on stdout, or on stderr."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return False
    if err:
        return sys.stderr.isatty()
    # A pager that stands before the terminal says so itself.
    return sys.stdout.isatty() and bool(getattr(sys.stdout, "takes_colour", True))
