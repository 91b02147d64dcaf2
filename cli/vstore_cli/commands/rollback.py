"""`vstore rollback`, `undo`, `redo`, `log`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vstore_cli.locate import open_store, open_to_change
from vstore_cli.output import echo_json, json_option, local, shown, table

if TYPE_CHECKING:
    from vstore.versions.moves import MoveReport


@click.command()
@click.argument("snap", required=False)
@click.option("--hold", is_flag=True, help="Refuse to sync until --release, so that nothing brings the new state back.")
@click.option("--release", is_flag=True, help="Let syncs go on after a --hold.")
@json_option
def rollback(snap: str | None, hold: bool, release: bool, as_json: bool) -> None:
    """Make snapshot SNAP current at once. No file is touched, and nothing is lost: `vstore undo` goes back.

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
        click.echo("Syncs go on." if report.changed else "Syncs were not held.")
        return
    if report.before == report.current:
        click.echo(f"{report.current} is current already.")
    else:
        click.echo(f"{report.current} is current now" + (f" (it was {report.before})." if report.before else "."))
    if report.hold:
        click.echo("No file was touched. Syncing is held until: vstore rollback --release")
    elif report.changed:
        click.echo("No file was touched: the next sync brings back what is on disk. Go back with: vstore undo")


@click.command()
@json_option
def undo(as_json: bool) -> None:
    """Take back the newest operation: the current snapshot, tags and the hold are as before it. Can be repeated.

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
    """Bring back what the newest undo took. A new operation ends that.

    \b
    Example:
      vstore redo
    """
    with open_to_change() as store:
        report = store.redo()
    _moved(report, "Done again", as_json)


def _moved(report: MoveReport, what: str, as_json: bool) -> None:
    if as_json:
        echo_json(report)
        return
    click.echo(f"{what}: {shown(local(report.about))}")
    click.echo(f"{report.current} is current." if report.current else "No snapshot is current.")


@click.command()
@click.option("-n", "--limit", type=click.IntRange(1), help="Only the newest so many.")
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
        click.echo(f"Warning: {shown(cut)}; what was done before that is not listed. Run: vstore repair", err=True)
    if as_json:
        echo_json(rows)
        return
    lines = [["", "time", "operation", "current", ""]]
    for row in rows:
        about = shown(local(row.about)) + (" (undone)" if row.undone else "")
        lines.append([str(row.number), local(row.time), row.op, row.current or "", about.strip()])
    table(lines, right=(0,))
