"""Reports on plans of duplicates: written, carried out, taken back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vstore_cli.output import count, echo_json, number, openable, placed, say, shown, size, tell, tell_path

if TYPE_CHECKING:
    from vstore import DupesApplied, DupesPlanned, DupesRestored

ROWS = 20  # refused rows that the terminal names


def show_planned(report: DupesPlanned, *, as_json: bool) -> None:
    if as_json:
        echo_json(report)
        return
    file = openable(report.file)
    if not report.moves:
        tell(f"Wrote an empty plan, {shown(file)}: {report.snapshot} holds nothing that could go.")
        return
    groups = count(report.groups, "group")
    tell(f"Wrote a plan, {shown(file)}: {count(report.moves, 'file')} of {groups}, {size(report.size)}, would go.")
    say(f"Nothing was moved. Read it, change it, then run: vstore dupes --apply {_quoted(file)}")


def show_applied(report: DupesApplied, *, as_json: bool, quiet: bool, again: str) -> int:
    """Print a report. again: goes on with an interrupted run. Returns: the exit code."""
    if as_json:
        echo_json(report)
    elif not quiet:
        earlier = f"; {number(report.done)} were moved by an earlier run" if report.done else ""
        tell(f"Moved {count(len(report.moved), 'file')}, {size(report.size)}, to the trash{earlier}.")
        if report.linked:
            say(f"Made {count(len(report.linked), 'hard link')} to what stays.")
        if report.decided:
            say(f"Noted {count(report.decided, 'decision')} on what stays. Take back with: vstore undo")
        for folder in report.trash:
            say(f"Move them back with: vstore dupes --restore {_quoted(folder)}")
        if report.moved or report.linked:
            say("Bring the store up to date with: vstore sync")
    if not as_json:
        _show_refused([(placed(row.path, report.where), row.reason, row.row) for row in report.refused])
    return _code(report.interrupted, bool(report.refused), again)


def show_restored(report: DupesRestored, *, as_json: bool, quiet: bool, again: str) -> int:
    """Print a report. again: goes on with an interrupted run. Returns: the exit code."""
    if as_json:
        echo_json(report)
    elif not quiet:
        there = f"; {number(report.done)} are there already" if report.done else ""
        tell(f"Moved {count(len(report.moved), 'file')} back{there}.")
        if report.moved:
            say("Bring the store up to date with: vstore sync")
    if not as_json:
        _show_refused(
            [(shown(openable(os.path.join(report.folder, row.path))), row.reason, "") for row in report.refused]
        )
        if report.left:
            tell(f"{count(len(report.left), 'file')} in the trash that its record does not name, left there:", err=True)
            for path in report.left[:ROWS]:
                tell_path(shown(openable(os.path.join(report.folder, path))), err=True)
    return _code(report.interrupted, bool(report.refused or report.left), again)


def _show_refused(rows: Sequence[tuple[str, str, str]]) -> None:
    if rows:
        tell(f"{count(len(rows), 'file')} not moved:", err=True)
    for path, reason, row in rows[:ROWS]:
        tell_path(path or row, f": {shown(reason)}", err=True)
    if len(rows) > ROWS:
        tell(f"  and {number(len(rows) - ROWS)} more; --json lists all", err=True)


def _code(interrupted: bool, incomplete: bool, again: str) -> int:
    if interrupted:
        say(f"Interrupted: what was moved stays moved; continue with: {again}", err=True)
        return 130
    return 3 if incomplete else 0


def _quoted(path: bytes) -> str:
    import shlex  # few commands suggest one

    return shlex.quote(os.fsdecode(path))
