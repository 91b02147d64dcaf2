"""`vstore migrate`."""

from __future__ import annotations

import click

from vstore_cli.locate import open_store
from vstore_cli.output import echo_json, json_option


@click.command()
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
@json_option
def migrate(dry_run: bool, as_json: bool) -> None:
    """Upgrade a store of an older format.

    Snapshots, ids and vectors stay as they are. Older versions of vstore cannot open the store afterwards.

    \b
    Example:
      vstore migrate
    """
    with open_store() as store:
        report = store.migrate(dry_run=dry_run)
    if as_json:
        echo_json(report)
        return
    for step in report.steps:
        click.echo(step)
    if not report.steps:
        click.echo(f"Nothing to do: the store has format {report.format}, the newest.")
