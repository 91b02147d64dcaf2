"""The pages that `--html` makes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from vstore_cli.output import count, echo_json, number, shown, size, tell
from vstore_cli.progress import progress

if TYPE_CHECKING:
    from vstore import GalleryReport, Progress


class _Write(Protocol):
    def __call__(self, *, progress: Progress | None) -> GalleryReport: ...


def refuse_page(out: str, others: Mapping[str, bool]) -> None:
    """Refuse a file that exists, before anything is looked for, and options that print something else.

    others: these options, and whether each is given. Raises: UsageError.
    """
    from vstore import UsageError

    for name, is_given in others.items():
        if is_given:
            raise UsageError(f"{name} does not go with --html", "leave one of them out")
    if os.path.lexists(out):
        raise UsageError(f"{shown(out)} already exists", "name another one, or remove it")


def write_page(write: _Write, *, quiet: bool, as_json: bool, again: str) -> None:
    """Write a page, and tell what is in it. again: the command, to be run again after an interrupt."""
    from vstore import Interrupted
    from vstore_cli.interrupts import saying

    with (
        saying(lambda: Interrupted("interrupted; no page was written", f"run it again: {again}")),
        progress(quiet) as bar,
    ):
        report = write(progress=bar)
    if as_json:
        echo_json(report)
        return
    some = count(report.shown, "picture")
    if report.shown < report.pictures:
        some = f"the first {number(report.shown)} of {count(report.pictures, 'picture')}"
    gone = f"; {number(report.missing)} of them cannot be shown" if report.missing else ""
    tell(f"Wrote {some} of {report.snapshot} to {shown(report.out)} ({size(report.bytes)}){gone}")
