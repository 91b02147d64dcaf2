"""Progress on stderr: a bar on a terminal, a line every 30 s otherwise."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

EVERY = 30.0
_QUICK = frozenset({"commit"})  # over before anybody could read it


class Bar:
    """Shows the stages of a run. tqdm is loaded when the first bar is drawn."""

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
        if self._terminal and total and name not in _QUICK:
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=name, unit=" files", file=sys.stderr, leave=False, smoothing=0.1)

    def advance(self, n: int = 1) -> None:
        self._done += n
        if self._bar is not None:
            self._bar.update(n)
        elif not self._terminal and time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            rate = self._done / (self._said - self._began)
            line = f"{self._name}: {self._done:,}"
            if self._total:
                line += f" of {self._total:,} ({rate:.1f}/s, {(self._total - self._done) / rate:.0f} s left)"
            click.echo(line, err=True)

    def note(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            click.echo(text, err=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
