"""The steps of `vstore watch` in words, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore_cli.output import count, holdings, number, placed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vstore import Failure, Files, SyncReport, Watched

_WORDS = ("new", "changed", "renamed", "copied", "known", "removed")
_NAMED = 3  # failed pictures that a line names


def lines_of(step: Watched, *, is_again: bool) -> Iterator[tuple[str, bool]]:
    """Write the lines of a step; none of a sync without news.

    is_again: the sync before it was refused, so that even no news is some.
    Yields:   lines, and whether they are of something wrong.
    """
    if step.note:
        yield step.note, False
    if step.error is not None:
        yield f"{step.error.message}; {step.error.next_step}".removesuffix("; "), True
    report = step.report
    if report is None:
        return
    fresh = [failure for failure in report.failed if not failure.known]
    if report.snapshot is not None or is_again or report.interrupted:
        yield _changes(report), False
    if fresh:
        yield _failures(fresh, report.where), True


def _changes(report: SyncReport) -> str:
    counts = [f"{number(getattr(report, name))} {name}" for name in _WORDS if getattr(report, name)]
    if report.carried:
        counts.append(f"{number(report.carried)} kept that could not be read")
    what = ", ".join(counts) or "nothing changed"
    if report.snapshot is None:
        return f"{report.current}: {what}" + (
            "; stopped, the next sync goes on from here" if report.interrupted else ""
        )
    partial = " (partial: the next sync goes on from here)" if report.partial else ""
    return f"{report.snapshot}{partial}: {what}; {holdings(report.paths, report.images)} in all"


def _failures(failures: list[Failure], where: Files) -> str:
    some = "; ".join(f"{placed(failure.path, where)}: {failure.reason}" for failure in failures[:_NAMED])
    more = f"; and {number(len(failures) - _NAMED)} more" if len(failures) > _NAMED else ""
    return f"{count(len(failures), 'picture')} could not be read: {some}{more}"
