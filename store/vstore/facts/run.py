"""Runs `facts`: shows what is missing, or fills it in."""

from __future__ import annotations

import threading

from vstore.errors import UsageError
from vstore.facts.fill import FillOptions, fill_in
from vstore.facts.report import FactsReport
from vstore.facts.show import show
from vstore.progress import Progress, Stages
from vstore.repository.repository import Repository


def facts(
    repo: Repository,
    options: FillOptions,
    *,
    fill: bool,
    pixels: bool,
    progress: Progress | None,
    stop: threading.Event | None,
) -> FactsReport:
    """Show what is missing; with `fill`, fill it in, too.

    Raises: UsageError if words of filling in come without it, or words of decoding without pixels; and the errors of
            `show` and `fill_in`.
    """
    if not fill and (pixels or options != FillOptions()):
        raise UsageError(
            "--pixels and the other options go with --fill, which fills facts in",
            "read the headers of pictures with: vstore facts --fill; and their pixels with: "
            "vstore facts --fill --pixels",
        )
    if not pixels and options._replace(wait=False) != FillOptions():
        raise UsageError(
            "--max-pixels and --isolate-decoding go with --pixels: without it nothing is decoded",
            "leave them out, or decode the pictures with: vstore facts --fill --pixels",
        )
    if not fill:
        repo.reload()
        return repo.reading(lambda: show(repo))
    return fill_in(repo, options, Stages(progress), stop or threading.Event(), pixels=pixels)
