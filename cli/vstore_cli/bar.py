"""Progress on stderr: a bar on a terminal, a line every 30 s otherwise."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from vstore_cli.output import duration, number, say
from vstore_cli.suggestions import typed

EVERY = 30.0  # seconds between two lines
SOON = 0.5  # seconds after which a stage of unknown length is worth a bar


class Bar:
    """The stages of a run, drawn as a bar or written as lines. tqdm is loaded when the first bar is drawn."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._bar: Any = None
        self._name = ""
        self._total: int | None = None
        self._done = 0
        self._began = self._said = time.monotonic()

    def stage(self, name: str, total: int | None) -> None:
        self.close()
        self._name, self._total, self._done = name, total, 0
        self._began = self._said = time.monotonic()
        if self._terminal and total:
            self._draw()

    def advance(self, n: int = 1) -> None:
        self._done += n
        if self._bar is not None:
            self._bar.update(n)
        elif self._terminal:
            if time.monotonic() - self._began >= SOON:
                self._draw()
        elif time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            click.echo(self._line(self._said - self._began), err=True)

    def _draw(self) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=self._total,
            initial=self._done,
            desc=self._name,
            unit=" files",
            leave=False,
            smoothing=0.1,
            **({"dynamic_ncols": True} if _columns() else {"ncols": 80, "nrows": 24}),
        )

    def _line(self, seconds: float) -> str:
        rate = self._done / seconds
        if not self._total:
            return f"{self._name}: {number(self._done)} files ({rate:.1f}/s)"
        left = duration(max(0, self._total - self._done) / rate)
        return f"{self._name}: {number(self._done)} of {number(self._total)} files ({rate:.1f}/s, {left} left)"

    def note(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(typed(text), file=sys.stderr)
        else:
            say(text, err=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextlib.contextmanager
def progress(quiet: bool) -> Iterator[Bar | None]:
    """Show the progress of a run, unless it is to be quiet."""
    bar = None if quiet else Bar()
    try:
        yield bar
    finally:
        if bar is not None:
            bar.close()


def _columns() -> int:
    """Ask for the width of the terminal. Returns: 0 if it is unknown, as in some containers."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return 0
