"""`vstore gc`."""

from __future__ import annotations

import click

from vstore_cli.locate import open_to_change
from vstore_cli.output import count, echo_json, json_option, size


@click.command()
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be freed, and free nothing.")
@click.option("--drop-unnamed", is_flag=True, help="Free vectors that no version names even if younger than 14 days.")
@click.option("--wait", is_flag=True, help="Wait for another process that is changing the store.")
@json_option
def gc(dry_run: bool, drop_unnamed: bool, wait: bool, as_json: bool) -> None:
    """Free what no kept version names: vectors, forgotten versions, old records. It is the end of undo.

    Searches that are going on are not disturbed. On a full disk it makes its own room.

    \b
    Example:
      vstore gc --dry-run
    """
    with open_to_change() as store:
        report = store.gc(dry_run=dry_run, drop_unnamed=drop_unnamed, wait=wait)
    if as_json:
        echo_json(report)
        return
    click.echo(
        f"{'Would free' if dry_run else 'Freed'} {size(report.bytes)}: {count(report.vectors, 'vector')}, "
        f"{count(report.snapshots, 'forgotten snapshot')}, {count(report.records, 'record')}, "
        f"{count(report.unlisted, 'file')} that no record named"
    )
    if report.rewritten:
        click.echo(
            f"{count(report.segments + report.packs, 'file')} replaced by {report.rewritten} without what was dead"
        )
    if report.unnamed:
        click.echo(
            f"{count(report.unnamed, 'vector')} stay that no version names (younger than 14 days, or among others that "
            "are in use)"
        )
