"""The reasons not to believe an old index. Pure."""

from __future__ import annotations

from typing import NamedTuple

from vstore.counts import counted
from vstore.importing.matching import EDITED, NEARLY
from vstore.importing.report import ImportReport, Row, short
from vstore.importing.verdict import Verdict

NAMED = 5  # rows that a message names


class Refusal(NamedTuple):
    """A reason to refuse an import.

    what: what is wrong.
    step: what to do.
    """

    what: str
    step: str


def contradiction(verdict: Verdict) -> Refusal | None:
    """Say how the vectors contradict the list: equal pictures with different vectors. None if they do not."""
    if verdict.torn:
        what = (
            f"{counted(len(verdict.torn), 'pair')} of vectors differ although their pictures are the same, byte for "
            f"byte: {', '.join(verdict.torn[:NAMED])}; the order of the rows is broken"
        )
        return Refusal(what, "find the list that belongs to these vectors, or go on with --force")
    if verdict.twice:
        amount = len(verdict.twice)
        what = f"{counted(amount, 'path')} {'is' if amount == 1 else 'are'} listed twice, with different vectors"
        step = "a row was added again, not replaced: keep one row of each, or take the first of each with --force"
        return Refusal(f"{what}: {', '.join(verdict.twice[:NAMED])}", step)
    return None


def nothing_found(verdict: Verdict, report: ImportReport, *, resumed: bool) -> Refusal | None:
    """Say why there is nothing to import: an empty index, or one of whose pictures none was found.

    resumed: the pictures may still be missing; that is not a reason then.
    """
    if not verdict.rows:
        return Refusal("the old index is empty", "nothing was changed")
    if verdict.aliases or resumed:
        return None
    found = report.counts()
    counts = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in found.items() if count)
    some = "; ".join(f"{short(row.path)}: {row.reason}{_such_as(row, report)}" for row in verdict.rows[:NAMED])
    step = "look at --root: the names, or the ends of the paths, must be those of files under it"
    if report.near:
        step = "files of these names exist, but no common move explains them: if they are the pictures, add --by-name"
    if any(row.why == NEARLY for row in verdict.rows):
        step = "files have nearly these names: if they are the pictures, write their names into the list"
    if found[EDITED]:
        step = "files that were copied are newer than the index: if nobody edited them, add --trust-edited"
    rows = len(verdict.rows)
    none = "the only row has no picture" if rows == 1 else f"none of the {rows:,} rows has a picture"
    return Refusal(f"{none} ({counts}): {some}", step)


def _such_as(row: Row, report: ImportReport) -> str:
    return f" ({short(report.file_of(row.files[0]))})" if row.files else ""
