"""The pages that `--html` and `--open` make."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
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


def write_page(write: _Write, *, quiet: bool, as_json: bool, again: str, of: str = "") -> None:
    """Write a page, and tell what is in it.

    again: the command, to be run again after an interrupt.
    of:    the snapshots of the pictures; empty for the one of the report.
    """
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
    written = f"{shown(report.out)} ({size(report.bytes)})"
    tell(f"Wrote {_some(report)} of {of or report.snapshot} to {written}{_gone(report)}")


def open_file(page: str) -> None:
    """Show a page that was written in the user's browser. Raises: VstoreError if none can be started."""
    from vstore_cli.browser import show_file

    show_file(page)


def open_page(write: Callable[..., GalleryReport], *, quiet: bool) -> None:
    """Show a page in the user's browser that lies nowhere. Raises: VstoreError if none can be started, or none asks.

    write: writes it to the file that it is given.
    """
    from tempfile import TemporaryDirectory

    from vstore_cli.browser import show_once
    from vstore_cli.locate import sudo_uid

    with TemporaryDirectory(prefix="vstore-") as folder:
        file = os.path.join(folder, "page.html")
        with progress(quiet) as bar:
            report = write(file, progress=bar)
        with open(file, "rb") as written:
            page = written.read()
    tell(f"Opening {_some(report)} in your browser{_gone(report)}", err=True)
    show_once(page, sudo_uid=sudo_uid())


def _some(report: GalleryReport) -> str:
    if report.shown < report.pictures:
        return f"the first {number(report.shown)} of {count(report.pictures, 'picture')}"
    return count(report.shown, "picture")


def _gone(report: GalleryReport) -> str:
    return f"; {number(report.missing)} of them cannot be shown" if report.missing else ""
