"""Views of a stage: how far it is at one moment, and since when."""

from __future__ import annotations

import time
from typing import NamedTuple

from vstore import Stage
from vstore_cli.output import openable, shown
from vstore_cli.progress.pace import Pace


class View(NamedTuple):
    """A stage at one moment.

    stage:       its name.
    unit:        the noun of its items.
    files:       finished items.
    files_total: all items, if their number is known.
    size:        bytes of the finished items.
    size_total:  bytes of all items, if they are known.
    failed:      finished items without success.
    seconds:     that the stage has taken.
    left:        seconds that it will still take, as far as can be told.
    share:       of its work that is done, 0 to 1, if it is known.
    file:        what the stage is about, or the file at hand, fit to print.
    about:       what it is about.
    path:        the file at hand.
    """

    stage: str
    unit: str = "files"
    files: int = 0
    files_total: int | None = None
    size: int = 0
    size_total: int | None = None
    failed: int = 0
    seconds: float = 0.0
    left: float | None = None
    share: float | None = None
    file: str = ""
    about: str = ""
    path: bytes | None = None


class Timed:
    """The times of one stage. Other stages may come between its parts.

    seconds: of its parts that ended.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._seconds = 0.0
        self._since = self._looked = time.monotonic()
        self._pace = Pace()
        self._files = self._measure = 0

    def go_on(self) -> None:
        """Begin a part."""
        self._since = self._looked = time.monotonic()

    def pause(self) -> None:
        """End a part."""
        self._seconds += time.monotonic() - self._since

    def view(self) -> View:
        """Look at the stage."""
        stage, now = self.stage, time.monotonic()
        total, all_bytes = stage.files_total, stage.bytes_total
        files, measure = (0, stage.work) if stage.work_total else (stage.files, stage.bytes if all_bytes else 0)
        self._pace.add(now - self._looked, files - self._files, measure - self._measure)
        self._looked, self._files, self._measure = now, files, measure
        left = share = None
        if stage.work_total:
            left, share = self._pace.left(0, max(0, stage.work_total - measure)), measure / stage.work_total
        elif total:
            rest = max(0, all_bytes - measure) if all_bytes else 0
            left = self._pace.left(max(0, total - files), rest)
            share = measure / all_bytes if all_bytes else files / total
        return View(
            stage=stage.name,
            unit=stage.unit,
            files=stage.files,
            files_total=total,
            size=stage.bytes,
            size_total=all_bytes,
            failed=stage.failed,
            seconds=self._seconds + now - self._since,
            left=left,
            share=None if share is None else min(1.0, share),
            file=shown(stage.about) or name_of(stage.file),
            about=stage.about,
            path=stage.file,
        )


def name_of(file: bytes | None) -> str:
    """Give a path that opens a file from the working folder, without control characters; "" for no file."""
    return "" if file is None else shown(openable(file))
