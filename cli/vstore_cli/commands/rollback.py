"""`vstore rollback`, `undo`, `redo`, `log`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vstore_cli.locate import open_store, open_to_change
from vstore_cli.output import echo_json, json_option, local, say, shown, table, tell
from vstore_cli.pager import paged

if TYPE_CHECKING:
    from vstore import MoveReport


@click.command()
@click.argument("snap", required=False)
@click.option(
    "--hold", is_flag=True, help="Refuse to sync until --release, so that no sync brings the newer state back."
)
@click.option("--release", is_flag=True, help="Allow syncs again after a --hold.")
@json_option
def rollback(snap: str | None, hold: bool, release: bool, as_json: bool) -> None:
    """Make snapshot SNAP current at once. No picture is touched and nothing is lost: `vstore undo` goes back.

    \b
    Example:
      vstore rollback v11
      vstore rollback current~1 --hold
    """
    with open_to_change() as store:
        report = store.rollback(snap, hold=hold, release=release)
    if as_json:
        echo_json(report)
        return
    if report.op == "release":
        tell("Syncing is allowed again." if report.changed else "Syncing was not held.")
        return
    if report.before == report.current:
        tell(f"{report.current} is already current.")
    else:
        tell(f"{report.current} is now current" + (f" (before: {report.before})." if report.before else "."))
    if report.hold:
        say("No picture was touched. Syncing is held until: vstore rollback --release")
    elif report.changed:
        say("No picture was touched: the next sync returns to what is on disk. Go back with: vstore undo")
    _notes(report)


@click.command()
@json_option
def undo(as_json: bool) -> None:
    """Take back the newest operation: restore the current snapshot, tags, hold, folders and decisions.
    Can be repeated.

    \b
    Example:
      vstore undo
    """
    with open_to_change() as store:
        report = store.undo()
    _moved(report, "Undone", as_json)


@click.command()
@json_option
def redo(as_json: bool) -> None:
    """Restore what the newest undo took back. Not possible after a new operation.

    \b
    Example:
      vstore redo
    """
    with open_to_change() as store:
        report = store.redo()
    _moved(report, "Redone", as_json)


def _moved(report: MoveReport, what: str, as_json: bool) -> None:
    if as_json:
        echo_json(report)
        return
    tell(f"{what}: {shown(local(report.about))}")
    tell(f"{report.current} is current." if report.current else "No snapshot is current.")
    _notes(report)


def _notes(report: MoveReport) -> None:
    for one in report.notes:
        say(f"Note: {shown(local(one))}", err=True)


@click.command()
@click.option("-n", "--limit", type=click.IntRange(1), metavar="N", help="Show only the newest N.")
@json_option
def log(limit: int | None, as_json: bool) -> None:
    """List the operations, newest first.

    \b
    Example:
      vstore log -n 10
    """
    with open_store() as store:
        rows = store.log(limit)
        cut = store.why_log_is_cut if limit is None or len(rows) < limit else None
    if cut is not None:
        say(f"Warning: {shown(cut)}; not all operations are listed. Run: vstore repair", err=True)
    if as_json:
        echo_json(rows)
        return
    lines = [["", "time", "operation", "current", ""]]
    end = next((row.number for row in rows if row.ends_undo), None)
    for row in rows:
        about = shown(local(row.about)) + (" (undone)" if row.undone else "")
        about += " (undo ends here)" if row.number == end and row.op != "init" else ""
        lines.append([str(row.number), local(row.time), row.op, row.current or "", about.strip()])
    with paged():
        table(lines, right=(0,), drop=(3, 0, 1), whole=(1, 2, 3), heading=True, colours={3: "snapshot"})
