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
    """Show what is missing; with `fill`, fill in what is asked for, too.

    Raises: UsageError if it is not said what to fill in, or if words of filling in come without it; and the errors of
            `show` and `fill_in`.
    """
    if pixels != fill or (options != FillOptions() and not fill):
        raise UsageError(
            "--fill wants to know which facts, and the other options go with it",
            "fill in the digests of pixels with: vstore facts --fill --pixels",
        )
    if not fill:
        repo.reload()
        return repo.reading(lambda: show(repo))
    return fill_in(repo, options, Stages(progress), stop or threading.Event())
