"""`vstore status`."""

from __future__ import annotations

import click

from vstore_cli.locate import open_store
from vstore_cli.output import json_option
from vstore_cli.progress import progress, progress_option
from vstore_cli.sync_report import RETRY, show


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def status(paths: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Show what a sync would do, and how long it would take. Writes nothing.

    \b
    Example:
      vstore status pictures/
    """
    with open_store(paths) as store, progress(quiet) as bar:
        report = store.status(paths, progress=bar)
    return show(report, as_json=as_json, retry=f"vstore sync {RETRY}")
